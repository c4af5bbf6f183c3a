#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# reload --confirm: taken back by itself when nobody confirms; meanwhile no other reload comes between.
. "$(dirname "$0")/lab.sh"

backends() {
    lab_fairctl -j backends | jq -r '.[] | select(.pool == "web") | .name' | sort | paste -sd' '
}

has() { # BACKEND…
    [ "$(backends)" = "$*" ]
}

status_of() { # JQ-ARGUMENT…
    lab_fairctl -j status | jq -c "$@"
}

refused() { # PATTERN COMMAND…: exit status 1, and standard error says so
    local pattern=$1 status=0
    shift
    "$@" >"$LAB_DIR/refused.log" 2>&1 || status=$?
    cat "$LAB_DIR/refused.log"
    [ $status = 1 ] && grep -q "$pattern" "$LAB_DIR/refused.log"
}

lab_up
lab_servers b1 b2 b3
lab_config b1 >"$LAB_CONFIG"
lab_edge_start
lab_config b1 b2 >"$LAB_DIR/two.json"
lab_config b1 b2 b3 >"$LAB_DIR/three.json"

expect "reload --confirm puts it in force at once" \
    lab_fairctl reload "$LAB_DIR/two.json" --confirm 6 --wait
equal "both backends are there" "$(backends)" "b1 b2"
expect "status says that it waits, and for what" \
    status_of -e '.configuration | .confirm_within_s <= 6 and .back_to == 1'
expect "another reload is refused, with the way on" \
    refused 'waits for confirmation.*fairctl confirm.*fairctl rollback' \
    lab_fairctl reload "$LAB_DIR/three.json"
kill -HUP "$(lab_pid edge)"
expect "so is SIGHUP, and status says so" \
    lab_wait 5 status_of -e '.last_reload | .by == "SIGHUP" and .outcome == "refused"'
equal "neither has changed anything" "$(backends)" "b1 b2"
expect "nobody confirms: it is taken back" lab_wait 15 has b1
equal "the history says how" \
    "$(lab_fairctl -j history | jq -c '.[0] | [.generation, .origin, .of]')" '[3,"undo",1]'
equal "nothing waits any more" "$(status_of .configuration.confirm_within_s)" null
expect "traffic reaches the one that is left" \
    all_answered "$(answers client1 "http://$LAB_VIP_WEB4/" 20)" 20 b1

expect "it is reloaded again" lab_fairctl reload "$LAB_DIR/two.json" --confirm 2s
expect "confirm keeps it" lab_fairctl confirm
sleep 3.5
equal "and it stays" "$(backends)" "b1 b2"
expect "there is nothing to confirm any more" refused 'no configuration waits' lab_fairctl confirm

expect "a third one waits" lab_fairctl reload "$LAB_DIR/three.json" --confirm 1h
expect "rollback takes it back at once" lab_fairctl rollback --wait
equal "to what was confirmed" "$(backends)" "b1 b2"
equal "and nothing waits" "$(status_of .configuration.confirm_within_s)" null
expect "reload is free again" lab_fairctl reload "$LAB_DIR/three.json"
expect "what changes nothing does not wait" lab_fairctl reload "$LAB_DIR/three.json" --confirm 60
equal "indeed" "$(status_of .configuration.confirm_within_s)" null
expect "counters add up" counters_add_up
