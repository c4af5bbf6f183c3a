#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The daemon ends and starts again, by SIGTERM and by SIGKILL, and connections go on. A backend was
# added before, so that the row table alone would send a third of them elsewhere.
. "$(dirname "$0")/lab.sh"

lab_up
sessions_serve b1 b2 b3
lab_config b1 b2 >"$LAB_CONFIG"
lab_edge_start
sessions_open 200
lab_config b1 b2 b3 >"$LAB_CONFIG"
expect "a reload adds b3" lab_fairctl reload "$LAB_CONFIG"

expect "SIGTERM: exit status 0" lab_edge_stop TERM
lab_edge_start
sessions_ask
for ((i = 0; i < 3; i++)); do
    lab_edge_stop KILL || true
    lab_edge_start
    sessions_ask
done
sessions_close
equal "200 connections over one SIGTERM and three SIGKILL: none broken" "$(session_account .broken)" 0
equal "both backends had some of them" "$(session_account '.opened | keys')" '["b1","b2"]'
expect "counters add up" counters_add_up
