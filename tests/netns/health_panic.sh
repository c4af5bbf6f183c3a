#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A pool with fewer healthy backends than min_healthy panics: all of them get traffic, or new flows stop.
# And who comes up starts slowly, and takes nothing from anybody.
. "$(dirname "$0")/lab.sh"

MIN_HEALTHY=2 SLOW_START_S=3

# config_of POOL-SETTINGS: whether a backend is well says a file; it serves all the same.
config_of() {
    lab_config b1 b2 b3 | jq --argjson settings "$1" --arg dir "$LAB_DIR" '.pools.web += ({health: {
        type: "exec", command: ["/bin/sh", "-c", "! test -e \"$0/$FAIRLEAD_BACKEND.down\"", $dir],
        interval_ms: 200, timeout_ms: 200, fall: 2, rise: 1}} + $settings)'
}

pool_settings() {
    config_of "$1" >"$LAB_DIR/next.json"
    lab_fairctl reload "$LAB_DIR/next.json" --wait
}

web() { # JQ-ARGUMENT…: of its backends
    lab_fairctl -j backends web | jq -c "$@"
}

# verdicts_are VERDICT…: of b1, b2, b3; and the tables, which follow a moment later, say so too.
verdicts_are() {
    web -e --arg verdicts "$*" --argjson min_healthy $MIN_HEALTHY '
        (map(.health.verdict) | join(" ") == $verdicts) and
        ((map(select(.health.verdict == "up")) | length) < $min_healthy) as $panic |
        all(.[]; .in_panic == $panic and ($panic or (.state == "down") == (.health.verdict == "down")))'
}

new_connections() { # BACKEND…
    all_answered "$(answers client2 "http://$LAB_VIP_WEB4/" 60)" 60 "$@"
}

no_new_connection() {
    ! lab_in client2 curl -sS -m 1 "http://$LAB_VIP_WEB4/"
}

b2_weight() {
    web '.[] | select(.name == "b2").weight_now'
}

lab_up
lab_servers b1 b2 b3
sessions_serve b1 b2 b3
config_of "{\"min_healthy\": $MIN_HEALTHY}" >"$LAB_CONFIG"
lab_edge_start
expect "all are up" lab_wait 10 verdicts_are up up up
sessions_open 60

: >"$LAB_DIR/b2.down"
expect "one of three is down" lab_wait 5 verdicts_are up down up
expect "two are enough: new connections go to them" new_connections b1 b3
: >"$LAB_DIR/b3.down"
expect "two of three are down" lab_wait 5 verdicts_are up down down
expect "one is not enough: the pool panics, and all get new connections" new_connections b1 b2 b3
expect "which is shown" web -e 'all(.[]; .in_panic)'
expect "people see it too" grep -q '^pool web panics' <(lab_fairctl backends)
expect "and the log has it" grep -q 'pool web panics, .* all that are active get traffic' "$LAB_DIR/edge.log"
expect "panic stop: a reload" pool_settings "{\"min_healthy\": $MIN_HEALTHY, \"panic\": \"stop\"}"
before=$(counter drop_no_backend)
expect "panic stop: no new connection" no_new_connection
expect "panic stop: they are dropped by name" [ "$(counter drop_no_backend)" -gt "$before" ]
rm "$LAB_DIR/b3.down"
expect "one is back" lab_wait 5 verdicts_are up down up
expect "and the pool serves again" new_connections b1 b3
expect "the log has its end" grep -q 'pool web panics no more' "$LAB_DIR/edge.log"
sessions_close
equal "connections over all that: none broken" "$(session_account '[.broken, (.opened | keys)]')" \
    '[0,["b1","b2","b3"]]'

expect "slow start: a reload" pool_settings "{\"slow_start_s\": $SLOW_START_S}"
sessions_open 60
began=$(date +%s%3N)
rm "$LAB_DIR/b2.down"
expect "slow start: b2 comes up" lab_wait 5 verdicts_are up up up
weights=()
while weights+=("$(b2_weight)") && [ "${weights[-1]}" -lt 100 ] && [ $(($(date +%s%3N) - began)) -lt 10000 ]; do
    sleep 0.1
done
took=$(($(date +%s%3N) - began))
echo "# weights: ${weights[*]}"
expect "slow start: it begins with a part of its weight" [ "${weights[0]}" -lt 50 ]
equal "slow start: which only ever grows" "$(printf '%s\n' "${weights[@]}" | sort -n)" "$(printf '%s\n' "${weights[@]}")"
equal "slow start: to its own" "${weights[-1]}" 100
expect "slow start: in $SLOW_START_S s, its last step a little earlier, and a probe ($took ms)" \
    eval "[ $took -gt $((SLOW_START_S * 900)) ] && [ $took -lt $((SLOW_START_S * 1000 + 2000)) ]"
expect "slow start: then it gets its share" new_connections b1 b2 b3
sessions_close
equal "slow start: no connection moved to it, none broke" "$(session_account '[.broken, (.opened | keys)]')" \
    '[0,["b1","b3"]]'
expect "counters add up" counters_add_up
