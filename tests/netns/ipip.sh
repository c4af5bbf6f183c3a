#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Mode ipip: backends take the packets out of their outer headers, in all four combinations.
. "$(dirname "$0")/lab.sh"

# ipip_config FORWARD ADDRESS-PREFIX
ipip_config() {
    lab_config b1 b2 b3 | jq --arg prefix "$2" \
        ".pools[].forward = $1 | .pools[].backends[] |= (.address = \$prefix + .name[1:])"
}

reload_with() {
    ipip_config "$@" >"$LAB_DIR/next.json"
    lab_fairctl reload "$LAB_DIR/next.json"
}

traffic() { # NAME
    local vip
    for vip in $LAB_VIP_WEB4 "[$LAB_VIP_WEB6]"; do
        expect "$1: http://$vip/" \
            all_answered "$(answers client1 "http://$vip/" 60)" 60 b1 b2 b3
    done
    for vip in $LAB_VIP_DNS4 $LAB_VIP_DNS6; do
        expect "$1: dig @$vip" lab_in client1 dig +tries=1 +time=2 "@$vip" whoami.example TXT
    done
}

lab_up
lab_servers b1 b2 b3
for backend in b1 b2 b3; do
    # shellcheck disable=SC2086
    lab_spawn $backend-decapsulate $backend $PYTHON "$TESTS/decapsulate.py"
    lab_wait 10 grep -q ready "$LAB_DIR/$backend-decapsulate.log"
done

ipip_config '{mode: "ipip", source4: "10.0.9.2"}' 10.0.9.1 >"$LAB_CONFIG"
lab_edge_start
traffic "IPv4 backends"
expect "a reload to IPv6 backends" \
    reload_with '{mode: "ipip", source6: "2001:db8:77::/96"}' 2001:db8:9::1
lab_wait 10 lab_edge_resolved
traffic "IPv6 backends"

kill -TERM "$(lab_pid b1-decapsulate)"
lab_wait 5 lab_is_gone "$(lab_pid b1-decapsulate)"
tail -n 1 "$LAB_DIR/b1-decapsulate.log" >"$LAB_DIR/seen.json"
equal "b1 saw all four combinations" "$(jq -c 'keys' "$LAB_DIR/seen.json")" \
    '["4 in 4","4 in 6","6 in 4","6 in 6"]'
equal "one outer source where one was asked for" "$(jq -c '."4 in 4"' "$LAB_DIR/seen.json")" '["10.0.9.2"]'
expect "many in the prefix where a prefix was" \
    jq -e '."4 in 6" | length > 5 and all(.[]; startswith("2001:db8:77::"))' "$LAB_DIR/seen.json"
expect "counters add up" counters_add_up
