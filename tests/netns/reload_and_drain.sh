#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Reloads, drains and questions at the same time, under traffic: each gets its answer, no connection breaks,
# and what is in force in the end is what the last ones said.
. "$(dirname "$0")/lab.sh"

ROUNDS=30

reloads() {
    local i
    for ((i = 0; i < ROUNDS; i++)); do
        lab_fairctl reload "$LAB_DIR/$((i % 2 ? 2 : 3)).json" || echo "failed: reload $i"
    done
}

drains() {
    local i
    for ((i = 0; i < ROUNDS; i++)); do
        lab_fairctl drain web/b2 || echo "failed: drain $i"
        lab_fairctl undrain web/b2 || echo "failed: undrain $i"
    done
}

questions() {
    local i
    for ((i = 0; i < ROUNDS; i++)); do
        lab_fairctl diff "$LAB_DIR/3.json" || [ $? = 1 ] || echo "failed: diff $i"
        lab_fairctl backends || echo "failed: backends $i"
    done
}

lab_up
sessions_serve b1 b2
lab_config b1 b2 >"$LAB_CONFIG"
lab_config b1 b2 >"$LAB_DIR/2.json"
lab_config b1 b2 b3 >"$LAB_DIR/3.json"
lab_edge_start
sessions_open 100

before=$(lab_fairctl -j status | jq .snapshot)
pids=()
for work in reloads drains1 drains2 questions; do
    ${work%[12]} >"$LAB_DIR/$work.out" 2>&1 &
    pids+=($!)
done
wait "${pids[@]}"
equal "every reload was answered" "$(grep -c '^configuration .*live' "$LAB_DIR/reloads.out")" $ROUNDS
equal "every question too" "$(grep -c '^failed' "$LAB_DIR/questions.out" || true)" 0
# Two operators drain one backend: the second may find it undrained already, and nothing worse.
expect "drains were answered, one way or the other" \
    [ -z "$(grep -h '^fairctl' "$LAB_DIR"/drains?.out | grep -v 'no operator drains web/b2')" ]
expect "snapshots were made by all of them" \
    [ "$(lab_fairctl -j status | jq .snapshot)" -ge $((before + 3 * ROUNDS)) ]
equal "the last reload is in force" \
    "$(lab_fairctl -j backends web | jq -c 'map([.name, .state])')" '[["b1","active"],["b2","active"]]'
sessions_close
equal "100 connections: none broken" "$(session_account .broken)" 0
expect "workers use the last snapshot" lab_wait 5 eval \
    "lab_fairctl -j status | jq -e '.snapshot == .oldest_snapshot'"
expect "counters add up" counters_add_up
