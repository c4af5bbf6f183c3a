#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Who may talk to the daemon: the group that the configuration names, and nobody else.
. "$(dirname "$0")/lab.sh"

as() { # GROUPS COMMAND…: an ordinary user with these groups beside its own
    setpriv --reuid=65534 --regid=65534 --groups "$1" "${@:2}"
}

# The lab's copy of fairctl, where ordinary users can run it.
status_as() { # GROUPS
    local status=0
    as "$1" "$LAB_DIR/fairctl" -s "$LAB_SOCKET" status >"$LAB_DIR/status.log" 2>&1 || status=$?
    echo $status
}

lab_up
install -m 755 "$LAB_FAIRCTL" "$LAB_DIR/fairctl"
lab_config b1 b2 | jq '.control.socket_group = "adm" | .control.socket_mode = "0660"' >"$LAB_CONFIG"
lab_edge_start
equal "the socket has its group and mode" "$(stat -c '%G %a' "$LAB_SOCKET")" "adm 660"
equal "the state is the daemon's alone" \
    "$(stat -c '%a' "$LAB_DIR/state" "$LAB_DIR/state/configuration.1" | paste -sd' ')" "700 600"
equal "one of the group is answered" "$(status_as adm)" 0
equal "anybody else is not" "$(status_as daemon)" 3
expect "and is told why" grep -q 'Permission denied' "$LAB_DIR/status.log"
lab_config b1 b2 | jq '.control.socket_mode = "0600"' >"$LAB_DIR/other.json"
status=0
lab_fairctl reload "$LAB_DIR/other.json" >"$LAB_DIR/reload.log" 2>&1 || status=$?
expect "other permissions need a restart, and are not ignored" \
    grep -q 'needs a restart, for .*/control/socket_mode' "$LAB_DIR/reload.log"
equal "exit status 1" $status 1
lab_edge_stop TERM

lab_config b1 b2 | jq '.control.socket_group = "nosuchgroup"' >"$LAB_CONFIG"
status=0
lab_in edge timeout 20 "$LAB_FAIRLEAD" --config "$LAB_CONFIG" >"$LAB_DIR/refused.log" 2>&1 || status=$?
equal "a group that is not there: no start" $status 1
expect "and it is named" grep -q 'wanted a group of this machine, got "nosuchgroup"' "$LAB_DIR/refused.log"
