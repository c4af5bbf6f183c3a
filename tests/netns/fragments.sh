#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Fragments of one packet reach one backend, in whatever order they arrive; and a long packet without
# DF reaches it through a tunnel.
. "$(dirname "$0")/lab.sh"
COUNT=60

# fragments.py's account, from both families and orders, is that every datagram was answered.
send() { # ORDER ADDRESS
    # shellcheck disable=SC2086
    lab_in client1 $PYTHON "$TESTS/fragments.py" send "$2" 53 $COUNT "$1"
}

lab_up
for backend in b1 b2 b3; do
    # shellcheck disable=SC2086
    lab_spawn $backend-echo $backend $PYTHON "$TESTS/fragments.py" serve 53
    lab_wait 10 grep -q serving "$LAB_DIR/$backend-echo.log"
done
lab_config b1 b2 b3 >"$LAB_CONFIG"
lab_edge_start
for address in $LAB_VIP_DNS4 $LAB_VIP_DNS6; do
    for order in in_order reversed; do
        equal "$address, fragments $order: all $COUNT datagrams answered" \
            "$(send $order "$address")" $COUNT
    done
done
equal "nothing was dropped as a fragment" \
    "$(($(counter drop_fragment_timeout) + $(counter drop_fragment_no_room)))" 0
expect "counters add up" counters_add_up
