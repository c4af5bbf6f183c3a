#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# explain --pcap: what would become of every packet of a capture, by name, and nothing of it is done.
. "$(dirname "$0")/lab.sh"

/usr/bin/python3 -c 'import scapy' 2>/dev/null || skip_all "needs python3-scapy"

counts() { # what packets would change
    lab_fairctl -j stats | jq -c '[.answered, .dropped, .flow_table]'
    lab_fairctl -j flows | jq .live
}

lab_up
sessions_serve b1 b2
lab_config b1 b2 >"$LAB_CONFIG"
lab_edge_start
sessions_open 40
kill -STOP "$(lab_pid sessions)" # nothing moves while we look
lab_config b1 b2 b3 >"$LAB_DIR/three.json"
lab_fairctl reload "$LAB_DIR/three.json" --wait >"$LAB_DIR/reload.log"
lab_wait 10 lab_edge_resolved

# A flow that the table keeps where it is, though its row is b3's now.
for port in $(lab_in client1 ss -Htn "dst $LAB_VIP_WEB4" | awk '{ sub(/.*:/, "", $4); print $4 }'); do
    lab_fairctl -j explain tcp "10.0.1.2:$port" "$LAB_VIP_WEB4:7000" >"$LAB_DIR/flow.json"
    jq -e '.row_backend == "web/b3" and .entry' "$LAB_DIR/flow.json" >/dev/null && break
done
mac=$(lab_fairctl -j status | jq -r '.ports[] | select(.name == "uplink") | .mac')
# shellcheck disable=SC2086
$PYTHON "$TESTS/capture.py" "$LAB_DIR/frames.pcap" "$mac" "$port" 2>"$LAB_DIR/capture.log"
# shellcheck disable=SC2086
$PYTHON "$TESTS/capture.py" "$LAB_DIR/bare.pcapng"

before=$(counts)
lab_fairctl -j explain --pcap "$LAB_DIR/frames.pcap" >"$LAB_DIR/explained.json"
equal "every packet has its exit" "$(jq -c 'map(.exit)' "$LAB_DIR/explained.json")" \
    "$(jq -nc '["sent", "sent", "sent", "answered_no_service", "answered_echo", "answered_ttl_expired",
        "drop_ipv4_checksum", "drop_source_martian", "punted_other", "punted_control",
        "drop_other_mac", "held", "sent", "sent", "drop_ether_truncated"]')"
equal "its number and its time" "$(jq -c '.[2] | [.number, .time_s]' "$LAB_DIR/explained.json")" '[3,0.2]'
equal "its tuple" "$(jq -c '.[3] | [.protocol, .source, .source_port, .destination, .destination_port]' \
    "$LAB_DIR/explained.json")" '["tcp","10.0.1.2",6,"192.0.2.80",81]'
equal "its service" "$(jq -c 'map(.service)' "$LAB_DIR/explained.json")" \
    '["web","web","web",null,null,"web",null,"web",null,null,null,null,"dns","dns",null]'
equal "a flow that the table remembers goes where the table says" \
    "$(jq -c '.[0] | [.backend, .entry, .why]' "$LAB_DIR/explained.json")" \
    "$(jq -c '[.entry.backend, true, "the flow table remembers the flow"]' "$LAB_DIR/flow.json")"
equal "a new flow goes by its row, as explain says of it" \
    "$(jq -r '.[1].backend' "$LAB_DIR/explained.json")" \
    "$(lab_fairctl -j explain tcp "10.0.1.2:$((port + 1))" "$LAB_VIP_WEB4:80" | jq -r .row_backend)"
equal "a later fragment goes where its first goes" \
    "$(jq '.[12].backend == .[13].backend' "$LAB_DIR/explained.json")" true
equal "people get a line a packet" "$(lab_fairctl explain --pcap "$LAB_DIR/frames.pcap" | wc -l)" 16
equal "bare packets of a pcapng too" \
    "$(lab_fairctl -j explain --pcap "$LAB_DIR/bare.pcapng" | jq -c 'map([.service, .exit])')" \
    '[["web","sent"],["dns","sent"]]'
equal "nothing was counted, answered or remembered" "$(counts)" "$before"

status=0
lab_fairctl explain --pcap "$LAB_CONFIG" >"$LAB_DIR/no.log" 2>&1 || status=$?
equal "what is no capture is refused" $status 1
status=0
said=$(lab_fairctl explain --pcap "$LAB_DIR/frames.pcap" --port nosuch 2>&1 >/dev/null) || status=$?
equal "and a port that is not there" "$status $said" "1 fairctl: no port is called nosuch"

kill -CONT "$(lab_pid sessions)"
expect "counters add up" counters_add_up
