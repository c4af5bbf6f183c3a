#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
# Every type of check against real servers: up, down, up, down in another way, up; in time, with its
# reason, and with b1 up all the while. What fails every second time stays up.
#
# Runs alone: it measures how long checks take to find out.
. "$(dirname "$0")/lab.sh"

command -v openssl >/dev/null || skip_all "needs openssl for certificates"
INTERVAL_MS=300 FALL=2
TYPES="tcp http https dns icmp exec"
TOO_LONG_S=3717$$ # that no other program sleeps

now_ms() {
    date +%s%3N
}

# Servers of their own: sites that ask for a host, TLS, a zone on the backend's own address.

certificate() { # NAME HOST: signed by itself
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj "/CN=$2" \
        -addext "subjectAltName=DNS:$2" -keyout "$LAB_DIR/$1.key" -out "$LAB_DIR/$1.crt"
}

nginx_start() { # BACKEND
    lab_nginx_config "$1" | sed "
        s|listen 80;|& listen 8443 ssl; ssl_certificate $LAB_DIR/$1.crt; ssl_certificate_key $LAB_DIR/$1.key;|
        s|location / {|location = /healthz { root $LAB_DIR/$1; } &|" \
        >"$LAB_DIR/$1/nginx.conf"
    lab_spawn "$1-nginx" "$1" nginx -e "$LAB_DIR/$1/error.log" -c "$LAB_DIR/$1/nginx.conf"
}

nsd_start() { # BACKEND TEXT: what the zone has of it
    lab_nsd_config "$1" | sed "s/ip-address: 192.*/ip-address: 10.0.9.1${1#b}/; /ip-address: 2001/d" \
        >"$LAB_DIR/$1/nsd.conf"
    lab_zone "$2" >"$LAB_DIR/$1/zone"
    lab_spawn "$1-nsd" "$1" nsd -d -c "$LAB_DIR/$1/nsd.conf"
}

kill_all() { # NAME: the process group that lab_spawn made, if it is still there
    { kill -9 -- "-$(lab_pid "$1")" && wait "$(lab_pid "$1")"; } 2>/dev/null || true
}

serves() { # BACKEND
    lab_in "$1" curl -fsS -m 1 "http://10.0.9.1${1#b}/healthz" &&
        lab_in "$1" dig +time=1 +tries=1 +short "@10.0.9.1${1#b}" whoami.example TXT | grep -q fine
}

# pool NAME HEALTH: of b1 and b2
pool() {
    jq -n --arg name "$1" --argjson health "$2" --argjson interval $INTERVAL_MS --argjson fall $FALL '
        {($name): {health: ({interval_ms: $interval, timeout_ms: $interval, fall: $fall, rise: 2} + $health),
        backends: [{name: "b1", address: "10.0.9.11"}, {name: "b2", address: "10.0.9.12"}]}}'
}

configuration() {
    {
        lab_config b1 b2
        pool tcp '{"type": "tcp", "port": 7000}'
        pool http '{"type": "http", "port": 80, "path": "/healthz", "body": "fine"}'
        pool https '{"type": "https", "port": 8443, "path": "/healthz", "host": "web.example"}'
        pool dns '{"type": "dns", "port": 53, "query": "whoami.example", "query_type": "TXT", "answer": "fine"}'
        pool icmp '{"type": "icmp"}'
        pool exec "{\"type\": \"exec\", \"command\": [\"/bin/sh\", \"$LAB_DIR/check\", \"$LAB_DIR\"]}"
        pool flapping "{\"type\": \"exec\", \"command\": [\"/bin/sh\", \"$LAB_DIR/flap\", \"$LAB_DIR\"]}"
    } | jq -s '.[0].pools = (.[1:] | add) | .[0].services[0].pool = "http" | .[0]'
}

# As the daemon sees the file system, our certificate is one that the system trusts.
trust_our_certificate() {
    cat >"$LAB_DIR/fairlead" <<EDGE
#!/bin/sh
mount -t tmpfs none /etc/ssl/certs && cp $LAB_DIR/trusted.crt /etc/ssl/certs/ca-certificates.crt
exec $LAB_FAIRLEAD "\$@"
EDGE
    chmod 755 "$LAB_DIR/fairlead"
    LAB_FAIRLEAD=$LAB_DIR/fairlead
}

present() { # BACKEND CERTIFICATE
    cp "$LAB_DIR/$2.crt" "$LAB_DIR/$1.crt"
    cp "$LAB_DIR/$2.key" "$LAB_DIR/$1.key"
}

# Two ways to break each of b2's, the reasons that are given, and how to mend them.

break_1() { # TYPE
    case $1 in
    tcp) kill_all b2-sessions ;;
    http) rm "$LAB_DIR/b2/healthz" ;;
    https) present b2 stranger && kill -HUP "$(lab_pid b2-nginx)" ;;
    dns) kill_all b2-nsd && nsd_start b2 sick ;;
    icmp) lab_sysctl b2 net.ipv4.icmp_echo_ignore_all=1 ;;
    exec) echo 'echo all is lost; exit 3' >"$LAB_DIR/b2.check" ;;
    esac
}

# shellcheck disable=SC2034 # read by go_down
declare -A REASON_1=([tcp]="refused" [http]="HTTP status 404, wanted 200-299" [https]="is not trusted"
    [dns]="answer .*sick.*, wanted .*fine" [icmp]="no echo reply from 10.0.9.12"
    [exec]="exit status 3: all is lost")

break_2() { # TYPE
    case $1 in
    http) echo sick >"$LAB_DIR/b2/healthz" ;;
    https) present b2 other && kill -HUP "$(lab_pid b2-nginx)" ;;
    dns) kill_all b2-nsd ;;
    exec) echo "sleep $TOO_LONG_S" >"$LAB_DIR/b2.check" ;;
    *) break_1 "$1" ;;
    esac
}

# shellcheck disable=SC2034
declare -A REASON_2=([tcp]="refused" [http]='"fine" is not in the ' [https]="not valid for web.example"
    [dns]="10.0.9.12" [icmp]="no echo reply" [exec]="no end within $INTERVAL_MS ms, killed")

mend() { # TYPE
    case $1 in
    tcp) sessions_serve b2 ;;
    http) echo fine >"$LAB_DIR/b2/healthz" ;;
    https) present b2 web && kill -HUP "$(lab_pid b2-nginx)" ;;
    dns) kill_all b2-nsd && nsd_start b2 fine ;;
    icmp) lab_sysctl b2 net.ipv4.icmp_echo_ignore_all=0 ;;
    exec) echo 'exit 0' >"$LAB_DIR/b2.check" ;;
    esac
}

backend() { # POOL BACKEND JQ-ARGUMENT…
    lab_fairctl -j health "$1/$2" | jq -c '.[0].health' | jq -c "${@:3}"
}

all_are() { # VERDICT: b2 of every type; $took has the milliseconds of each since $broken
    local type now
    lab_fairctl -j health >"$LAB_DIR/health.json"
    now=$(now_ms)
    for type in $(jq -r --arg verdict "$1" \
        '.[] | select(.name == "b2" and .health.verdict == $verdict).pool' "$LAB_DIR/health.json"); do
        [ -z "${broken[$type]-}" ] || : "${took[$type]:=$((now - broken[$type]))}"
    done
    [ ${#took[@]} = ${#broken[@]} ]
}

# go_down BREAK REASONS: all types at once, each by its BREAK.
go_down() {
    local type
    local -n reasons=$2
    declare -gA broken=() took=()
    for type in $TYPES; do
        "$1" "$type"
        broken[$type]=$(now_ms)
    done
    lab_wait 10 all_are down || true
    for type in $TYPES; do
        expect "$type, $1: down within fall x interval + 1 s (${took[$type]:-never} ms)" \
            [ "${took[$type]:-99999}" -le $((FALL * INTERVAL_MS + 1000)) ]
        expect "$type, $1: with its reason ($(backend "$type" b2 .last_failure))" \
            grep -q "${reasons[$type]}" <<<"$(backend "$type" b2 -r .last_failure)"
    done
}

# Newest first, from the first up: before that the edge's interfaces may have had no address yet.
history() { # POOL BACKEND
    backend "$1" "$2" '[.changes[].verdict] | if .[-1] == "down" then .[:-1] else . end'
}

come_up() {
    local type
    for type in $TYPES; do
        mend "$type"
    done
    for type in $TYPES; do
        expect "$type: mended, up again" lab_wait 10 backend "$type" b2 -e '.verdict == "up"'
    done
}

lab_up
mkdir "$LAB_DIR"/b1 "$LAB_DIR"/b2
{
    certificate web web.example
    certificate other other.example
    certificate stranger web.example
    cat "$LAB_DIR/web.crt" "$LAB_DIR/other.crt"
} >"$LAB_DIR/trusted.crt" 2>"$LAB_DIR/openssl.log"
for node in b1 b2; do
    echo fine >"$LAB_DIR/$node/healthz"
    echo 'exit 0' >"$LAB_DIR/$node.check"
    present $node web
    nginx_start $node
    nsd_start $node fine
done
sessions_serve b1 b2
for node in b1 b2; do
    lab_wait 10 serves $node
done
# shellcheck disable=SC2016
{
    echo '. "$1/$FAIRLEAD_BACKEND.check"' >"$LAB_DIR/check"
    echo 'rm "$1/$FAIRLEAD_BACKEND.good" && exit 1; : >"$1/$FAIRLEAD_BACKEND.good"' >"$LAB_DIR/flap"
}
trust_our_certificate
configuration >"$LAB_CONFIG"
lab_edge_start
for type in $TYPES; do
    expect "$type: up" lab_wait 10 backend "$type" b2 -e '.verdict == "up"'
done
expect "new connections go to both" all_answered "$(answers client2 "http://$LAB_VIP_WEB4/" 40)" 40 b1 b2
go_down break_1 REASON_1
expect "new connections go to the other one" all_answered "$(answers client2 "http://$LAB_VIP_WEB4/" 40)" 40 b1
come_up
go_down break_2 REASON_2
come_up
equal "no program is left that was killed" "$(pgrep -fc "^sleep $TOO_LONG_S$" || true)" 0

for type in $TYPES; do
    equal "$type: the history of b2 has it all" \
        "$(history "$type" b2)" '["up","down","up","down","up"]'
    equal "$type: b1 was up all the while" "$(history "$type" b1)" '["up"]'
done
expect "what fails every second time has failed often" \
    lab_wait 10 backend flapping b2 -e '.failures >= 5'
equal "and stays up" "$(history flapping b2)" '["up"]'
expect "counters add up" counters_add_up
