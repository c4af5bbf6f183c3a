#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A VIP behaves like a host: ping and traceroute work, a closed port is told, and the rates hold.
. "$(dirname "$0")/lab.sh"

# The last hop is the VIP, and the edge answers for the hop before the backend (l2: the same one).
trace_reaches() { # VIP OPTIONS…
    local vip=$1
    shift
    lab_in client1 traceroute -n -q 1 -w 2 -m 6 "$@" "$vip" | tee /dev/stderr | tail -n 1 | grep -q " $vip "
}

refused_at_once() { # VIP: dig gets "connection refused" and does not wait for its 5 s
    ! timeout 3 ip netns exec "fl-$LAB_NAME-client1" dig +tries=1 +time=5 -p 5353 "@$1" example >"$LAB_DIR/dig" 2>&1 &&
        grep -q "refused" "$LAB_DIR/dig"
}

not_refused() {
    ! refused_at_once $LAB_VIP_DNS4
}

lab_up
lab_servers b1 b2
lab_config b1 b2 >"$LAB_CONFIG"
lab_edge_start
for vip in "${LAB_VIPS4[@]}" "${LAB_VIPS6[@]}"; do
    expect "ping $vip" lab_in client1 ping -q -c 3 -i 0.1 -W 1 "$vip"
    expect "ping $vip, 1400 bytes" lab_in client2 ping -q -c 2 -i 0.1 -W 1 -s 1400 "$vip"
done
for vip in $LAB_VIP_WEB4 $LAB_VIP_WEB6; do
    expect "traceroute $vip by UDP" trace_reaches "$vip"
    expect "traceroute $vip by ICMP" trace_reaches "$vip" -I
    expect "traceroute $vip by TCP to port 80" trace_reaches "$vip" -T -p 80
done
for vip in $LAB_VIP_DNS4 $LAB_VIP_DNS6; do
    expect "a closed UDP port of $vip is told" refused_at_once "$vip"
done
expect "pings were answered by the edge" [ "$(counter answered_echo)" -ge 20 ]
expect "unreachable ports were" [ "$(counter answered_no_service)" -ge 4 ]
expect "used-up TTLs were" [ "$(counter answered_ttl_expired)" -ge 1 ]

lab_config b1 b2 | jq '.icmp = {echo_pps: 10, errors_pps: 0}' >"$LAB_DIR/quiet.json"
expect "rates change by reload" lab_fairctl reload "$LAB_DIR/quiet.json" --wait
lab_in client1 ping -q -c 300 -i 0.002 -W 1 $LAB_VIP_WEB4 >/dev/null || true
expect "pings over the rate are dropped by name" [ "$(counter drop_icmp_metered)" -gt 100 ]
expect "with rate 0 a closed port is silent" not_refused
expect "counters add up" counters_add_up
