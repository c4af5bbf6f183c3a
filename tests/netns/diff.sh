#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# fairctl diff says what a reload would do, and does nothing; what it says is what the reload then does.
. "$(dirname "$0")/lab.sh"

# difference CONFIG: the daemon's answer, and in $status the exit status.
difference() {
    status=0
    lab_fairctl -j diff "$1" >"$LAB_DIR/diff.json" 2>"$LAB_DIR/diff.log" || status=$?
}

says() { # JQ-ARGUMENT…
    jq -c "$@" "$LAB_DIR/diff.json"
}

flows_of() { # BACKEND
    lab_fairctl -j backends web | jq --arg name "$1" '.[] | select(.name == $name) | .flows'
}

lab_up
sessions_serve b1 b2 b3
lab_config b1 b2 >"$LAB_CONFIG"
lab_edge_start
sessions_open 60
on_b2=$(flows_of b2)

difference "$LAB_CONFIG"
equal "the file in force: exit status 0" "$status $(says .verdict)" '0 "same"'

lab_config b1 b3 | jq '.services[0].affinity = "client" | .pools.dns.backends[0].weight = 7' \
    >"$LAB_DIR/next.json"
difference "$LAB_DIR/next.json"
equal "another one: exit status 1" "$status $(says .verdict)" '1 "live"'
equal "it names what comes, goes and changes" \
    "$(says '.changes | map([.kind, .what, .name])')" \
    "$(echo '[["change","backend","dns/b1"],["remove","backend","dns/b2"],["add","backend","dns/b3"],
       ["remove","backend","web/b2"],["add","backend","web/b3"],["change","service","web"]]' | jq -c .)"
equal "and how" "$(says '.changes[0].detail')" '"weight 100 -> 7"'
equal "live flows that would move are those of b2" \
    "$(says '[.flows.moving, .flows.backends[0].backend, .flows.backends[0].why]')" "[$on_b2,\"b2\",\"removed\"]"
expect "half of the rows, or so, would move" says -e '.rows[] | select(.pool == "web") | .moving > 20000'
expect "what cannot be known is said" says -e '.unknown[0] | contains("affinity")'
equal "nothing has been done" "$(lab_fairctl -j status | jq .generation) $(flows_of b2)" "1 $on_b2"

lab_config b1 b2 | jq '.edge.hash_key = "ffeeddccbbaa99887766554433221100" | .dataplane.hugepages = true' \
    >"$LAB_DIR/restart.json"
difference "$LAB_DIR/restart.json"
equal "what needs a restart is named" \
    "$status $(says '[.verdict, (.changes | map(.name))]')" \
    '1 ["needs_restart",["/edge/hash_key","/dataplane/hugepages"]]'
lab_config b1 | jq '.pools.web.backends[0].weight = -1' >"$LAB_DIR/bad.json"
difference "$LAB_DIR/bad.json"
equal "a file that is wrong: exit status 1, and no difference" "$status $(wc -c <"$LAB_DIR/diff.json")" "1 0"
expect "every error has its position" grep -q 'bad.json:[0-9]*:[0-9]*: /pools/web/backends/0/weight: ' "$LAB_DIR/diff.log"

lab_config b1 b2 | jq '.pools.web.backends[1].state = "disabled"' >"$LAB_DIR/disabled.json"
difference "$LAB_DIR/disabled.json"
equal "flows of a backend that is disabled would move" \
    "$(says '[.flows.moving, .flows.backends[0].why]')" "[$on_b2,\"disabled\"]"
lab_config b1 b2 | jq '.pools.web.backends[1].state = "drain"' >"$LAB_DIR/drain.json"
difference "$LAB_DIR/drain.json"
equal "those of one that drains would not" "$(says .flows.moving)" 0
expect "counters add up" counters_add_up
