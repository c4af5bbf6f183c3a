#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Path MTU discovery works through a VIP. Down: the way to the client has 1,400 bytes, the backends do
# not know, and the router's packet-too-big arrives at the edge, since it is addressed to the VIP. Up:
# the way to the backends is an IPIP tunnel, and the edge says what is left of the MTU.
. "$(dirname "$0")/lab.sh"

# The client's own interface keeps its 1,500 bytes, so its MSS does not give the way's MTU away.
narrow_way_to_client1() {
    lab_in router ip link set client1 mtu 1400
}

download() { # VIP
    lab_in client1 curl -fsS -m 30 -o "$LAB_DIR/download" "http://$1/download" &&
        [ "$(stat -c %s "$LAB_DIR/download")" = $LAB_DOWNLOAD_BYTES ]
}

UPLOAD=2000000
upload() { # ADDRESS
    # shellcheck disable=SC2086
    lab_in client2 $PYTHON "$TESTS/sink.py" send "$1" 7000 $UPLOAD
}

# Both families' errors, as the backends' own counters have them.
too_big_reached_a_backend() {
    local backend got=0
    for backend in b1 b2; do
        got=$((got + $(lab_in $backend nstat -asz IcmpInDestUnreachs Icmp6InPktTooBigs |
            awk 'NR > 1 && $2 > 0' | wc -l)))
    done
    [ $got -ge 2 ]
}

lab_up
lab_servers b1 b2
lab_config b1 b2 >"$LAB_CONFIG"
lab_edge_start
narrow_way_to_client1
for vip in $LAB_VIP_WEB4 "[$LAB_VIP_WEB6]"; do
    expect "a download from $vip over 1,400 bytes" download "$vip"
done
expect "the edge passed packet-too-big on, and by it the download went" \
    too_big_reached_a_backend

for backend in b1 b2; do
    # shellcheck disable=SC2086
    lab_spawn $backend-decapsulate $backend $PYTHON "$TESTS/decapsulate.py"
    lab_wait 10 grep -q ready "$LAB_DIR/$backend-decapsulate.log"
    # shellcheck disable=SC2086
    lab_spawn $backend-sink $backend $PYTHON "$TESTS/sink.py" serve 7000
    lab_wait 10 grep -q serving "$LAB_DIR/$backend-sink.log"
done
lab_config b1 b2 | jq '.pools[].forward = {mode: "ipip", source4: "10.0.9.2"}' >"$LAB_DIR/ipip.json"
expect "a reload to ipip" lab_fairctl reload "$LAB_DIR/ipip.json" --wait
for vip in $LAB_VIP_WEB4 $LAB_VIP_WEB6; do
    equal "an upload to $vip through a tunnel of 1,480 bytes is whole" "$(upload $vip)" $UPLOAD
done
expect "the edge said packet too big" [ "$(counter answered_too_big)" -ge 2 ]
expect "client2 has learned an MTU of 1480" \
    grep -q "mtu 1480" <(lab_in client2 ip route get $LAB_VIP_WEB4; lab_in client2 ip route get $LAB_VIP_WEB6)
expect "counters add up" counters_add_up
