#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Checks by the pool's path ("via": "path"): they find a backend without the VIP, and one without its
# tunnel, which checks of its address take for healthy. And what they leave behind: nothing.
#
# Runs alone: it measures how long a check takes to find out.
. "$(dirname "$0")/lab.sh"

INTERVAL_MS=200 FALL=2 TIMEOUT_MS=200
VNI=77
INNER_DESTINATION=02:66:6c:00:00:02 # the default

# path_config FORWARD [HEALTH]: pool "web" by the path, pool "seen" the same backends by address, and
# pool "dns" by path and by name.
path_config() {
    lab_config b1 b2 b3 | jq --argjson interval $INTERVAL_MS --argjson fall $FALL \
        --argjson timeout $TIMEOUT_MS --argjson health "${2:-{\}}" "
        {interval_ms: \$interval, timeout_ms: \$timeout, fall: \$fall, rise: 2} as \$times
        | .pools.web.forward = ($1) | .pools.dns.forward = ($1)
        | .pools.web.health = ({type: \"http\", port: 80, via: \"path\"} + \$times + \$health)
        | .pools.dns.health = ({type: \"dns\", port: 53, via: \"path\",
            query: \"whoami.example\", query_type: \"TXT\"} + \$times)
        | .pools.seen = .pools.web
        | .pools.seen.health = ({type: \"http\", port: 80} + \$times)"
}

reload_with() {
    path_config "$@" >"$LAB_DIR/next.json"
    lab_fairctl reload "$LAB_DIR/next.json" --wait
}

last_failure() { # POOL/BACKEND
    lab_fairctl -j health "$1" | jq -r '.[0].health.last_failure'
}

probes_of() { # POOL/BACKEND
    lab_fairctl -j health "$1" | jq '.[0].health.probes'
}

# down_in_time NAME POOL/BACKEND COMMAND…: what it does takes the backend down in time, and others not.
down_in_time() {
    local name=$1 backend=$2 broken took
    shift 2
    broken=$(date +%s%3N)
    "$@"
    expect "$name: found" lab_wait 10 verdict_is "$backend" down
    took=$(($(date +%s%3N) - broken))
    expect "$name: within fall x interval + 1 s ($took ms)" \
        test $took -le $((FALL * INTERVAL_MS + 1000))
    expect "$name: the reason names VIP and backend ($(last_failure "$backend"))" \
        grep -q "by way of 10.0.9.1" <<<"$(last_failure "$backend")"
    expect "$name: a check of the address sees nothing" verdict_is "seen/${backend#*/}" up
    expect "$name: nobody else is down" verdict_is "${backend%/*}/b1" up
}

# For ten probes.
stays_down() { # POOL/BACKEND
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        sleep 0.2
        verdict_is "$1" down || return 1
    done
}

vip_gone() { # BACKEND VIP
    lab_in "$1" ip addr del "$2" dev lo
}

counts() { # JQ-FILTER
    lab_fairctl -j status | jq -r ".probe_path$1"
}

# What is left in the edge's Linux of what probes need.
left_behind() {
    lab_in edge ip -o link show | grep flprobe || true
    lab_in edge ip rule show | grep -i 0x666c || true
    lab_in edge ip -6 rule show | grep -i 0x666c || true
    lab_in edge ip route show table all | grep flprobe || true
    lab_in edge ip -6 route show table all | grep flprobe || true
}

rules() {
    lab_in edge ip rule show | grep -c 0x666c0000
}

# Of a captured packet, what it has of these, as NAME.json. Of nested headers the outer comes first.
FIELDS=(ip.src ip.dst ip.ttl ip.proto ipv6.src ipv6.dst ipv6.hlim tcp.port tcp.flags.reset udp.dstport
    vxlan.vni ip.checksum.status tcp.checksum.status udp.checksum.status _ws.malformed)

# capture NODE INTERFACE NAME FILTER: as many packets as several probes of every VIP have.
capture() {
    lab_in "$1" timeout 20 tcpdump -q -U -c 60 -i "$2" -w "$LAB_DIR/$3.pcap" "$4" 2>/dev/null || true
    tshark -r "$LAB_DIR/$3.pcap" -o ip.check_checksum:TRUE -o tcp.check_checksum:TRUE \
        -o udp.check_checksum:TRUE -T fields -E header=y "${FIELDS[@]/#/-e}" 2>/dev/null |
        jq -Rn '[inputs | split("\t")] | .[0] as $names | .[1:] | map([$names, .] | transpose
            | map(select(.[1] != "") | {key: .[0], value: .[1]}) | from_entries)' >"$LAB_DIR/$3.json"
}

# fields CAPTURE JQ-FILTER: what it says of each packet, a line each, once.
fields() {
    jq -r "[.[] | $2] | unique | .[]" "$LAB_DIR/$1.json"
}

malformed() { # CAPTURE: how many
    jq 'map(select(has("_ws.malformed") or (.["ip.checksum.status", "tcp.checksum.status"] // "" |
        test("0|Bad")) or (.["udp.checksum.status"] // "" | test("0|Bad")) and
        .["udp.dstport"] != "4789")) | length' "$LAB_DIR/$1.json"
}

# One that is under way now is closed soon; one that was left open stays.
none_left_open() { # BACKEND
    ! lab_in "$1" ss -Htn state established | grep ' \[\?10.0.9.2\|db8:9::2'
}

both_vips() {
    printf '%s\n' "$LAB_VIP_WEB4" "$LAB_VIP_WEB6" | sort
}

# ---- l2

lab_up
lab_servers b1 b2 b3
path_config '{mode: "l2"}' >"$LAB_CONFIG"
lab_edge_start
expect "l2: http and dns by the path are up" lab_wait 10 all_are_up
capture b1 eth0 l2 "ip dst host $LAB_VIP_WEB4 or ip6 dst host $LAB_VIP_WEB6"
equal "l2: probes ask both VIPs" \
    "$(fields l2 '.["ip.dst", "ipv6.dst"] // empty')" "$(both_vips)"
# Towards the backend, which is one of IPv4; for IPv6, towards the VIP, which is behind the uplink.
equal "l2: from the edge's own addresses" \
    "$(fields l2 '.["ip.src", "ipv6.src"] // empty')" \
    "$(printf '%s\n' 10.0.9.2 2001:db8:8::2 | sort)"
equal "l2: with two hops to go" \
    "$(fields l2 '.["ip.ttl", "ipv6.hlim"] // empty')" 2
equal "l2: every packet is well formed" "$(malformed l2)" 0
expect "l2: connections end by a reset" \
    grep -q '1\|True' <(fields l2 '.["tcp.flags.reset"]')
expect "l2: no connection is left open on b1" lab_wait 10 none_left_open b1

down_in_time "l2, no IPv4 VIP" web/b2 vip_gone b2 $LAB_VIP_WEB4/32
lab_address b2 lo $LAB_VIP_WEB4/32
expect "l2, the VIP is back: up" lab_wait 10 verdict_is web/b2 up
down_in_time "l2, no IPv6 VIP" web/b2 vip_gone b2 $LAB_VIP_WEB6/128
expect "l2, no IPv6 VIP: it stays down, though IPv4 would answer" stays_down web/b2
lab_address b2 lo $LAB_VIP_WEB6/128
expect "l2, the IPv6 VIP is back: up" lab_wait 10 verdict_is web/b2 up

# A backend that routes what is not its own: back to the edge, which must not give it to another one.
lab_sysctl b3 net.ipv4.ip_forward=1 net.ipv4.conf.all.send_redirects=0
down_in_time "l2, no VIP on a backend that routes" web/b3 vip_gone b3 $LAB_VIP_WEB4/32
expect "l2, routed back: nobody answers for it" stays_down web/b3
lab_sysctl b3 net.ipv4.ip_forward=0
lab_address b3 lo $LAB_VIP_WEB4/32
expect "l2, all are up again" lab_wait 10 all_are_up

expect "tcp by the path: a reload" reload_with '{mode: "l2"}' '{"type": "tcp"}'
expect "tcp by the path is up" lab_wait 10 all_are_up
path_config '{mode: "l2"}' | jq '.pools.web.health |= (.type = "icmp" | del(.port))' \
    >"$LAB_DIR/icmp.json"
expect "icmp by the path: a reload" lab_fairctl reload "$LAB_DIR/icmp.json" --wait
expect "icmp by the path is up" lab_wait 10 all_are_up
down_in_time "icmp, no VIP" web/b2 vip_gone b2 $LAB_VIP_WEB4/32
lab_address b2 lo $LAB_VIP_WEB4/32
expect "icmp, the VIP is back: up" lab_wait 10 verdict_is web/b2 up

# ---- vxlan

for n in 1 2 3; do
    lab_in b$n ip link add vxlan4 address $INNER_DESTINATION \
        type vxlan id $VNI local 10.0.9.1$n dstport 4789 nolearning
    lab_in b$n ip link set vxlan4 up
done
expect "vxlan: a reload" reload_with "{mode: \"vxlan\", vni: $VNI, source4: \"10.0.9.2\"}"
expect "vxlan: all are up" lab_wait 10 all_are_up
capture b1 eth0 vxlan "udp dst port 4789"
equal "vxlan: the outer header is the tunnel's" \
    "$(fields vxlan '.["vxlan.vni"]')" $VNI
# Both IP headers, outer first: of IPv4 in IPv4.
equal "vxlan: outer and inner addresses" \
    "$(fields vxlan 'select(has("tcp.port") and (has("ipv6.dst") | not))
        | .["ip.src"] + " " + .["ip.dst"]')" \
    "10.0.9.2,10.0.9.2 10.0.9.11,$LAB_VIP_WEB4"
equal "vxlan: IPv6 inside" \
    "$(fields vxlan 'select(has("tcp.port") and has("ipv6.dst"))
        | .["ip.dst"] + " " + .["ipv6.src"] + " " + .["ipv6.dst"]')" \
    "10.0.9.11 2001:db8:8::2 $LAB_VIP_WEB6"
equal "vxlan: every packet is well formed" "$(malformed vxlan)" 0
down_in_time "vxlan, no tunnel device" web/b3 lab_in b3 ip link del vxlan4
expect "vxlan: the DNS pool finds it too" lab_wait 5 verdict_is dns/b3 down
lab_in b3 ip link add vxlan4 address $INNER_DESTINATION \
    type vxlan id $VNI local 10.0.9.13 dstport 4789 nolearning
lab_in b3 ip link set vxlan4 up
expect "vxlan: the device is back: up" lab_wait 10 all_are_up

# ---- ipip

for n in 1 2 3; do
    # shellcheck disable=SC2086
    lab_spawn b$n-decapsulate b$n $PYTHON "$TESTS/decapsulate.py"
    lab_wait 10 grep -q ready "$LAB_DIR/b$n-decapsulate.log"
done
expect "ipip: a reload" reload_with '{mode: "ipip", source4: "10.0.9.2"}'
expect "ipip: all are up" lab_wait 10 all_are_up
capture b1 eth0 ipip "ip proto 4 or ip proto 41"
equal "ipip: outer and inner addresses" \
    "$(fields ipip 'select(has("tcp.port") and (.["ip.proto"] | startswith("4,")))
        | .["ip.src"] + " " + .["ip.dst"]')" \
    "10.0.9.2,10.0.9.2 10.0.9.11,$LAB_VIP_WEB4"
equal "ipip: every packet is well formed" "$(malformed ipip)" 0
down_in_time "ipip, nobody takes it out" web/b2 kill -TERM "$(lab_pid b2-decapsulate)"

# ---- the rest

equal "no packet of a probe was dropped" "$(counts '| .foreign + .too_big + .no_room')" 0
expect "probes were sent" test "$(counts .sent)" -gt 500
expect "counters add up" counters_add_up

# failure_is POOL/BACKEND PATTERN
failure_is() {
    last_failure "$1" | grep -q "$2"
}

lab_in b3 ip link set eth0 down
lab_in edge ip neigh del 10.0.9.13 dev lan0
expect "a backend without next hop: found" lab_wait 20 failure_is web/b3 "^no path: .*10.0.9.13"
expect "a backend without next hop: down" lab_wait 10 verdict_is web/b3 down
lab_address edge lo $LAB_VIP_WEB4/32
expect "a VIP on the edge itself: said" \
    lab_wait 10 failure_is web/b1 "$LAB_VIP_WEB4 is an address of this machine"
probes=$(probes_of web/b1)
sleep 1
equal "which says nothing of the backend: no probe counts" "$(probes_of web/b1)" "$probes"
lab_in edge ip addr del $LAB_VIP_WEB4/32 dev lo
expect "and gone again: up" lab_wait 10 verdict_is web/b1 up
expect "and probes go on" lab_wait 10 eval '[ "$(probes_of web/b1)" -gt "$probes" ]'

# ---- a killed one, and strict rp_filter

equal "one rule" "$(rules)" 1
{ lab_edge_stop KILL || true; } 2>/dev/null
equal "kill -9 leaves the rule behind" "$(rules)" 1
lab_sysctl edge net.ipv4.conf.default.rp_filter=1
path_config '{mode: "l2"}' | jq '.pools[].backends |= .[:2]' >"$LAB_CONFIG"
lab_edge_start
equal "the next start has one all the same" "$(rules)" 1
expect "strict rp_filter is warned of" grep -q "lan0: rp_filter is strict" "$LAB_DIR/edge.log"
# Of all backends: the pool panics, so the tables have nobody down.
expect "and drops answers" lab_wait 5 eval "lab_fairctl -j health web/b1 | jq -e '.[0].health.verdict == \"down\"'"
lab_sysctl edge net.ipv4.conf.lan0.rp_filter=2
expect "loose rp_filter does not" lab_wait 10 verdict_is web/b1 up
expect "SIGTERM ends it well" lab_edge_stop TERM
equal "SIGTERM leaves nothing behind" "$(left_behind)" ""

# ---- the first such check comes by a reload

lab_sysctl edge net.ipv4.conf.default.rp_filter=2
cp "$LAB_CONFIG" "$LAB_DIR/path.json"
lab_config b1 b2 >"$LAB_CONFIG"
lab_edge_start
equal "without checks by the path, Linux is left alone" "$(left_behind)" ""
lab_sysctl edge net.ipv6.conf.default.disable_ipv6=1
vip_gone b1 $LAB_VIP_WEB6/128
expect "they come by a reload" lab_fairctl reload "$LAB_DIR/path.json" --wait
expect "without IPv6 on the device, IPv4 alone is asked: up" lab_wait 10 verdict_is web/b1 up
expect "which is said" grep -q "IPv4 only" "$LAB_DIR/edge.log"
equal "by a rule" "$(rules)" 1
expect "SIGTERM ends it well once more" lab_edge_stop TERM
equal "and leaves nothing behind once more" "$(left_behind)" ""
