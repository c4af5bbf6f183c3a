#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Clients that mean no good beside an operator, under traffic: the operator is answered, drains and reloads,
# no packet is lost, and the daemon neither grows nor leaks.
. "$(dirname "$0")/lab.sh"

SECONDS_OF_IT=5

descriptors() {
    ls "/proc/$(lab_pid edge)/fd" | wc -l
}

has_as_many() {
    [ "$(descriptors)" -le "$1" ]
}

resident_kb() {
    awk '/^VmRSS/ { print $2 }' "/proc/$(lab_pid edge)/status"
}

lab_up
packets_receive 5300 b1 b2
lab_config b1 b2 | jq '.services[1].ports = [5300]' >"$LAB_CONFIG"
lab_edge_start
packets_send 5300 64 1000
before=$(descriptors) resident_before=$(resident_kb)

# shellcheck disable=SC2086
lab_spawn hostile edge $PYTHON "$TESTS/hostile_clients.py" "$LAB_SOCKET" $SECONDS_OF_IT
asked=0 failed=0
while lab_is_alive "$(lab_pid hostile)"; do
    for command in status "drain dns/b1" "undrain dns/b1" reload stats; do
        asked=$((asked + 1))
        # shellcheck disable=SC2086
        timeout 5 "$LAB_FAIRCTL" -s "$LAB_SOCKET" $command >>"$LAB_DIR/asked.log" 2>&1 || failed=$((failed + 1))
    done
done
expect "an operator asks meanwhile ($asked times)" [ $asked -ge 10 ]
equal "and is answered, each time" "$failed" 0
packets_stop b1 b2
equal "no packet is lost" "$(packets_received)" "$(packets_sent)"
expect "descriptors are as before ($before)" lab_wait 10 has_as_many "$before"
resident=$(resident_kb)
expect "resident memory too, within 8 MB ($resident_before kB, then $resident kB)" \
    [ $((resident - resident_before)) -le 8192 ]
expect "the daemon is none the worse" lab_fairctl status
expect "counters add up" counters_add_up
