#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# 100 reloads at 10 a second, which add a backend and remove it again, under traffic: no packet is lost, no
# connection breaks, no flow moves, and the daemon does not grow.
. "$(dirname "$0")/lab.sh"

RELOADS=${RELOADS:-100} WARM_UP=20 EVERY_MS=100

config_of() { # BACKEND…: with a service for numbered packets in place of dns
    lab_config "$@" | jq '.services[1].ports = [5300]'
}

now_ms() {
    date +%s%3N
}

# reloads FROM TO: at their times, whatever each of them takes.
reloads() {
    local i ahead start
    start=$(now_ms)
    for ((i = $1; i < $2; i++)); do
        ahead=$((start + (i - $1) * EVERY_MS - $(now_ms)))
        [ $ahead -le 0 ] || sleep "0.$(printf %03d $ahead)"
        lab_fairctl reload "$LAB_DIR/$((2 + i % 2)).json"
    done >>"$LAB_DIR/reloads.log"
}

resident_kb() {
    awk '/^VmRSS/ { print $2 }' "/proc/$(lab_pid edge)/status"
}

lab_up
sessions_serve b1 b2 b3
packets_receive 5300 b1 b2 b3
config_of b1 b2 >"$LAB_DIR/2.json"
config_of b1 b2 b3 >"$LAB_DIR/3.json"
cp "$LAB_DIR/2.json" "$LAB_CONFIG"
lab_edge_start
sessions_open 200
packets_send 5300 64 2000

began=$(now_ms)
reloads 1 $((WARM_UP + 1))
before=$(resident_kb)
reloads $((WARM_UP + 1)) $((RELOADS + 1))
took=$(($(now_ms) - began))
after=$(resident_kb)
equal "$RELOADS reloads, in $took ms" "$(grep -c '^configuration .*: live' "$LAB_DIR/reloads.log")" $RELOADS
expect "resident memory stays, within 1 % ($before kB, then $after kB)" \
    [ $((after * 100)) -le $((before * 101)) ]
packets_stop b1 b2 b3
equal "no packet is lost" "$(packets_received)" "$(packets_sent)"
equal "no flow moves" "$(packets_flows)" 64
sessions_close
equal "200 connections: none broken" "$(session_account .broken)" 0
equal "both backends had some of them" "$(session_account '.opened | keys')" '["b1","b2"]'

expect "the backend is added once more" lab_fairctl reload "$LAB_DIR/3.json"
sessions_open 60
sessions_close
equal "new connections reach it" "$(session_account '.opened | keys')" '["b1","b2","b3"]'
equal "and stay" "$(session_account .broken)" 0
expect "counters add up" counters_add_up
