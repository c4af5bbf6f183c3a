#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# At least five configurations can be gone back to, after a restart too; and the running one is printed
# so that it can be a file again.
. "$(dirname "$0")/lab.sh"

weight() { # of web/b1
    lab_fairctl -j backends web | jq '.[] | select(.name == "b1") | .weight'
}

config_with_weight() { # WEIGHT
    lab_config b1 b2 | jq --arg weight "$1" '.pools.web.backends[0].weight = ($weight | tonumber)'
}

status_of() { # JQ-FILTER
    lab_fairctl -j status | jq -cr "$1"
}

refused() { # PATTERN COMMAND…
    local pattern=$1 status=0
    shift
    "$@" >"$LAB_DIR/refused.log" 2>&1 || status=$?
    cat "$LAB_DIR/refused.log"
    [ $status = 1 ] && grep -q "$pattern" "$LAB_DIR/refused.log"
}

lab_up
config_with_weight 1 >"$LAB_CONFIG"
lab_edge_start
expect "nothing to go back to at first" refused 'no older configuration' lab_fairctl rollback
for weight in 2 3 4 5 6 7; do
    config_with_weight $weight >"$LAB_CONFIG"
    lab_fairctl reload >"$LAB_DIR/reload.log"
done
equal "seven configurations" "$(lab_fairctl -j history | jq -c 'map(.generation)')" '[7,6,5,4,3,2,1]'
lab_fairctl reload >"$LAB_DIR/reload.log"
equal "the same file again is no eighth" "$(status_of .generation)" 7

expect "rollback goes to the one before" lab_fairctl rollback
equal "which had weight 6" "$(weight)" 6
equal "under a number of its own" "$(status_of '[.generation, .configuration.of]')" '[8,6]'
equal "status says that the file differs" "$(status_of .configuration.on_disk)" differs
expect "people read it too" grep -q 'differs, which a restart' <(lab_fairctl status)
expect "rollback goes to any" lab_fairctl rollback 2 --wait
equal "which had weight 2" "$(weight)" 2
expect "one that is not there is refused" refused 'no configuration 99' lab_fairctl rollback 99
expect "so is the one in force" refused 'is in force' lab_fairctl rollback 9

lab_fairctl config >"$LAB_DIR/printed.json"
expect "what config prints is accepted" "$LAB_FAIRLEAD" --check "$LAB_DIR/printed.json"
expect "and says the same" lab_fairctl diff "$LAB_DIR/printed.json"
expect "with defaults filled in" jq -e '.pools.web.rows == 65536' "$LAB_DIR/printed.json"
equal "an older one is printed too" \
    "$(lab_fairctl config 5 | jq '.pools.web.backends[0].weight')" 5

lab_edge_stop KILL || true
lab_edge_start
equal "the file decides at a start" "$(weight)" 7
equal "and is another configuration" "$(status_of '[.generation, .configuration.origin]')" '[10,"start"]'
expect "older ones are there all the same" lab_fairctl rollback 3
equal "which had weight 3" "$(weight)" 3

# A damaged state directory is a warning, not the end.
lab_edge_stop TERM
echo damaged >"$LAB_DIR/state/configuration.4"
lab_edge_start
expect "a damaged configuration is named in the log" \
    grep -q 'configuration.4 is damaged and was set aside' "$LAB_DIR/edge.log"
expect "it is not there" refused 'no configuration 4' lab_fairctl rollback 4
expect "the others are" lab_fairctl rollback 5
rm -r "$LAB_DIR/state"
: >"$LAB_DIR/state"
expect "a state directory that cannot be written does not stop a reload" lab_fairctl reload
expect "the log warns" grep -q 'memory only' "$LAB_DIR/edge.log"
expect "so does status" grep -q 'history in memory only' <(lab_fairctl status)
expect "rollback goes on in memory" lab_fairctl rollback
equal "to weight 5" "$(weight)" 5
