#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# A port whose device checks IPv4 header checksums itself (net_tap says so): what is wrong is dropped
# by the name that software gives it, what is right goes on as ever, tagged or not, and nothing else
# is touched by it.
. "$(dirname "$0")/lab.sh"

LAB_NODES=(edge)
mkdir -m 755 "$LAB_DIR"
lab_namespaces
lab_config b1 | jq '.dataplane.ports = [.dataplane.ports[1] + {device: "net_tap0,iface=nic"}]' \
    >"$LAB_CONFIG"
lab_spawn edge edge "$LAB_FAIRLEAD" --config "$LAB_CONFIG"
lab_wait 20 lab_fairctl status
lab_address edge lan0 10.0.9.2/24 2001:db8:9::2/64
lab_in edge ip neigh replace 10.0.9.11 lladdr 02:00:00:00:09:11 nud permanent dev lan0
lab_wait 10 lab_edge_resolved
expect "the device says that it checks" grep -q 'net_tap checks IPv4 header checksums' "$LAB_DIR/edge.log"

# Sends, and prints what came out of the port: how many whole, and how many with a wrong checksum.
cat >"$LAB_DIR/frames.py" <<'SCRIPT'
import socket, sys, time
from scapy.all import IP, TCP, UDP, Dot1Q, Ether, IPOption_NOP, IPv6, raw
from scapy.utils import checksum

link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
link.bind(("nic", 0))
link.settimeout(5)
edge = open("/sys/class/net/nic/address").read().strip()
ether = Ether(src="02:00:00:00:08:01", dst=edge)
vip, client = "192.0.2.80", "198.51.100.7"

def four(sport, **fields):
    return IP(src=client, dst=vip, **fields) / TCP(sport=sport, dport=80, flags="S")

links = [ether, ether / Dot1Q(vlan=0, prio=5)]
headers = [{}, {"options": [IPOption_NOP()] * 4}, {"tos": 0xb9, "id": 77, "flags": "DF"}]
right = [raw(tag / four(1000 + n, **fields)) for n in range(20) for tag in links for fields in headers]
wrong = [raw(tag / four(1000 + n, chksum=0x1234 + n, **fields))
         for n in range(20) for tag in links for fields in headers]
six = [raw(tag / IPv6(src="2001:db8:c::7", dst="2001:db8::80") / TCP(sport=1000 + n, dport=80, flags="S"))
       for n in range(20) for tag in links]
for frame in (f for group in zip(right, wrong) for f in group):
    link.send(frame)
for frame in six:
    link.send(frame)
good = bad = 0
try:
    while good + bad < len(right) + len(six):
        frame, (_, _, kind, _, _) = link.recvfrom(2048)
        if kind == socket.PACKET_OUTGOING or frame[:6] != bytes.fromhex("020000000911"):
            continue
        four_bytes = frame[14:14 + (frame[14] & 15) * 4]
        if frame[12:14] == b"\x08\x00" and checksum(four_bytes) != 0:
            bad += 1
        else:
            good += 1
except TimeoutError:
    pass
print(len(right) + len(six), len(wrong), good, bad)
SCRIPT
# shellcheck disable=SC2086
read -r right wrong good bad < <(lab_in edge $PYTHON "$LAB_DIR/frames.py" 2>/dev/null)
equal "all that are right go to the backend" "$good" "$right"
equal "none of them wrong" "$bad" 0
equal "they are counted as sent" "$(counter sent)" "$right"
equal "all that are wrong are dropped by name" "$(counter drop_ipv4_checksum)" "$wrong"
expect "counters add up" counters_add_up
