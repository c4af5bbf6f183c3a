#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# SIGTERM: exit status 0, and nothing is left behind but the flow table. What cannot start says why.
. "$(dirname "$0")/lab.sh"

# Everything that a process could leave in the file system or in the edge's namespace. EAL's directory,
# an empty one, is shared by all daemons of this machine: it may come and go.
traces() {
    find /dev/shm /run /tmp -path "*$LAB_NAME*" ! -name '*.log' ! -name '*.pid' 2>/dev/null
    find /run/dpdk /dev/hugepages -mindepth 1 ! -type d 2>/dev/null
    lab_in edge ls /sys/class/net
}

# What has come since $before.
left_behind() {
    comm -13 <(echo "$before") <(traces | sort | grep -v "^$LAB_FLOWS\$")
}

refuses() { # PATTERN: starts with $LAB_CONFIG, must end with a failure that says so
    local status=0
    lab_in edge timeout 20 "$LAB_FAIRLEAD" --config "$LAB_CONFIG" >"$LAB_DIR/refused.log" 2>&1 || status=$?
    cat "$LAB_DIR/refused.log"
    [ $status = 1 ] && grep -q "$1" "$LAB_DIR/refused.log"
}

lab_up
lab_config b1 b2 >"$LAB_CONFIG"
before=$(traces | sort)
lab_spawn edge edge "$LAB_FAIRLEAD" --config "$LAB_CONFIG"
lab_wait 20 lab_edge_is_ready
lab_config b1 b2 | jq '.dataplane.ports[].kernel_interface += "b"' >"$LAB_CONFIG"
expect "a second daemon on the same flow table is refused" refuses "$LAB_FLOWS"
expect "and the first one lives on" lab_fairctl status
expect "SIGTERM: exit status 0" lab_edge_stop TERM
equal "nothing is left but the flow table and the state" "$(left_behind | grep -v "/state\(/\|$\)")" ""
expect "the flow table is left" test -s "$LAB_FLOWS"

# A box whose addresses are all on interfaces that the daemon makes: it starts with 127.0.0.1 alone.
lab_config b1 b2 | jq '.control.metrics = "127.0.0.1:9464"' >"$LAB_CONFIG"
lab_spawn edge edge "$LAB_FAIRLEAD" --config "$LAB_CONFIG"
lab_wait 20 lab_edge_is_ready
expect "metrics are served where no interface has an address yet" \
    lab_in edge curl -fsS -m 5 http://127.0.0.1:9464/metrics
lab_config b1 b2 | jq '.control.metrics = "127.0.0.1:9464" | .dataplane.ports |= [.[0] |
    .device = "net_af_packet7,iface=lo" | del(.kernel_interface)] | .edge.name = "second" |
    .dataplane.flow_table.path += "2" | .control.socket += "2" | .control.state += "/second"' >"$LAB_CONFIG"
expect "an address that is taken is refused, and says why" \
    refuses '/control/metrics: cannot listen on 127.0.0.1:9464: Address already in use'
rm -f "${LAB_FLOWS}2"
expect "SIGINT: exit status 0" lab_edge_stop INT
status=0
lab_fairctl status >/dev/null 2>&1 || status=$?
equal "fairctl without a daemon: exit status 3" $status 3

lab_config b1 b2 | jq '.dataplane.ports[0].device = "net_af_packet0,iface=nosuch"' >"$LAB_CONFIG"
expect "a port that is not there is refused by name" refuses "port uplink"
lab_config b1 b2 | jq --arg cpus "$(lab_cpus 2)" '.dataplane.workers = $cpus' >"$LAB_CONFIG"
[ "$(nproc)" = 1 ] ||
    expect "two workers on one queue are refused, with the remedy" refuses 'gives 1; add ",qpairs=N"'
echo '{}' >"$LAB_CONFIG"
expect "an empty configuration is refused" refuses 'fairlead.json:1:1: /edge: wanted'
equal "what was refused leaves nothing either" "$(left_behind | grep -v "/state\(/\|$\)")" ""
