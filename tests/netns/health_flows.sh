#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# What becomes of the flows of a backend that is down (when_down): by protocol, kept, moved, moved after
# a while; nobody else's move. And UDP never stays with the dead.
#
# Runs alone: it measures when flows move.
. "$(dirname "$0")/lab.sh"

FLOWS=60 AFTER_TCP_MS=1500 AFTER_UDP_MS=800 SLACK_MS=1000

now_ms() {
    date +%s%3N
}

# config_of WHEN_DOWN [HEALTH]: whether a backend is well says a file, so that it can be down and answer.
config_of() {
    lab_config b1 b2 b3 | jq --argjson when_down "$1" --argjson health "${2:-{\}}" --arg dir "$LAB_DIR" '
        ({type: "exec", command: ["/bin/sh", "-c", "! test -e \"$0/$FAIRLEAD_BACKEND.down\"", $dir],
          interval_ms: 200, timeout_ms: 200, fall: 2, rise: 1} | if $health == {} then . else $health end) as $check |
        .pools[] += {health: $check, when_down: $when_down} | .services[1].ports = [5300]'
}

policy() { # WHEN_DOWN [HEALTH]
    config_of "$@" >"$LAB_DIR/next.json"
    lab_fairctl reload "$LAB_DIR/next.json" --wait
}

b2_is() { # VERDICT: in both pools
    verdict_is web/b2 "$1" && verdict_is dns/b2 "$1"
}

datagrams_open() {
    : >"$LAB_DIR/datagrams.log"
    # shellcheck disable=SC2086
    lab_spawn datagrams client1 $PYTHON "$TESTS/datagrams.py" hold $FLOWS $LAB_VIP_DNS4 5300
    lab_wait 10 flows_are_answered
    flows_before=$(flows_now)
}

flows_are_answered() {
    [ "$(wc -l <"$LAB_DIR/datagrams.log")" -ge $FLOWS ]
}

datagrams_close() {
    kill "$(lab_pid datagrams)"
    lab_wait 5 lab_is_gone "$(lab_pid datagrams)"
}

flows_open() {
    sessions_open $FLOWS
    datagrams_open
}

flows_close() {
    datagrams_close
    sessions_close
}

# Who answers each UDP flow: "FLOW NAME".
flows_now() {
    awk 'NF == 3 { server[$2] = $3 } END { for (flow in server) print flow, server[flow] }' \
        "$LAB_DIR/datagrams.log" | sort
}

flows_of() { # BACKEND
    flows_now | grep -c " $1\$" || true
}

# Flows that began elsewhere are where they were.
others_stay() {
    [ -z "$(comm -23 <(grep -v ' b2$' <<<"$flows_before") <(flows_now))" ]
}

# Milliseconds from $down until the first and until the last flow of b2 went: "FIRST LAST".
moved_after() {
    awk -v down="$down" 'NF == 3 && $1 >= down { if (!first) first = $1 - down; last = $1 - down }
        END { print first + 0, last + 0 }' "$LAB_DIR/datagrams.log"
}

broken_after() {
    awk -v down="$down" '$1 == "broken" { if (!first) first = $3 - down; last = $3 - down }
        END { print first + 0, last + 0 }' "$LAB_DIR/sessions.log"
}

between() { # FIRST LAST LEAST MOST: milliseconds
    echo "$1 to $2, wanted $3 to $4"
    [ "$1" -ge "$3" ] && [ "$2" -le "$4" ]
}

# The moment at which b2 is down is not before this, and at most a probe later.
b2_down() {
    down=$(now_ms)
    : >"$LAB_DIR/b2.down"
    expect "$1: b2 goes down" lab_wait 10 b2_is down
}

b2_up() {
    rm "$LAB_DIR/b2.down"
    expect "$1: b2 is up again" lab_wait 10 b2_is up
}

none_of_b2() {
    [ "$(flows_of b2)" = 0 ]
}

new_connections() { # BACKEND…
    all_answered "$(answers client2 "http://$LAB_VIP_WEB4/" 40)" 40 "$@"
}

lab_up
lab_servers b1 b2 b3
sessions_serve b1 b2 b3
for node in b1 b2 b3; do
    # shellcheck disable=SC2086
    lab_spawn $node-datagrams $node $PYTHON "$TESTS/datagrams.py" serve $node $LAB_VIP_DNS4 5300
done
for node in b1 b2 b3; do
    lab_wait 10 grep -q serving "$LAB_DIR/$node-datagrams.log"
done
config_of '{}' >"$LAB_CONFIG"
lab_edge_start
expect "all are up" lab_wait 10 all_are_up

flows_open
b2_down "as it comes"
expect "as it comes: UDP leaves at once" lab_wait 2 none_of_b2
expect "as it comes: UDP of the others stays" others_stay
expect "as it comes: new connections go to the others" new_connections b1 b3
moved=$(flows_now)
b2_up "as it comes"
expect "as it comes: new connections reach it again" new_connections b1 b2 b3
equal "as it comes: what has moved stays where it is" "$(flows_now)" "$moved"
flows_close
equal "as it comes: TCP is kept, and none is broken" "$(session_account '[.broken, (.opened | keys)]')" \
    '[0,["b1","b2","b3"]]'

expect "after a while: a reload" policy "{\"tcp\": {\"flows\": \"move\", \"move_after_ms\": $AFTER_TCP_MS},
    \"udp\": {\"flows\": \"move\", \"move_after_ms\": $AFTER_UDP_MS}}"
flows_open
b2_down "after a while"
expect "after a while: UDP leaves" lab_wait 5 none_of_b2
# shellcheck disable=SC2046
expect "after a while: UDP at its time" between $(moved_after) $AFTER_UDP_MS $((AFTER_UDP_MS + SLACK_MS))
expect "after a while: UDP of the others stays" others_stay
expect "after a while: TCP leaves" lab_wait 5 eval "[ \$(grep -c '^broken b2' '$LAB_DIR/sessions.log') -gt 0 ]"
sessions_ask
flows_close
equal "after a while: all of b2's TCP, and nobody else's" \
    "$(session_account '[(.broken_by_server | keys), .broken == .opened.b2]')" '[["b2"],true]'
# shellcheck disable=SC2046
expect "after a while: TCP at its time" between $(broken_after) $AFTER_TCP_MS $((AFTER_TCP_MS + SLACK_MS))
b2_up "after a while"

expect "kept: a reload" policy '{"udp": {"flows": "keep"}}'
flows_open
b2_down "kept"
expect "kept: new connections go to the others" new_connections b1 b3
sleep 1
equal "kept: every UDP flow is where it was" "$(flows_now)" "$flows_before"
b2_up "kept"
flows_close
equal "kept: no connection is broken" "$(session_account .broken)" 0

# A machine that is dead: no word of it any more.
expect "dead: a reload" policy '{}' '{"type": "icmp", "interval_ms": 200, "timeout_ms": 200, "fall": 2, "rise": 1}'
expect "dead: all are up" lab_wait 10 all_are_up
datagrams_open
lab_in b2 ip link set eth0 down
expect "dead: b2 is found down" lab_wait 10 b2_is down
expect "dead: UDP leaves" lab_wait 2 none_of_b2
expect "dead: UDP of the others stays" others_stay
datagrams_close
silence=$(tail -n 1 "$LAB_DIR/datagrams.log")
expect "dead: no UDP flow is without answers for longer than fall x interval + 1 s ($silence ms)" \
    [ "$silence" -le $((2 * 200 + SLACK_MS)) ]
expect "counters add up" counters_add_up
