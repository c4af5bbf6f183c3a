#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# fairctl drain: no new flows, the old ones stay, through a reload and a restart, until undrain, a deadline or
# the file ends it.
. "$(dirname "$0")/lab.sh"

b2() { # JQ-ARGUMENT…: of web/b2
    lab_fairctl -j backends web | jq -c '.[] | select(.name == "b2")' | jq -c "$@"
}

refused() { # PATTERN COMMAND…
    local pattern=$1 status=0
    shift
    "$@" >"$LAB_DIR/refused.log" 2>&1 || status=$?
    cat "$LAB_DIR/refused.log"
    [ $status = 1 ] && grep -q "$pattern" "$LAB_DIR/refused.log"
}

new_connections() { # COUNT: who gets them
    sessions_open "$1"
    sessions_close
    session_account '.opened | keys'
}

lab_up
sessions_serve b1 b2
lab_config b1 b2 >"$LAB_CONFIG"
lab_edge_start
sessions_open 100
flows=$(b2 .flows)

expect "a name that two pools have wants its pool" refused 'say which: dns/b2, web/b2' lab_fairctl drain b2
expect "no backend of that name" refused 'no backend is called web/b9' lab_fairctl drain web/b9
expect "drain" lab_fairctl drain web/b2
equal "its state, and who drains it" "$(b2 '[.state, .configured_state, .drain.by, .weight_now]')" \
    '["drain","active","operator",0]'
equal "flows left are those that it had" "$(b2 .flows)" "$flows"
expect "people see them too" grep -Eq "^web +b2 +drain +operator .* $flows$" <(lab_fairctl backends)
kept=$(lab_pid sessions)
cp "$LAB_DIR/sessions.pid" "$LAB_DIR/kept.pid"
cp "$LAB_DIR/sessions.log" "$LAB_DIR/kept.log"

lab_config b1 b2 | jq '.icmp.echo_pps = 5' >"$LAB_CONFIG"
expect "a reload" lab_fairctl reload --wait
equal "does not end it" "$(b2 .state)" '"drain"'
lab_edge_stop KILL || true
lab_edge_start
equal "nor does a restart" "$(b2 '[.state, .drain.by]')" '["drain","operator"]'
sessions_ask
kill -TERM "$kept"
lab_wait 60 lab_is_gone "$kept"
tail -n 1 "$LAB_DIR/sessions.log" >"$LAB_DIR/sessions.json"
equal "100 connections over all that: none broken" "$(session_account .broken)" 0
equal "and new ones go to the other backend" "$(new_connections 40)" '["b1"]'
expect "to drain the last one is warned of" \
    grep -q 'pool web panics.*: new flows stop' <(lab_fairctl drain web/b1)
expect "undrain the last one" lab_fairctl undrain web/b1
expect "undrain" lab_fairctl undrain web/b2
equal "it is active again" "$(b2 '[.state, .drain]')" '["active",null]'
equal "and gets new ones" "$(new_connections 60)" '["b1","b2"]'
expect "there is nothing to undrain any more" refused 'no operator drains web/b2' lab_fairctl undrain web/b2

expect "drain with a deadline" lab_fairctl drain web/b2 --deadline 2s
expect "which is shown" b2 -e '.drain.deadline != null'
expect "and ends in drained" lab_wait 5 b2 -e '.state == "drained"'
lab_config b1 b2 | jq '.pools.web.backends[1].state = "drain"' >"$LAB_CONFIG"
expect "the file says otherwise" lab_fairctl reload
equal "and it is the file's drain" "$(b2 .drain.by)" '"configuration"'
expect "which an operator cannot undo" refused 'no operator drains' lab_fairctl undrain web/b2
lab_config b1 b2 >"$LAB_CONFIG"
expect "the file has it active" lab_fairctl reload
equal "so it is" "$(b2 .state)" '"active"'

lab_fairctl drain web/b2 >"$LAB_DIR/drain.log"
lab_edge_stop TERM
echo '[{"pool": 1}' >"$LAB_DIR/state/drains.json"
lab_edge_start
expect "a damaged file of drains is set aside, with a warning" \
    grep -q 'drains.json is damaged and set aside' "$LAB_DIR/edge.log"
equal "and the edge runs without" "$(b2 .state)" '"active"'
expect "counters add up" counters_add_up
