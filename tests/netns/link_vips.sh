#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# VIPs in the subnet of the link, no routes to them: the client asks on the link and the edge
# answers; it tells the link at start; an edge that takes over gets the traffic at once.
. "$(dirname "$0")/lab.sh"

VIP4=10.0.9.80
VIP6=2001:db8:9::80
LATER4=10.0.9.90

LAB_NODES+=(edge2)
lab_up
# client1 also stands on the backends' segment, where the edges are, and asks for VIPs there.
lab_link client1 eth1 router lan-client1
lab_in router ip link set lan-client1 master lan
lab_address client1 eth1 10.0.9.101/24 2001:db8:9::101/64
lab_in edge2 ip link add blackhole type bridge
lab_link router lan-edge2 edge2 nic-lan
lab_in edge2 ip link set nic-lan master blackhole
lab_in router ip link set lan-edge2 master lan
for backend in b1 b2; do
    lab_address $backend lo $VIP4/32 $LATER4/32 $VIP6/128
done
lab_servers b1 b2

# config NAME VIP4…: one port, on the segment.
config() {
    local name=$1 vips
    shift
    vips=$(printf '"%s",' "$@")
    lab_config b1 b2 | jq --argjson vips "[$vips\"$VIP6\"]" --arg name "$name" \
        --arg flows "$LAB_DIR/$name.flows" '
        .edge.name += "-" + $name
        | .dataplane.ports = [.dataplane.ports[1] + {"answer_neighbours": true}]
        | .dataplane.flow_table.path = $flows
        | .control.socket += $name
        | .services = [.services[0] + {"vips": $vips}]'
}

# start NODE HOST VIP4…
start() {
    config "$1" "${@:3}" >"$LAB_DIR/$1.json"
    lab_spawn "$1" "$1" "$LAB_FAIRLEAD" --config "$LAB_DIR/$1.json"
    lab_wait 20 fairctl "$1" status
    lab_address "$1" lan0 "10.0.9.$2/24" "2001:db8:9::$2/64"
    lab_wait 10 resolved "$1"
}

fairctl() { # NODE COMMAND…
    "$LAB_FAIRCTL" -s "$LAB_SOCKET$1" "${@:2}"
}

resolved() {
    fairctl "$1" -j neighbours | jq -e 'length > 0 and all(.[]; .state == "resolved")'
}

exits() { # NODE EXIT
    fairctl "$1" -j stats | jq --arg name "$2" '.exits[] | select(.name == $name).packets'
}

mac_of() { # NODE INTERFACE
    lab_in "$1" cat "/sys/class/net/$2/address"
}

known_mac() { # ADDRESS: what client1 believes
    lab_in client1 ip -j neigh show "$1" dev eth1 | jq -r '.[0].lladdr'
}

is_reachable() { # ADDRESS
    lab_in client1 ip -j neigh show "$1" dev eth1 | jq -e '.[0].state == ["REACHABLE"]'
}

# probe4 ADDRESS MAC: b3 asks as one that wants the address for itself (RFC 5227).
probe4() {
    # shellcheck disable=SC2086
    lab_in b3 $PYTHON -c "
from scapy.all import ARP, Ether, srp1
probe = Ether(dst='ff:ff:ff:ff:ff:ff') / ARP(psrc='0.0.0.0', pdst='$1')
answer = srp1(probe, iface='eth0', timeout=3, verbose=0)
raise SystemExit(answer is None or answer.hwsrc != '$2')"
}

# told ADDRESS MAC: when client1 heard an announcement of it, in seconds.
told() {
    local announcement
    case $1 in
    *:*) announcement="icmpv6.type == 136 && icmpv6.nd.na.flag.s == 0 &&
        icmpv6.nd.na.flag.o == 1 && icmpv6.nd.na.target_address == $1" ;;
    *) announcement="arp.opcode == 1 && arp.src.proto_ipv4 == $1 && arp.dst.proto_ipv4 == $1" ;;
    esac
    tshark -n -r "$LAB_DIR/link.pcap" -T fields -e frame.time_epoch \
        -Y "eth.src == $2 && $announcement" 2>/dev/null
}

told_thrice() { # ADDRESS MAC: a second apart
    told "$@"
    told "$@" | awk 'NR > 1 && ($1 - last < 0.9 || $1 - last > 2) { bad = 1 } { last = $1 }
        END { exit bad || NR != 3 }'
}

lab_spawn link client1 tcpdump -U -i eth1 -w "$LAB_DIR/link.pcap" arp or icmp6
lab_wait 10 grep -q listening "$LAB_DIR/link.log"
start edge 2 $VIP4
mac=$(mac_of edge nic-lan)

for vip in $VIP4 "[$VIP6]"; do
    expect "http://$vip/, asked for on the link" \
        all_answered "$(answers client1 "http://$vip/" 40)" 40 b1 b2
done
for vip in $VIP4 $VIP6; do
    equal "client1 has $vip at the edge's MAC" "$(known_mac $vip)" "$mac"
    lab_in client1 ip neigh replace $vip lladdr "$mac" nud probe dev eth1
    expect "and when it makes sure of it, the edge answers" lab_wait 5 is_reachable $vip
    expect "$vip is announced at start, three times" lab_wait 10 told_thrice $vip "$mac"
done
expect "answers are counted" test "$(exits edge answered_neighbour)" -ge 4

# Whoever wants the address for itself is told that it is taken.
expect "a probe before an IPv4 VIP is taken into use is answered" \
    probe4 $VIP4 "$mac"
lab_sysctl b3 net.ipv6.conf.eth0.accept_dad=1
lab_in b3 ip addr add $VIP6/128 dev eth0
expect "and so is one for an IPv6 VIP" \
    lab_wait 5 eval "lab_in b3 ip addr show dev eth0 | grep -q dadfailed"

config edge $VIP4 $LATER4 >"$LAB_DIR/edge.json"
expect "a reload adds a VIP" fairctl edge reload
expect "it is announced" lab_wait 10 told_thrice $LATER4 "$mac"
equal "and the others are not, again" "$(told $VIP4 "$mac" | wc -l)" 3

# Another edge with the same VIPs takes over; client1 does not ask, it is told.
for vip in $VIP4 $LATER4 "[$VIP6]"; do
    expect "http://$vip/, still" all_answered "$(answers client1 "http://$vip/" 40)" 40 b1 b2
done
start edge2 3 $VIP4 $LATER4
mac2=$(mac_of edge2 nic-lan)
for vip in $VIP4 $VIP6; do
    expect "$vip moves to the other edge" lab_wait 5 eval "[ \$(known_mac $vip) = $mac2 ]"
done
kill -KILL "$(lab_pid edge)"
for vip in $VIP4 $LATER4 "[$VIP6]"; do
    expect "http://$vip/ without the first edge" \
        all_answered "$(answers client1 "http://$vip/" 40)" 40 b1 b2
done
expect "through the other" test "$(exits edge2 sent)" -ge 120
expect "its counters add up" eval "fairctl edge2 -j stats | jq -e .identity"
