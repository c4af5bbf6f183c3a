#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Next hops: one that nobody answers for is counted and looked for; traffic flows as soon as it is
# there, and goes on when its MAC changes.
. "$(dirname "$0")/lab.sh"

ask() { # prints b1 if all is well
    lab_in client1 curl -sS -m "${1-1}" "http://$LAB_VIP_WEB4/"
}

announced_mac_is_known() {
    lab_fairctl -j neighbours | grep -qi 02:00:00:00:09:99
}

lab_up
lab_servers b1
lab_in b1 ip link set eth0 down
lab_config b1 >"$LAB_CONFIG"
lab_spawn edge edge "$LAB_FAIRLEAD" --config "$LAB_CONFIG"
lab_wait 20 lab_edge_is_ready
lab_edge_addresses

expect "with b1 away nobody answers" eval '! ask'
expect "its packets are counted" test "$(counter drop_next_hop)" -gt 0
expect "fairctl says that it is not resolved" eval '! lab_edge_resolved'

lab_in b1 ip link set eth0 up
lab_address b1 eth0 2001:db8:9::11/64
lab_in b1 ip route add default via 10.0.9.1
expect "b1 comes, and a client that keeps trying gets through" lab_wait 15 ask 1
expect "fairctl says that it is resolved" lab_edge_resolved

sleep 2 # Linux ignores a second change of a neighbour within a second of the first
lab_sysctl b1 net.ipv4.conf.eth0.arp_notify=1
lab_in b1 ip link set eth0 address 02:00:00:00:09:99
expect "b1 changes its MAC and announces it: fairlead knows" lab_wait 10 announced_mac_is_known
expect "traffic goes on" ask 2

before=$(counter drop_next_hop)
expect "and none of it is dropped any more" \
    all_answered "$(answers client1 "http://$LAB_VIP_WEB4/" 20)" 20 b1
equal "drop_next_hop stands still" "$(counter drop_next_hop)" "$before"
expect "counters add up" counters_add_up
