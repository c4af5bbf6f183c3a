#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# The log: no packet writes to it, however wrong it is; and one that nobody reads holds up neither
# packets nor control. Hostile inputs, exhaustion 90.
. "$(dirname "$0")/lab.sh"
HANGUPS=300

log_lines() {
    wc -l <"$LAB_DIR/edge.log"
}

# flood COUNT: of each, from the router's port to the edge: for a VIP with a bad checksum, a martian
# source, a closed port, a truncated header; and what is for nobody.
flood() {
    # shellcheck disable=SC2086
    lab_in router $PYTHON - "$1" <<'SCRIPT'
import socket, subprocess, sys
from scapy.all import IP, TCP, UDP, Ether, Raw, raw
known = subprocess.run(["ip", "neigh", "show", "10.0.8.2", "dev", "edge"], capture_output=True,
                       text=True, check=True).stdout.split()
edge = Ether(src="02:00:00:00:08:01", dst=known[known.index("lladdr") + 1])
vip = "192.0.2.80"
frames = [raw(edge / packet) for packet in (
    IP(src="10.0.1.2", dst=vip, chksum=1) / TCP(dport=80),
    IP(src="127.0.0.1", dst=vip) / TCP(dport=80),
    IP(src="10.0.1.2", dst=vip) / UDP(dport=9),
    IP(src="10.0.1.2", dst=vip, proto=6) / Raw(b"x" * 5),
    IP(src="10.0.1.2", dst="203.0.113.1") / UDP(dport=9))]
link = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
link.bind(("edge", 0))
for _ in range(int(sys.argv[1])):
    for frame in frames:
        link.send(frame)
SCRIPT
}

lab_up
lab_servers b1 b2
lab_config b1 b2 >"$LAB_CONFIG"
lab_edge_start
expect "the router knows the edge" lab_in router ping -c 1 -W 2 10.0.8.2

lines=$(log_lines)
flood 2000
expect "a flood of bad packets is counted" lab_wait 10 eval \
    '[ "$(counter drop_ipv4_checksum)" -ge 100 ] && [ "$(counter drop_source_martian)" -ge 100 ]'
equal "and none of them is in the log" "$(log_lines)" "$lines"
lab_edge_stop TERM

# A log that is a pipe, and nobody reads it: this shell only keeps it open.
mkfifo "$LAB_DIR/log"
exec 8<>"$LAB_DIR/log"
lab_spawn edge edge sh -c "exec '$LAB_FAIRLEAD' --config '$LAB_CONFIG' 2>'$LAB_DIR/log'"
lab_wait 20 lab_edge_is_ready
lab_edge_addresses
lab_wait 10 lab_edge_resolved
cp "$LAB_CONFIG" "$LAB_DIR/good.json"
jq '.services |= map(.ports = [65616, 70000, "x"] | .vips = ["nobody", "none"])' \
    "$LAB_DIR/good.json" >"$LAB_CONFIG"
for ((i = 0; i < HANGUPS; i++)); do
    kill -HUP "$(lab_pid edge)"
    sleep 0.01
done
expect "with a full log fairctl is answered" timeout 5 "$LAB_FAIRCTL" -s "$LAB_SOCKET" status
expect "packets go on" all_answered "$(answers client1 "http://$LAB_VIP_WEB4/" 40)" 40 b1 b2
lab_config b1 >"$LAB_DIR/next.json"
expect "a reload goes on" timeout 5 "$LAB_FAIRCTL" -s "$LAB_SOCKET" reload "$LAB_DIR/next.json" --wait
equal "and is in force" "$(lab_fairctl -j backends web | jq -c '[.[].name]')" '["b1"]'
timeout 1 cat <&8 >"$LAB_DIR/read.log" || true
expect "what it took says what was wrong" grep -q '/services/0/ports/0: wanted' "$LAB_DIR/read.log"
kill -HUP "$(lab_pid edge)"
says_what_is_lost() {
    timeout 1 cat <&8 >>"$LAB_DIR/later.log" || true
    grep -q '[0-9]* log lines are lost' "$LAB_DIR/later.log"
}
expect "read again, it says how much is lost" lab_wait 10 says_what_is_lost
expect "counters add up" counters_add_up
