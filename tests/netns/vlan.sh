#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The edge's port to the backends is a trunk: they are in VLAN 10, where Linux finds them through the
# VLAN's own interface. Requests reach them with the tag, and the edge itself talks to them too.
. "$(dirname "$0")/lab.sh"

lab_up
lab_servers b1 b2
# Nothing untagged gets from the edge to the segment any more; VLAN 10 does.
lab_in router ip link set lan-edge nomaster
# shellcheck disable=SC2086
lab_spawn trunk router $PYTHON "$TESTS/trunk.py" lan-edge 10 lan-v10
lab_wait 10 grep -q ready "$LAB_DIR/trunk.log"
lab_in router ip link set lan-v10 master lan up

lab_config b1 b2 | jq '.dataplane.ports[1].vlans = [{"id": 10, "kernel_interface": "lan10"},
    {"id": 20, "kernel_interface": "lan20"}]
    | .pools.web.backends[1].address = "2001:db8:9::12"
    | .pools.web.health = {"type": "http", "port": 80, "via": "path"}' >"$LAB_CONFIG"
checks_are() { # JQ-FILTER
    lab_fairctl -j health | jq -e "map(select(.pool == \"web\").health) | all(.[]; $1)"
}

# As on any box, the addresses are on the interface that has the neighbours. They come late: fairlead
# makes the interface.
lab_edge_addresses() {
    expect "without addresses nobody can be asked" \
        lab_wait 10 checks_are '.last_failure | contains("no address to ask from")'
    lab_address edge uplink0 10.0.8.2/24 2001:db8:8::2/64
    lab_address edge lan10 10.0.9.2/24 2001:db8:9::2/64
}
lab_edge_start
expect "health checks by the path reach the backends" lab_wait 20 checks_are '.verdict == "up"'
expect "and none of them was taken for down meanwhile" checks_are '.changes | length == 1'

for vip in $LAB_VIP_WEB4 "[$LAB_VIP_WEB6]"; do
    expect "http://$vip/ from backends in a VLAN, found by ARP and by ND" \
        all_answered "$(answers client1 "http://$vip/" 30)" 30 b1 b2
done
expect "the edge itself reaches them" lab_in edge ping -q -c 3 -i 0.1 -W 2 10.0.9.11
expect "they reach the edge" lab_in b1 ping -q -c 3 -i 0.1 -W 2 2001:db8:9::2
expect "in full-size frames" lab_in b1 ping -q -c 3 -i 0.1 -W 2 -M "do" -s 1472 10.0.9.2
equal "nothing came in the other VLAN" \
    "$(lab_fairctl -j stats | jq -c '[.kernel_path[] | select(.interface == "lan20").delivered]')" "[0]"
expect "frames are counted by interface" eval "lab_fairctl -j stats |
    jq -e '.kernel_path[] | select(.interface == \"lan10\") | .delivered > 6 and .collected > 6'"
equal "explain names the VLAN" \
    "$(lab_fairctl -j explain tcp 10.0.1.2:5000 $LAB_VIP_WEB4:80 | jq .vlan)" 10
expect "counters add up" counters_add_up
