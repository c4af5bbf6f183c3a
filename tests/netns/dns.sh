#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# dig through the VIPs: every query is answered, over IPv4 and IPv6; flows spread, and one flow stays.
. "$(dirname "$0")/lab.sh"

# ask CLIENT VIP COUNT [DIG-OPTION…]: who answered.
ask() {
    local client=$1 vip=$2 count=$3
    shift 3
    yes 'whoami.example TXT' | head -n "$count" >"$LAB_DIR/queries" || true
    lab_in "$client" dig "$@" "@$vip" +short +tries=1 +time=2 -f "$LAB_DIR/queries" | tr -d '"'
}

lab_up
lab_servers b1 b2 b3
lab_config b1 b2 b3 >"$LAB_CONFIG"
lab_edge_start

for client in client1 client2; do
    for vip in $LAB_VIP_DNS4 $LAB_VIP_DNS6; do
        expect "$client dig @$vip, 60 queries over three backends" \
            all_answered "$(ask $client "$vip" 60)" 60 b1 b2 b3
    done
done
expect "20 queries from one source port have one backend" \
    all_answered "$(ask client1 "$LAB_VIP_DNS4" 20 -b "10.0.1.2#4053")" 20 \
    "$(ask client1 "$LAB_VIP_DNS4" 1 -b "10.0.1.2#4053")"
expect "counters add up" counters_add_up
