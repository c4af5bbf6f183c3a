#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Mode kernel: the instance runs on the edge itself, and its answers go out by the kernel interface.
. "$(dirname "$0")/lab.sh"

lab_up
for vip in "${LAB_VIPS4[@]/%//32}" "${LAB_VIPS6[@]/%//128}"; do
    lab_address edge lo "$vip"
done
lab_servers edge
lab_config b1 | jq '.pools[] |= (.forward.mode = "kernel" |
    .backends = [{name: "here", address: "10.0.8.2"}])' >"$LAB_CONFIG"
lab_spawn edge edge "$LAB_FAIRLEAD" --config "$LAB_CONFIG"
lab_wait 20 lab_edge_is_ready
lab_edge_addresses
for vip in $LAB_VIP_WEB4 "[$LAB_VIP_WEB6]"; do
    expect "http://$vip/ is answered by the edge" \
        all_answered "$(answers client1 "http://$vip/" 20)" 20 edge
done
for vip in $LAB_VIP_DNS4 $LAB_VIP_DNS6; do
    expect "dig @$vip" lab_in client1 dig +tries=1 +time=2 "@$vip" whoami.example TXT
done
expect "by the exit of that name" [ "$(counter punted_service)" -gt 100 ]
equal "and nothing was sent elsewhere" "$(counter sent)" 0
expect "explain says so" grep -q punted_service \
    <(lab_fairctl explain tcp 10.0.1.2:5000 $LAB_VIP_WEB4:80)
expect "backends shows it" lab_fairctl backends
expect "counters add up" counters_add_up
