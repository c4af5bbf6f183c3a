#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A backend that drains keeps its connections and gets no new ones.
. "$(dirname "$0")/lab.sh"

lab_up
sessions_serve b1 b2 b3
lab_config b1 b2 b3 >"$LAB_CONFIG"
lab_edge_start
sessions_open 200

lab_config b1 b2 b3 | jq '(.pools.web.backends[] | select(.name == "b2")).state = "drain"' \
    >"$LAB_DIR/next.json"
expect "a reload drains b2" lab_fairctl reload "$LAB_DIR/next.json"
sessions_ask
sessions_close
equal "200 connections: none broken" "$(session_account .broken)" 0
equal "three backends had connections" "$(session_account '.opened | keys')" '["b1","b2","b3"]'
sessions_open 60
sessions_close
equal "new connections go to the others" "$(session_account '.opened | keys')" '["b1","b3"]'
expect "counters add up" counters_add_up
