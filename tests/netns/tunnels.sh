#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Modes ipip, gre, gue and vxlan: backends take the packets out of their outer headers, in all
# combinations of families. Of vxlan that is Linux's own device, of the others decapsulate.py.
. "$(dirname "$0")/lab.sh"

GUE_PORT=6080 GUE_DIRECT_PORT=9886
VNI=$((0xabcdef))
INNER_DESTINATION=02:66:6c:00:00:02 # the default
SOURCE4=10.0.9.2
SOURCE6=2001:db8:77::/96

# tunnel_config FORWARD FAMILY: to the backends' addresses of that family.
tunnel_config() {
    local prefix=10.0.9.1
    [ "$2" = 4 ] || prefix=2001:db8:9::1
    lab_config b1 b2 b3 | jq --arg prefix "$prefix" --arg 4 $SOURCE4 --arg 6 $SOURCE6 \
        ".pools[].forward = ($1) + {source$2: \$ARGS.named[\"$2\"]}
            | .pools[].backends[] |= (.address = \$prefix + .name[1:])"
}

reload_with() {
    tunnel_config "$@" >"$LAB_DIR/next.json"
    lab_fairctl reload "$LAB_DIR/next.json" --wait
}

# A device a family: one listens on IPv4 or on IPv6.
vxlan_devices() { # BACKEND
    local host=1${1#b} options="dstport 4789 nolearning"
    # shellcheck disable=SC2086
    lab_in "$1" ip link add vxlan4 address $INNER_DESTINATION \
        type vxlan id $VNI local "10.0.9.$host" $options
    # shellcheck disable=SC2086
    lab_in "$1" ip link add vxlan6 address $INNER_DESTINATION \
        type vxlan id $VNI local "2001:db8:9::$host" udp6zerocsumrx $options
    lab_in "$1" ip link set vxlan4 up
    lab_in "$1" ip link set vxlan6 up
}

received_by() { # BACKEND DEVICE
    lab_in "$1" cat "/sys/class/net/$2/statistics/rx_packets"
}

traffic() { # NAME
    local vip
    for vip in $LAB_VIP_WEB4 "[$LAB_VIP_WEB6]"; do
        expect "$1: http://$vip/" \
            all_answered "$(answers client1 "http://$vip/" 40)" 40 b1 b2 b3
    done
    for vip in $LAB_VIP_DNS4 $LAB_VIP_DNS6; do
        expect "$1: dig @$vip" lab_in client1 dig +tries=1 +time=2 "@$vip" whoami.example TXT
    done
}

# both_families NAME FORWARD
both_families() {
    local family
    for family in 4 6; do
        expect "$1: a reload to IPv$family backends" reload_with "$2" $family
        lab_wait 10 lab_edge_resolved
        traffic "$1 to IPv$family backends"
    done
}

# What has come to b1 so far that tshark takes exception to: malformed, or a wrong checksum. That of an
# outer UDP header is 0: it has none.
exceptions() {
    tshark -n -r "$LAB_DIR/b1.pcap" -d "udp.port==$GUE_DIRECT_PORT,ip" -o ip.check_checksum:TRUE \
        -o tcp.check_checksum:TRUE -o udp.check_checksum:TRUE \
        -o udp.ignore_ipv6_zero_checksum:TRUE -Y '_ws.malformed || ip.checksum.status == 0 ||
        tcp.checksum.status == 0 || udp.checksum.status == 0' -T fields -e frame.number \
        -e frame.protocols 2>/dev/null
}

# How many of its packets tshark finds of this kind.
captured() { # DISPLAY-FILTER
    tshark -n -r "$LAB_DIR/b1.pcap" -Y "$1" 2>/dev/null | wc -l
}

saw() { # JQ-FILTER
    jq -c "$1" "$LAB_DIR/seen.json"
}

lab_up
lab_servers b1 b2 b3
for backend in b1 b2 b3; do
    # shellcheck disable=SC2086
    lab_spawn $backend-decapsulate $backend $PYTHON "$TESTS/decapsulate.py" \
        $GUE_PORT $GUE_DIRECT_PORT
    vxlan_devices $backend
    lab_wait 10 grep -q ready "$LAB_DIR/$backend-decapsulate.log"
done

lab_spawn b1-capture b1 tcpdump -q -U -i eth0 -w "$LAB_DIR/b1.pcap" \
    "ip dst host 10.0.9.11 or ip6 dst host 2001:db8:9::11"
lab_wait 10 grep -q "listening on" "$LAB_DIR/b1-capture.log"
tunnel_config '{mode: "ipip"}' 4 >"$LAB_CONFIG"
lab_edge_start
both_families "ipip" '{mode: "ipip"}'
both_families "gre" '{mode: "gre"}'
both_families "gre with a key" '{mode: "gre", key: 4294967295}'
both_families "gue" '{mode: "gue"}'
both_families "gue variant 1" "{mode: \"gue\", variant: 1, port: $GUE_DIRECT_PORT}"
both_families "vxlan" "{mode: \"vxlan\", vni: $VNI}"

kill -TERM "$(lab_pid b1-decapsulate)"
lab_wait 5 lab_is_gone "$(lab_pid b1-decapsulate)"
tail -n 1 "$LAB_DIR/b1-decapsulate.log" >"$LAB_DIR/seen.json"
equal "b1 saw all combinations" "$(saw 'keys')" \
    "$(printf '%s\n' "gre" "gre key 4294967295" "gue" "gue direct" "ipip" | jq -cR '
        . as $mode | ("4", "6") as $outer | ("4", "6") as $inner
            | "\($mode) \($inner) in \($outer)"' | jq -cs sort)"
equal "one outer source where one was asked for" \
    "$(saw '[.[] | .sources[] | select(startswith("10."))] | unique')" "[\"$SOURCE4\"]"
expect "many in the prefix where a prefix was" \
    jq -e 'to_entries | map(select(.key | endswith("in 6")).value.sources)
        | all(length > 5 and all(.[]; startswith("2001:db8:77::")))' "$LAB_DIR/seen.json"
expect "many UDP source ports" \
    jq -e 'to_entries | map(select(.key | startswith("gue")).value.ports) | all(. > 5)' \
    "$LAB_DIR/seen.json"
for device in vxlan4 vxlan6; do
    expect "b1's $device took its share" test "$(received_by b1 $device)" -gt 50
done
kill -TERM "$(lab_pid b1-capture)"
lab_wait 5 lab_is_gone "$(lab_pid b1-capture)"
for kind in "ipip:ip.proto == 4 && tcp" "ipip over IPv6:ipv6.nxt == 4 && tcp" "gre:gre && tcp" \
    "gue:udp.dstport == $GUE_PORT" "gue variant 1:udp.dstport == $GUE_DIRECT_PORT" "vxlan:vxlan && tcp"; do
    expect "captured: ${kind%%:*}" test "$(captured "${kind#*:}")" -gt 20
done
equal "tshark finds every captured packet well-formed" "$(exceptions)" ""
expect "counters add up" counters_add_up
