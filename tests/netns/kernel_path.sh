#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What is not for a VIP reaches Linux and its answers come back: ARP, ND, ping, TCP to and from the
# edge's own addresses, in full-size frames, on both ports.
. "$(dirname "$0")/lab.sh"

lab_up
lab_servers b1
lab_config b1 >"$LAB_CONFIG"
lab_edge_start
sessions_serve edge # a server on the edge itself

mac_of() { # NODE INTERFACE
    lab_in "$1" cat "/sys/class/net/$2/address"
}

for port in up lan; do
    kernel=${port/up/uplink}0
    equal "$kernel has the MAC of nic-$port" "$(mac_of edge "$kernel")" "$(mac_of edge nic-$port)"
done

for address in 10.0.8.2 2001:db8:8::2; do
    expect "client1 pings $address" lab_in client1 ping -q -c 20 -i 0.05 -W 2 $address
    expect "with 1500 bytes" lab_in client1 ping -q -c 3 -i 0.1 -W 2 -M "do" \
        -s $((${#address} > 8 ? 1452 : 1472)) $address
done
for address in 10.0.9.2 2001:db8:9::2; do
    expect "b1 pings $address on the other port" lab_in b1 ping -q -c 5 -i 0.05 -W 2 $address
done

lab_in router ip neigh flush dev edge
expect "ARP: the router finds 10.0.8.2 again" lab_in router ping -q -c 1 -W 2 10.0.8.2
expect "ND: the router finds 2001:db8:8::2 again" lab_in router ping -q -c 1 -W 2 2001:db8:8::2
for address in 10.0.8.2 2001:db8:8::2; do
    equal "and at $address the MAC of uplink0" \
        "$(lab_in router ip -j neigh show $address dev edge | jq -r '.[0].lladdr')" \
        "$(mac_of edge uplink0)"
done

# A session as BGP has one: the router connects to the edge and they talk for a while.
# shellcheck disable=SC2086
lab_spawn bgp router $PYTHON "$TESTS/sessions.py" hold 1 7000 10.0.8.2
lab_wait 10 grep -q "holding 1" "$LAB_DIR/bgp.log"
for _ in 1 2 3 4 5 6 7 8 9 10; do
    sessions_ask bgp
done
kill -TERM "$(lab_pid bgp)"
lab_wait 30 lab_is_gone "$(lab_pid bgp)"
equal "a TCP session from the router to the edge" \
    "$(tail -n 1 "$LAB_DIR/bgp.log" | jq -c '[.broken, .opened.edge, .least_asked > 10]')" '[0,1,true]'

# 24 MB in full frames through the kernel interface, from b1's nginx to the edge.
lab_in edge curl -sS -m 60 -o "$LAB_DIR/download" http://10.0.9.11/download
expect "a download by the edge itself is whole" cmp "$LAB_DIR/download" "$LAB_DIR/b1/download"

# Connections of before have said their last word.
punts_nothing() {
    before=$(counter punted_other)
    sleep 0.2
    [ "$(counter punted_other)" = "$before" ]
}
lab_wait 10 punts_nothing
lab_in client1 curl -sS -m 2 -o /dev/null "http://$LAB_VIP_WEB4/" || true
lab_in client1 curl -sS -m 1 -o /dev/null "http://$LAB_VIP_WEB4:81/" 2>/dev/null || true
equal "packets to a VIP are never handed to Linux" "$(counter punted_other)" "$before"
expect "counters add up" counters_add_up
