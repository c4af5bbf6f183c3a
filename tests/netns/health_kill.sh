#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A backend killed under load: its check finds out, nothing new goes to it, nobody else's
# connections move, and when it is back, it serves again.
#
# Runs alone: it measures how long a check takes to find out.
. "$(dirname "$0")/lab.sh"

INTERVAL_MS=200 FALL=2

lab_up
lab_servers b1 b2 b3
sessions_serve b1 b2 b3
lab_config b1 b2 b3 | jq --argjson interval $INTERVAL_MS --argjson fall $FALL \
    '.pools.web.health = {"type": "tcp", "port": 7000, "interval_ms": $interval,
     "timeout_ms": $interval, "fall": $fall, "rise": 2}' >"$LAB_CONFIG"
lab_edge_start
expect "all are found up" lab_wait 10 all_are_up
sessions_open 90
expect "new connections go to all three" \
    all_answered "$(answers client2 "http://$LAB_VIP_WEB4/" 60)" 60 b1 b2 b3

kill -9 "$(lab_pid b2-sessions)"
killed=$(date +%s%3N)
expect "b2 is found down" lab_wait 10 verdict_is web/b2 down
took=$(($(date +%s%3N) - killed))
expect "within fall x interval + 1 s ($took ms)" test $took -le $((FALL * INTERVAL_MS + 1000))
expect "new connections go to the other two" \
    all_answered "$(answers client2 "http://$LAB_VIP_WEB4/" 60)" 60 b1 b3
expect "the log says why" grep -q "web/b2 is down: .*refused" "$LAB_DIR/edge.log"

sessions_serve b2
expect "b2 is found up again" lab_wait 10 verdict_is web/b2 up
expect "and gets connections again" \
    all_answered "$(answers client2 "http://$LAB_VIP_WEB4/" 60)" 60 b1 b2 b3
sessions_close
equal "no connection of another backend was broken" \
    "$(session_account '.broken_by_server | del(.b2)')" '{}'
expect "counters add up" counters_add_up
