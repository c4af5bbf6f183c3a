#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A backend that is removed takes its own connections with it, and nobody else's.
. "$(dirname "$0")/lab.sh"

lab_up
sessions_serve b1 b2 b3
lab_config b1 b2 b3 >"$LAB_CONFIG"
lab_edge_start
sessions_open 200

lab_config b1 b3 >"$LAB_DIR/next.json"
expect "a reload removes b2" lab_fairctl reload "$LAB_DIR/next.json"
sessions_ask
sessions_close
equal "three backends had connections" "$(session_account '.opened | keys')" '["b1","b2","b3"]'
equal "only connections of b2 are broken" "$(session_account '.broken_by_server | keys')" '["b2"]'
equal "and they all are, rather than hang" "$(session_account '.broken == .opened.b2')" true
expect "counters add up" counters_add_up
