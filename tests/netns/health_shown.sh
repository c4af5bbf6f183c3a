#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What checks say is seen: in backends, in health with its history and its reasons, in explain and in
# the metrics.
. "$(dirname "$0")/lab.sh"

b2() { # JQ-ARGUMENT…
    lab_fairctl -j health web/b2 | jq -c '.[0]' | jq -c "$@"
}

# metric NAME BACKEND
metric() {
    lab_in edge curl -fsS -m 2 http://127.0.0.1:9464/metrics |
        sed -n "s/^fairlead_$1{pool=\"web\",backend=\"$2\"} //p"
}

# Nothing is under way: what b2 has not read would make its end a reset, which takes the client's
# connection out of sight.
all_is_read() {
    { lab_in b2 ss -Htn state established | awk '{ print $1 + $2 }'
      lab_in client1 ss -Htn state established | awk '{ print $2 }'; } | awk '{ left += $1 } END { exit left > 0 }'
}

lab_up
sessions_serve b1 b2
lab_config b1 b2 | jq '.pools.web += {
    "health": {"type": "tcp", "port": 7000, "interval_ms": 400, "timeout_ms": 400, "fall": 2, "rise": 1},
    "when_down": {"tcp": {"flows": "move"}}} | .control.metrics = "127.0.0.1:9464"' >"$LAB_CONFIG"
lab_edge_start
expect "b2 is up" lab_wait 10 b2 -e '.health.verdict == "up"'
equal "of a pool without checks nothing is known" \
    "$(lab_fairctl -j health dns/b2 | jq -r '.[0].health.verdict')" unchecked
sessions_open 40
kill -STOP "$(lab_pid sessions)" # no packet comes that would take a flow elsewhere
lab_wait 10 all_is_read

kill -9 "$(lab_pid b2-sessions)"
expect "b2 goes down" lab_wait 10 b2 -e '.state == "down" and .health.verdict == "down"'
# Of flows that b2 had, explain says that their rows decide now, and why. (Counting flows would sweep
# their entries away.)
for port in $(lab_in client1 ss -Htan "dst $LAB_VIP_WEB4" | awk '{ sub(/.*:/, "", $4); print $4 }'); do
    lab_fairctl explain tcp "10.0.1.2:$port" "$LAB_VIP_WEB4:7000"
done >"$LAB_DIR/explained.log"
expect "explain says of each why it leaves" \
    awk '/^entry +web\/b2/ { entries++ } /is down and keeps no such flow: its row decides/ { told++ }
        END { exit !(entries > 0 && entries == told) }' "$LAB_DIR/explained.log"
expect "its last failure says why" b2 -e '.health.last_failure | contains("refused")'
equal "its history has both" "$(b2 '.health.changes[:2] | map(.verdict)')" '["down","up"]'
expect "people see it" grep -Eq '^web +b2 +down +down ' <(lab_fairctl health web/b2)
expect "backends has it too" grep -Eq '^web +b2 +[0-9.]+ +down +down ' <(lab_fairctl backends web)
equal "it has no rows" "$(lab_fairctl -j backends web | jq '.[] | select(.name == "b2") | .rows')" 0
equal "metrics have it: healthy, weight" \
    "$(metric backend_healthy b1) $(metric backend_weight b1) $(metric backend_healthy b2) $(metric backend_weight b2)" \
    "1 100 0 0"
lab_fairctl drain web/b1 >"$LAB_DIR/drained.log"
equal "metrics have it: draining" \
    "$(metric backend_draining b1) $(metric backend_draining b2)" "1 0"
expect "counters add up" counters_add_up
