#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Linux's neighbour table, full of backends that nobody answers for: what is resolved stays so, the
# rest is named with the remedy and its packets are counted; when there is room again, a backend that
# comes is reached at once. Hostile inputs, exhaustion 88.
#
# Runs alone: it fills the machine's table.
. "$(dirname "$0")/lab.sh"

# The table is one for all namespaces; its limit is the first one's to set and to see.
LIMIT=$(cat /proc/sys/net/ipv4/neigh/default/gc_thresh3 2>/dev/null || echo 1024)
[ "$LIMIT" -le 8192 ] || skip_all "gc_thresh3 is $LIMIT: filling that takes too long"
CROWD=$((LIMIT + LIMIT / 2))

# crowded BACKEND…: these as always, and a pool of nobodies on the link, which has the DNS VIPs.
crowded() {
    lab_config "$@" | jq --argjson crowd "$CROWD" '
        .pools.dns.backends = [range($crowd) | {name: "n\(.)",
            address: "10.64.\(1 + . / 250 | floor).\(1 + . % 250)"}]'
}

# The table is Linux's, for all namespaces of this machine: clients and servers would lose their own
# neighbours in the crowd, and it is not they who are tested. What they know now, they keep.
pin_neighbours_of_others() {
    local node address device mac
    for node in client1 client2 b1 b2 b3 router; do
        ip netns list | grep -q "^fl-$LAB_NAME-$node\b" || continue
        lab_in "$node" ip neigh show | while read -r address _ device _ mac _; do
            [[ $mac == *:*:* ]] || continue
            lab_in "$node" ip neigh replace "$address" dev "$device" lladdr "$mac" nud permanent
        done
    done
}

some_have_no_room() {
    lab_fairctl -j backends dns | jq -e 'any(.[].next_hop;
        .state == "no_room" and (.detail | test("gc_thresh3")))'
}

lab_up
lab_servers b1 b2 b3
crowded b1 b2 >"$LAB_CONFIG"
lab_config b1 b2 >"$LAB_DIR/first.json"
lab_spawn edge edge "$LAB_FAIRLEAD" --config "$LAB_DIR/first.json"
lab_wait 20 lab_edge_is_ready
lab_edge_addresses
lab_address edge lan0 10.64.0.1/16
expect "two backends are resolved" lab_wait 10 lab_edge_resolved

expect "they serve" all_answered "$(answers client1 "http://$LAB_VIP_WEB4/" 60)" 60 b1 b2
pin_neighbours_of_others

expect "a crowd of $CROWD comes that nobody answers for" \
    lab_fairctl reload "$LAB_CONFIG" --wait
expect "for some of it Linux has no room: fairctl says so, and the remedy" \
    lab_wait 20 some_have_no_room
expect "who was there keeps being served" \
    all_answered "$(answers client1 "http://$LAB_VIP_WEB4/" 60)" 60 b1 b2
before=$(counter drop_next_hop)
lab_in client1 dig +tries=3 +time=1 "@$LAB_VIP_DNS4" whoami.example TXT >/dev/null || true
expect "packets to the crowd are counted as drop_next_hop" [ "$(counter drop_next_hop)" -ge $((before + 3)) ]

lab_config b1 b2 b3 >"$LAB_DIR/next.json"
expect "the crowd goes and b3 comes" lab_fairctl reload "$LAB_DIR/next.json" --wait
expect "b3 is resolved" lab_wait 15 lab_edge_resolved
expect "and all three are reached" \
    all_answered "$(answers client1 "http://$LAB_VIP_WEB4/" 60)" 60 b1 b2 b3
expect "counters add up" counters_add_up
