#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A reload is stopped at every step of its swap, and the daemon killed at some: packets flow meanwhile, new
# connections too, nothing is lost and nothing moves.
. "$(dirname "$0")/lab.sh"

STEPS="read compared built swapping swapped remembered announced checked saved freeing freed"
KILLED_AT="built swapped remembered saved"
LAB_FAIRLEAD=$(dirname "$(dirname "$(dirname "$LAB_FAIRLEAD")")")/tests/netns/fairlead_steps
export FAIRLEAD_STEPS=$LAB_DIR/steps

is_stopped() {
    [ -e "$FAIRLEAD_STEPS/stopped" ]
}

# stop_at STEP: a reload that gets there and no further. Adds b3, or takes it away again.
stop_at() {
    [ "${next:=2}" = 2 ] && next=3 || next=2
    echo "$1" >"$FAIRLEAD_STEPS/stop"
    lab_fairctl reload "$LAB_DIR/$next.json" --wait >"$LAB_DIR/reload.log" 2>&1 &
    reload=$!
    expect "$1: a reload is stopped there" lab_wait 10 is_stopped
}

go_on() {
    rm "$FAIRLEAD_STEPS/stop"
    wait "$reload"
}

# Whoever they go to: before the swap there are two, after it perhaps three.
packets_flow() {
    [ "$(answers client2 "http://$LAB_VIP_WEB4/" 10 | grep -c '^b[123]$')" = 10 ]
}

# The lab's configuration, with a service for numbered packets in place of dns.
config_of() { # BACKEND…
    lab_config "$@" | jq '.services[1].ports = [5300]'
}

lab_up
mkdir "$FAIRLEAD_STEPS"
lab_servers b1 b2 b3
sessions_serve b1 b2 b3
packets_receive 5300 b1 b2 b3
config_of b1 b2 >"$LAB_DIR/2.json"
config_of b1 b2 b3 >"$LAB_DIR/3.json"
cp "$LAB_DIR/2.json" "$LAB_CONFIG"
lab_edge_start
sessions_open 100
packets_send 5300 64 1000

for step in $STEPS; do
    stop_at "$step"
    expect "$step: packets flow" packets_flow
    expect "$step: and the reload goes on to its end" go_on
done
packets_stop b1 b2 b3
equal "of packets sent all the while none is lost" "$(packets_received)" "$(packets_sent)"
equal "every flow is where it was: on one backend" "$(packets_flows)" 64
expect "counters add up" counters_add_up

for step in $KILLED_AT; do
    stop_at "$step"
    { lab_edge_stop KILL || true; } 2>/dev/null
    wait "$reload" || true
    rm -f "$FAIRLEAD_STEPS"/*
    lab_edge_start
    expect "$step: killed there, it starts again" \
        [ "$(lab_fairctl -j status | jq .configuration.on_disk)" = '"same"' ]
done
sessions_close
equal "100 connections over all that: none broken" "$(session_account .broken)" 0
equal "nor moved: both backends of the beginning have them" "$(session_account '.opened | keys')" '["b1","b2"]'
expect "counters add up in the end" counters_add_up
