#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# SIGHUP reloads; a file that is wrong changes nothing and says what is wrong, by every way there is.
. "$(dirname "$0")/lab.sh"

log_grew_by() { # PATTERN
    tail -n "+$((log_lines + 1))" "$LAB_DIR/edge.log" | grep -q "$1"
}

hangup() {
    log_lines=$(wc -l <"$LAB_DIR/edge.log")
    kill -HUP "$(lab_pid edge)"
}

backends() {
    lab_fairctl -j backends | jq -r '.[] | select(.pool == "web") | .name' | sort | paste -sd' '
}

has_both() {
    [ "$(backends)" = "b1 b2" ]
}

lab_up
lab_servers b1 b2
lab_config b1 >"$LAB_CONFIG"
lab_edge_start

lab_config b1 b2 >"$LAB_CONFIG"
hangup
expect "SIGHUP reads the file again" lab_wait 5 has_both
expect "and traffic reaches the new backend" \
    all_answered "$(answers client1 "http://$LAB_VIP_WEB4/" 40)" 40 b1 b2

lab_config b1 | sed 's/"ports": \[80/"ports": [65616/' >"$LAB_CONFIG"
hangup
expect "SIGHUP with a port of 65616: the log says where and what" \
    lab_wait 5 log_grew_by 'fairlead.json:[0-9]*:[0-9]*: /services/0/ports/0: wanted .*65616'
equal "nothing has changed" "$(backends)" 'b1 b2'

echo '{ "edge": ' >"$LAB_CONFIG"
hangup
expect "SIGHUP with half a file: the log says where" \
    lab_wait 5 log_grew_by 'fairlead.json:[0-9]*:[0-9]*: '
equal "nothing has changed then" "$(backends)" 'b1 b2'

rm "$LAB_CONFIG"
hangup
expect "SIGHUP without a file: the log says so" lab_wait 5 log_grew_by 'fairlead.json'
equal "nothing has changed even then" "$(backends)" 'b1 b2'

lab_config b1 | jq '.services[0].pool = "nobody"' >"$LAB_DIR/bad.json"
status=0
lab_fairctl reload "$LAB_DIR/bad.json" >"$LAB_DIR/refused.log" 2>&1 || status=$?
equal "fairctl reload refuses with status 1" $status 1
expect "and says where and what" grep -q '/services/0/pool: wanted' "$LAB_DIR/refused.log"

# What only a restart can change is refused, not half done.
lab_config b1 b2 | jq '.edge.hash_key = "ffeeddccbbaa99887766554433221100"' >"$LAB_DIR/bad.json"
status=0
lab_fairctl reload "$LAB_DIR/bad.json" >"$LAB_DIR/refused.log" 2>&1 || status=$?
equal "another hash_key is refused" $status 1
expect "with its name" grep -q '/edge/hash_key' "$LAB_DIR/refused.log"

lab_config b1 b2 | jq '.edge.name = "other" | .dataplane.ports[].mtu = 1400 | .dataplane.hugepages = true |
    .dataplane.flow_table += {capacity: 4096, path: "/dev/shm/other"} | .dataplane.idle = "poll" |
    .dataplane.punt.other_pps = 5 | .dataplane.memory_mb = 9 | .dataplane.ports[0].device = "net_null0" |
    .control = {socket: "/run/other.sock", metrics: "127.0.0.1:9", state: "/other"}' >"$LAB_DIR/bad.json"
status=0
lab_fairctl reload "$LAB_DIR/bad.json" >"$LAB_DIR/refused.log" 2>&1 || status=$?
equal "many such keys are refused" $status 1
expect "by as many names as there is room for" \
    grep -q 'for /edge/name, /dataplane/ports/0/device, .*, and [0-9] more; the configuration' "$LAB_DIR/refused.log"
equal "and each on a line of its own" "$(grep -c '(needs a restart)' "$LAB_DIR/refused.log")" 13

expect "traffic goes on as before" \
    all_answered "$(answers client2 "http://[$LAB_VIP_WEB6]/" 40)" 40 b1 b2
expect "counters add up" counters_add_up
