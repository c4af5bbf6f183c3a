#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Two workers on two CPUs: both carry packets, and a flow is found by whichever gets its packets.
#
# Runs alone: its workers take two CPUs.
. "$(dirname "$0")/lab.sh"

cpus=$(lab_cpus 2)
[ "$cpus" != "$(lab_cpus 1)" ] || skip_all "needs two CPUs"

workers_config() { # CPUS QUEUES BACKEND…
    local cpus=$1 queues=$2
    shift 2
    lab_config "$@" | jq ".dataplane.workers = \"$cpus\" |
        .dataplane.ports[].device += \",qpairs=$queues\""
}

lab_up
lab_servers b1 b2 b3
sessions_serve b1 b2 b3

workers_config "$cpus" 1 b1 b2 >"$LAB_CONFIG"
status=0
lab_in edge timeout 20 "$LAB_FAIRLEAD" --config "$LAB_CONFIG" >"$LAB_DIR/refused.log" 2>&1 || status=$?
equal "two workers on one queue pair are refused" $status 1
expect "with what to do about it" grep -q 'qpairs=N' "$LAB_DIR/refused.log"

workers_config "$cpus" 2 b1 b2 >"$LAB_CONFIG"
lab_edge_start
expect "60 connections over two backends" \
    all_answered "$(answers client1 "http://$LAB_VIP_WEB4/" 60)" 60 b1 b2
sessions_open 100
equal "both workers carry packets" \
    "$(lab_fairctl -j status | jq -c '[.workers[] | .packets > 0]')" '[true,true]'

# From two workers to one, with the flow table of before, and a backend more: nothing moves.
lab_edge_stop TERM
workers_config "$(lab_cpus 1)" 1 b1 b2 b3 >"$LAB_CONFIG"
lab_edge_start
sessions_ask
lab_edge_stop TERM
workers_config "$cpus" 2 b1 b2 b3 >"$LAB_CONFIG"
lab_edge_start
sessions_ask
sessions_close
equal "100 connections over 2, 1, 2 workers: none broken" "$(session_account .broken)" 0
expect "counters add up" counters_add_up
