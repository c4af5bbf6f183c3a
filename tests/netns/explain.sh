#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# fairctl explain on the live tables: every field, and that it is what becomes of the packets.
. "$(dirname "$0")/lab.sh"

explain() { # PORT JQ-ARGUMENT…: of the flow from client1's port to the web VIP
    lab_fairctl -j explain tcp "10.0.1.2:$1" "$LAB_VIP_WEB4:80" | jq -c "${@:2}"
}

# ask PORT: who answers on a connection from that port.
ask() {
    lab_in client1 curl -fsS -m 5 --local-port "$1" "http://$LAB_VIP_WEB4/"
}

# step NAME TEXT…: what people are told of it.
step() {
    sed -n "s/^$1  *//p" "$LAB_DIR/said"
}

lab_up
lab_servers b1 b2
lab_config b1 b2 >"$LAB_CONFIG"
lab_edge_start

for port in 40001 40002 40003 40004; do
    explain $port . >"$LAB_DIR/before.json"
    equal "$port: no entry yet, so its row decides" \
        "$(jq -c '[.entry, .why, .exit]' "$LAB_DIR/before.json")" '[null,"a new flow: its row decides","sent"]'
    equal "$port: the backend of its row answers" "$(ask $port)" \
        "$(jq -r '.row_backend | ltrimstr("web/")' "$LAB_DIR/before.json")"
    expect "$port: its end is seen" lab_wait 5 explain $port -e '.entry.state == "closing"'
    equal "$port: then it has an entry, with that backend" \
        "$(explain $port '[.entry.backend, .entry.state, .why]')" \
        "$(jq -c '[.row_backend, "closing", "the flow table remembers the flow"]' "$LAB_DIR/before.json")"
    equal "$port: of the same hash and row" "$(explain $port '[.hash, .row]')" "$(jq -c '[.hash, .row]' "$LAB_DIR/before.json")"
done

lab_fairctl explain tcp "10.0.1.2:40001" "$LAB_VIP_WEB4:80" >"$LAB_DIR/said"
backend=$(explain 40001 -r .entry.backend)
address=$(explain 40001 -r .backend.address)
mac=$(lab_in "${backend#web/}" cat /sys/class/net/eth0/address)
equal "people: the service" "$(step service)" "web (tcp $LAB_VIP_WEB4 port 80, affinity flow, pool web)"
expect "people: the hash" grep -Eqx '[0-9a-f]{16}' <(step hash)
expect "people: the row, and whose it is" grep -Eqx "[0-9]+ -> $backend" <(step row)
expect "people: the entry, its state and its age" \
    grep -Eqx "$backend, closing, last seen [0-9]+ s ago \(in steps of 4 s\)" <(step entry)
equal "people: the backend, and why" "$(step backend)" "$backend, $address, active: the flow table remembers the flow"
equal "people: the next hop" "$(step "next hop")" "on link at $mac, by lan0"
equal "people: the VLAN, the encapsulation, the exit" "$(step VLAN), $(step encapsulation), $(step exit)" \
    "none, l2, sent: sent to a backend"

lab_fairctl drain "$backend" >"$LAB_DIR/drain.log"
equal "a backend that drains keeps its flows, and that is why" "$(explain 40001 '[.backend.state, .entry.backend, .exit]')" \
    "[\"drain\",\"$backend\",\"sent\"]"
lab_fairctl explain tcp "10.0.1.2:40001" "$LAB_VIP_WEB4:80" >"$LAB_DIR/said"
equal "people are told" "$(step backend)" \
    "$backend, $address, drain: the flow table remembers the flow, and a backend that drains keeps its flows"
expect "and gets no row of a new one" explain 40009 -e --arg name "$backend" '.row_backend != $name'
lab_fairctl undrain "$backend" >"$LAB_DIR/drain.log"

lab_config b1 b2 | jq '.pools.web.forward = {mode: "ipip", source4: "10.0.9.2"} | .services[0].affinity = "none"' \
    >"$LAB_DIR/next.json"
expect "a reload: in a tunnel, without affinity" lab_fairctl reload "$LAB_DIR/next.json" --wait
equal "both are told" "$(explain 40001 '[.encapsulation, .affinity, .entry, .exit]')" '["ipip","none",null,"sent"]'
lab_config b1 b2 | jq '.pools.web.backends[].state = "drain"' >"$LAB_DIR/next.json"
lab_fairctl reload "$LAB_DIR/next.json" --wait >"$LAB_DIR/reload.log"
equal "a new flow where nobody takes one" "$(explain 40009 '[.backend, .exit]')" '[null,"drop_no_backend"]'
expect "counters add up" counters_add_up
