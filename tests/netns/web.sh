#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# curl through the VIPs: every request is answered, by every backend in turn, over IPv4 and IPv6.
. "$(dirname "$0")/lab.sh"

lab_up
lab_servers b1 b2 b3
lab_config b1 b2 b3 >"$LAB_CONFIG"
lab_edge_start

for client in client1 client2; do
    for vip in $LAB_VIP_WEB4 "[$LAB_VIP_WEB6]"; do
        expect "$client http://$vip/, 60 connections over three backends" \
            all_answered "$(answers $client "http://$vip/" 60)" 60 b1 b2 b3
    done
done

# A connection that is kept open has one backend, and a download is whole.
equal "60 requests on one connection have one backend" \
    "$(lab_in client1 curl -sS -m 20 "http://$LAB_VIP_WEB4/?[1-60]" | sort -u | wc -l)" 1
lab_in client1 curl -sS -m 30 -o "$LAB_DIR/download" -D "$LAB_DIR/head" "http://$LAB_VIP_WEB4/download"
equal "a download of $LAB_DOWNLOAD_BYTES bytes comes from one backend" \
    "$(uniq "$LAB_DIR/download" | head -n 1000 | sed 's/ b[123]$//' | sort -u | head -n 1)" "this line comes from"
equal "and is as long as it should be" "$(stat -c %s "$LAB_DIR/download")" "$LAB_DOWNLOAD_BYTES"
expect "counters add up" counters_add_up
