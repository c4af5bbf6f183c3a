# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# Sourced by the tests of this folder: the lab of app/lab.sh under a name of its own, and results.
# Each script is one behaviour, shown with real clients and servers. It prints "ok NAME",
# "not ok NAME: why" or "skip NAME: why" lines, and its lab goes with it, however it ends.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
# shellcheck source=app/lab.sh
. "$ROOT/app/lab.sh"
PYTHON="/usr/bin/python3 -B"
TESTS=$ROOT/tests/netns
LAB_DOWNLOAD_RATE=12m # a download takes 2 s
failures=0

# not_ok NAME WHY
not_ok() {
    failures=$((failures + 1))
    echo "not ok $1: $2"
}

# expect NAME COMMAND…: ok if it succeeds; its output is the reason if it does not. The command runs
# in this shell, so that it may wait for what this shell started.
expect() {
    local name=$1
    shift
    if "$@" >"$LAB_DIR/said.log" 2>&1; then
        echo "ok $name"
    else
        not_ok "$name" "$* said: $(tail -n 5 "$LAB_DIR/said.log" | paste -sd'|')"
    fi
}

# equal NAME GOT WANTED
equal() {
    if [ "$2" = "$3" ]; then
        echo "ok $1"
    else
        not_ok "$1" "got '$2', wanted '$3'"
    fi
}

# The whole test does not apply here.
skip_all() {
    echo "skip $(basename "$0" .sh): $1"
    exit 0
}

on_exit() {
    local status=$?
    if [ $status = 0 ] && [ $failures = 0 ]; then
        lab_down
        exit 0
    fi
    if [ $failures = 0 ]; then
        echo "not ok $(basename "$0" .sh): ended early with status $status"
    fi
    if lab_fairctl -j stats >"$LAB_DIR/stats.json" 2>/dev/null; then
        echo "# where packets went: $(jq -c '[.exits[] | select(.packets > 0) | {(.name): .packets}] | add' \
            "$LAB_DIR/stats.json")"
    fi
    if [ -e "$LAB_DIR/edge.log" ]; then
        echo "# fairlead's last lines:"
        tail -n 20 "$LAB_DIR/edge.log" | sed 's/^/# /'
    fi
    lab_down
    exit 1
}

[ "$(id -u)" = 0 ] || skip_all "needs root for network namespaces"
[ -c /dev/net/tun ] || skip_all "needs /dev/net/tun"
lab_init "test$$" "${FAIRLEAD_BUILD:-$ROOT/build}"
trap on_exit EXIT
trap 'exit 143' INT TERM

# What several tests do

# counter EXIT: how many packets have left by it.
counter() {
    lab_fairctl -j stats | jq --arg name "$1" '.exits[] | select(.name == $name).packets'
}

counters_add_up() {
    lab_fairctl -j stats | jq -e '.identity and .received == .sent + .punted + .answered + .dropped'
}

# answers CLIENT URL COUNT: who answered, a line each; every request is a connection of its own.
answers() {
    lab_in "$1" curl -fsS -m 20 -H 'Connection: close' "$2?[1-$3]"
}

# all_answered ANSWERS COUNT BACKEND…: that many, and from each of these and nobody else.
all_answered() {
    local answers=$1 count=$2
    shift 2
    sort <<<"$answers" | uniq -c
    [ "$(wc -l <<<"$answers")" = "$count" ] &&
        [ "$(sort -u <<<"$answers")" = "$(printf '%s\n' "$@" | sort)" ]
}

# verdict_is POOL/BACKEND VERDICT: by its checks, and by the tables, which follow a moment later. (Of a
# pool that panics the tables have nobody down.)
verdict_is() {
    lab_fairctl -j health "$1" | jq -e --arg wanted "$2" \
        '.[0] | .health.verdict == $wanted and (.state == "down") == ($wanted == "down")'
}

# Every backend that has checks is up, by these and by the tables.
all_are_up() {
    lab_fairctl -j health | jq -e 'map(select(.health.verdict != "unchecked")) |
        length > 0 and all(.[]; .health.verdict == "up" and .state != "down")'
}

# Long-lived connections, kept by sessions.py: it opens them from client1 to the web VIPs.
sessions_serve() { # NODE…
    local node
    for node in "$@"; do
        # shellcheck disable=SC2086
        lab_spawn "$node-sessions" "$node" $PYTHON "$TESTS/sessions.py" serve "$node" 7000
    done
    for node in "$@"; do
        lab_wait 10 grep -q serving "$LAB_DIR/$node-sessions.log"
    done
}

sessions_open() { # COUNT
    : >"$LAB_DIR/sessions.log" # earlier ones have said the same
    # shellcheck disable=SC2086
    lab_spawn sessions client1 $PYTHON "$TESTS/sessions.py" hold "$1" 7000 \
        $LAB_VIP_WEB4 $LAB_VIP_WEB6
    lab_wait 30 grep -q "holding $1" "$LAB_DIR/sessions.log" || {
        tail -n 3 "$LAB_DIR/sessions.log"
        return 1
    }
}

# Returns when every connection has been used from now on, or is broken.
sessions_ask() { # [NAME]: as it was spawned
    local name=${1-sessions} before
    before=$(sessions_asked "$name")
    kill -USR1 "$(lab_pid "$name")"
    lab_wait 30 eval "[ \"\$(sessions_asked $name)\" -gt $before ]"
}

sessions_asked() { # NAME: how often it has said so
    grep -c "all asked" "$LAB_DIR/$1.log" || true
}

# Asks every connection once more and closes them; leaves the account in $LAB_DIR/sessions.json.
sessions_close() {
    kill -TERM "$(lab_pid sessions)"
    lab_wait 60 lab_is_gone "$(lab_pid sessions)"
    tail -n 1 "$LAB_DIR/sessions.log" >"$LAB_DIR/sessions.json"
}

session_account() { # JQ-FILTER
    jq -c "$1" "$LAB_DIR/sessions.json"
}

# Numbered packets, counted where they arrive, by sequence.py: UDP to the DNS VIP, from client1.
packets_receive() { # PORT BACKEND…
    local port=$1 backend
    shift
    for backend in "$@"; do
        # shellcheck disable=SC2086
        lab_spawn "$backend-receive" "$backend" $PYTHON "$TESTS/sequence.py" receive \
            $LAB_VIP_DNS4 "$port"
    done
    for backend in "$@"; do
        lab_wait 10 grep -q receiving "$LAB_DIR/$backend-receive.log"
    done
}

packets_send() { # PORT FLOWS PPS: until packets_stop; returns when the edge has every flow
    local live
    live=$(lab_fairctl -j flows | jq .live)
    # shellcheck disable=SC2086
    lab_spawn send client1 $PYTHON "$TESTS/sequence.py" send-on $LAB_VIP_DNS4 "$@"
    lab_wait 10 eval "[ \$(lab_fairctl -j flows | jq .live) -ge $((live + $2)) ]"
}

# The sender, then the receivers; $LAB_DIR/send.log and BACKEND-receive.log end with their counts.
packets_stop() { # BACKEND…
    local name
    for name in send "${@/%/-receive}"; do
        kill "$(lab_pid "$name")"
        lab_wait 30 lab_is_gone "$(lab_pid "$name")"
        [ "$name" != send ] || sleep 0.5 # what is under way arrives
    done
}

packets_sent() {
    tail -n 1 "$LAB_DIR/send.log"
}

packets_received() {
    tail -qn 1 "$LAB_DIR"/b?-receive.log | awk '{ sum += $1 } END { print sum }'
}

# Flows by the backends that had packets of them: one that moved counts twice.
packets_flows() {
    awk '/^flows/ { sum += NF - 1 } END { print sum }' "$LAB_DIR"/b?-receive.log
}
