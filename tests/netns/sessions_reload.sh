#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Reloads do not break connections: a backend is added; 20 reloads at 10/s add and remove it again.
. "$(dirname "$0")/lab.sh"

reload_with() {
    lab_config "$@" >"$LAB_DIR/next.json"
    lab_fairctl reload "$LAB_DIR/next.json"
}

lab_up
sessions_serve b1 b2 b3
lab_config b1 b2 >"$LAB_CONFIG"
lab_edge_start
sessions_open 200

expect "a reload adds b3" reload_with b1 b2 b3
sessions_ask
for ((i = 0; i < 10; i++)); do
    reload_with b1 b2 >>"$LAB_DIR/reloads.log"
    sleep 0.1
    reload_with b1 b2 b3 >>"$LAB_DIR/reloads.log"
    sleep 0.1
done
sessions_ask
sessions_close
equal "200 connections over 21 reloads: none broken" "$(session_account .broken)" 0
equal "both backends had some of them" "$(session_account '.opened | keys')" '["b1","b2"]'

sessions_open 60
sessions_close
equal "new connections reach the backend that was added" \
    "$(session_account '.opened | keys')" '["b1","b2","b3"]'
equal "and stay" "$(session_account .broken)" 0
expect "counters add up" counters_add_up
