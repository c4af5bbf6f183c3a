# shellcheck shell=bash
# SPDX-License-Identifier: BSD-3-Clause
#
# The lab: a point of presence in network namespaces, with real servers and no NIC. Sourced by
# app/quickstart and by tests/netns; lab_drawing shows it.
#
# The edge's ports are the veth ends nic-up and nic-lan, which fairlead opens with DPDK's
# net_af_packet. Linux must not see what arrives there, or it would answer as well: both are ports
# of a bridge that is never up, which swallows frames after the packet socket has had its copy.
# Linux has uplink0 and lan0 instead, which fairlead makes; they carry the edge's addresses.
#
# A lab has a name; everything of it carries that name: namespaces fl-NAME-*, /run/fairlead-lab-NAME,
# /dev/shm/fairlead-lab-NAME.flows. So any number of labs can stand side by side, and lab_down finds
# all there is, whoever made it. Every process of a lab runs inside one of its namespaces.

LAB_NODES=(client1 client2 router edge b1 b2 b3)
LAB_VIP_WEB4=192.0.2.80
LAB_VIP_WEB6=2001:db8::80
LAB_VIP_DNS4=192.0.2.53
LAB_VIP_DNS6=2001:db8::53
LAB_VIPS4=("$LAB_VIP_WEB4" "$LAB_VIP_DNS4")
LAB_VIPS6=("$LAB_VIP_WEB6" "$LAB_VIP_DNS6")
LAB_DOWNLOAD_BYTES=$((24 << 20))
LAB_DOWNLOAD_RATE=3m # bytes a second: the download takes 8 s

lab_drawing() {
    cat <<'DRAWING'
  client1 10.0.1.2 ──┐
                     ├── router ──── 10.0.8.0/24 ────► edge 10.0.8.2
  client2 10.0.2.2 ──┘      ▲                            │ fairlead, l2
                            │                            │
             answers, past  │                            ▼
                  the edge  └─── 10.0.9.0/24 ───┬────────┼────────┐
                                               b1       b2       b3
                                               .11      .12      .13
  VIPs on every backend's loopback:
    192.0.2.80, 2001:db8::80  tcp 80   nginx
    192.0.2.53, 2001:db8::53  udp 53   NSD
DRAWING
}

# lab_init NAME BUILD_DIR: where things are; changes nothing.
lab_init() {
    LAB_NAME=$1
    LAB_DIR=/run/fairlead-lab-$LAB_NAME
    LAB_SOCKET=$LAB_DIR/control.sock
    LAB_CONFIG=$LAB_DIR/fairlead.json
    LAB_FLOWS=/dev/shm/fairlead-lab-$LAB_NAME.flows
    LAB_FAIRLEAD=$2/app/fairlead/fairlead
    LAB_FAIRCTL=$2/app/fairctl/fairctl
}

# lab_in NODE COMMAND…: runs it there.
lab_in() {
    local node=$1
    shift
    ip netns exec "fl-$LAB_NAME-$node" "$@"
}

# lab_spawn NAME NODE COMMAND…: in the background, in a session of its own, so that neither Ctrl-C
# nor the end of the terminal reaches it. Output goes to NAME.log, the pid to NAME.pid.
lab_spawn() {
    local name=$1 node=$2
    shift 2
    setsid ip netns exec "fl-$LAB_NAME-$node" "$@" </dev/null >>"$LAB_DIR/$name.log" 2>&1 &
    echo $! >"$LAB_DIR/$name.pid"
}

lab_pid() {
    cat "$LAB_DIR/$1.pid"
}

lab_is_alive() { # PID; a zombie is dead
    [ -e "/proc/$1/stat" ] && ! grep -qs '^State:.Z' "/proc/$1/status"
}

# lab_wait SECONDS COMMAND…: until the command succeeds; 1 if it did not in time.
lab_wait() {
    local deadline=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $deadline ] || return 1
        sleep 0.05
    done
}

lab_is_up() {
    [ -e "$LAB_DIR" ] || [ -e "/run/netns/fl-$LAB_NAME-edge" ]
}

# Network

# lab_link NODE INTERFACE NODE INTERFACE: a veth pair, up. Without offloads: a packet socket would
# see checksums that nobody has filled in yet.
lab_link() {
    ip link add "$2" netns "fl-$LAB_NAME-$1" type veth peer name "$4" netns "fl-$LAB_NAME-$3"
    lab_in "$1" ethtool -K "$2" tx off rx off gso off tso off gro off >/dev/null
    lab_in "$3" ethtool -K "$4" tx off rx off gso off tso off gro off >/dev/null
    lab_in "$1" ip link set "$2" up
    lab_in "$3" ip link set "$4" up
}

# lab_address NODE INTERFACE ADDRESS…
lab_address() {
    local node=$1 interface=$2 address
    shift 2
    for address in "$@"; do
        case $address in
        *:*) lab_in "$node" ip addr add "$address" dev "$interface" nodad ;;
        *) lab_in "$node" ip addr add "$address" dev "$interface" ;;
        esac
    done
}

lab_sysctl() { # NODE KEY=VALUE…
    local node=$1
    shift
    lab_in "$node" sysctl -q -w "$@"
}

lab_namespaces() {
    local node
    for node in "${LAB_NODES[@]}"; do
        ip netns add "fl-$LAB_NAME-$node"
        lab_sysctl "$node" net.ipv4.conf.{all,default}.rp_filter=0 \
            net.ipv6.conf.{all,default}.{accept_dad,accept_ra,router_solicitations}=0
        lab_in "$node" ip link set lo up
    done
}

lab_clients_and_router() {
    local n
    lab_sysctl router net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
    for n in 1 2; do
        lab_link client$n eth0 router client$n
        lab_address router client$n 10.0.$n.1/24 2001:db8:$n::1/64
        lab_address client$n eth0 10.0.$n.2/24 2001:db8:$n::2/64
        lab_in client$n ip route add default via 10.0.$n.1
        lab_in client$n ip route add default via 2001:db8:$n::1
    done
    lab_in router ip link add lan type bridge
    lab_in router ip link set lan up
    lab_address router lan 10.0.9.1/24 2001:db8:9::1/64
}

lab_edge_ports() {
    local vip
    lab_in edge ip link add blackhole type bridge
    lab_link router edge edge nic-up
    lab_link router lan-edge edge nic-lan
    lab_in edge ip link set nic-up master blackhole
    lab_in edge ip link set nic-lan master blackhole
    lab_in router ip link set lan-edge master lan
    lab_address router edge 10.0.8.1/24 2001:db8:8::1/64
    for vip in "${LAB_VIPS4[@]}"; do
        lab_in router ip route add "$vip/32" via 10.0.8.2
    done
    for vip in "${LAB_VIPS6[@]}"; do
        lab_in router ip route add "$vip/128" via 2001:db8:8::2
    done
}

# A backend owns the VIPs but must not answer ARP for them: on the LAN they are the edge's.
lab_backend() { # NODE HOST
    lab_link "$1" eth0 router "lan-$1"
    lab_in router ip link set "lan-$1" master lan
    lab_sysctl "$1" net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
    lab_address "$1" lo "${LAB_VIPS4[@]/%//32}" "${LAB_VIPS6[@]/%//128}"
    lab_address "$1" eth0 "10.0.9.$2/24" "2001:db8:9::$2/64"
    lab_in "$1" ip route add default via 10.0.9.1
    lab_in "$1" ip route add default via 2001:db8:9::1
}

# The whole network, with no server and no fairlead in it yet.
lab_up() {
    mkdir -m 755 "$LAB_DIR"
    lab_namespaces
    lab_clients_and_router
    lab_edge_ports
    lab_backend b1 11
    lab_backend b2 12
    lab_backend b3 13
}

# Ends every process in the lab's namespaces and removes what there is; no error if it is nothing.
lab_down() {
    local node pid pids=()
    for node in "${LAB_NODES[@]}"; do
        if [ -e "/run/netns/fl-$LAB_NAME-$node" ]; then
            mapfile -t -O ${#pids[@]} pids < <(ip netns pids "fl-$LAB_NAME-$node")
        fi
    done
    if [ ${#pids[@]} -gt 0 ]; then
        kill -TERM "${pids[@]}" 2>/dev/null || true
        for pid in "${pids[@]}"; do
            lab_wait 5 lab_is_gone "$pid" || kill -KILL "$pid" 2>/dev/null || true
        done
    fi
    for node in "${LAB_NODES[@]}"; do
        if [ -e "/run/netns/fl-$LAB_NAME-$node" ]; then
            ip netns del "fl-$LAB_NAME-$node"
        fi
    done
    rm -rf "$LAB_DIR" "$LAB_FLOWS"
}

lab_is_gone() {
    ! lab_is_alive "$1"
}

# Servers

lab_nginx_config() { # BACKEND
    cat <<CONFIG
user root;
worker_processes 1;
daemon off;
pid $LAB_DIR/$1/nginx.pid;
error_log $LAB_DIR/$1/error.log;
events { worker_connections 4096; }
http {
    log_format lab '\$remote_addr \$remote_port "\$request" \$status \$body_bytes_sent';
    access_log $LAB_DIR/$1/access.log lab;
    client_body_temp_path $LAB_DIR/$1/body;
    proxy_temp_path $LAB_DIR/$1/proxy;
    fastcgi_temp_path $LAB_DIR/$1/fastcgi;
    uwsgi_temp_path $LAB_DIR/$1/uwsgi;
    scgi_temp_path $LAB_DIR/$1/scgi;
    default_type text/plain;
    server {
        listen 80;
        listen [::]:80;
        location / { return 200 "$1\n"; }
        location = /download { root $LAB_DIR/$1; limit_rate $LAB_DOWNLOAD_RATE; }
    }
}
CONFIG
}

lab_nsd_config() { # BACKEND
    cat <<CONFIG
server:
    ip-address: $LAB_VIP_DNS4
    ip-address: $LAB_VIP_DNS6
    server-count: 1
    username: ""
    zonesdir: "$LAB_DIR/$1"
    database: ""
    pidfile: "$LAB_DIR/$1/nsd.pid"
    xfrdfile: "$LAB_DIR/$1/xfrd.state"
    xfrdir: "$LAB_DIR/$1"
    zonelistfile: "$LAB_DIR/$1/zone.list"
    cookie-secret-file: ""
remote-control:
    control-enable: no
zone:
    name: "example"
    zonefile: "zone"
CONFIG
}

lab_zone() { # BACKEND
    cat <<ZONE
\$ORIGIN example.
\$TTL 0
@      SOA ns hostmaster 1 3600 600 86400 0
@      NS  ns
ns     A   $LAB_VIP_DNS4
whoami TXT "$1"
ZONE
}

# nginx and NSD on the backends named. Each backend's download is different in every line, so that
# bytes of two backends cannot make up one good file.
lab_servers() {
    local backend
    for backend in "$@"; do
        mkdir "$LAB_DIR/$backend"
        head -c $LAB_DOWNLOAD_BYTES < <(yes "this line comes from $backend") \
            >"$LAB_DIR/$backend/download"
        lab_nginx_config "$backend" >"$LAB_DIR/$backend/nginx.conf"
        lab_nsd_config "$backend" >"$LAB_DIR/$backend/nsd.conf"
        lab_zone "$backend" >"$LAB_DIR/$backend/zone"
        lab_spawn "$backend-nginx" "$backend" \
            nginx -e "$LAB_DIR/$backend/error.log" -c "$LAB_DIR/$backend/nginx.conf"
        lab_spawn "$backend-nsd" "$backend" nsd -d -c "$LAB_DIR/$backend/nsd.conf"
    done
    for backend in "$@"; do
        if ! lab_wait 10 lab_backend_answers "$backend"; then
            echo "the servers of $backend did not start; see $LAB_DIR/$backend-*.log" >&2
            return 1
        fi
    done
}

lab_backend_answers() {
    lab_in "$1" curl -fsS -m 1 -o /dev/null "http://[$LAB_VIP_WEB6]/" &&
        lab_in "$1" dig +time=1 +tries=1 +short "@$LAB_VIP_DNS6" whoami.example TXT | grep -q "$1"
}

# The edge

# lab_cpus N: the last N CPUs we may use, as a list; 1 if there are fewer.
lab_cpus() {
    taskset -cp $$ | sed 's/.*: //' | tr ',' '\n' |
        awk -F- '{ for (i = $1; i <= $NF; i++) print i }' | tail -n "$1" | paste -sd,
}

# lab_config BACKEND…: fairlead's configuration, both services on these backends, one worker.
lab_config() {
    local backends
    backends=$(for backend in "$@"; do
        echo "{ \"name\": \"$backend\", \"address\": \"10.0.9.1${backend#b}\" }"
    done | paste -sd,)
    cat <<CONFIG
{
  "edge": { "name": "lab-$LAB_NAME", "hash_key": "00112233445566778899aabbccddeeff" },
  "dataplane": {
    "workers": "$(lab_cpus 1)",
    "ports": [
      { "name": "uplink", "device": "net_af_packet0,iface=nic-up", "kernel_interface": "uplink0" },
      { "name": "lan", "device": "net_af_packet1,iface=nic-lan", "kernel_interface": "lan0" }
    ],
    "flow_table": { "capacity": 65536, "path": "$LAB_FLOWS" },
    "idle": "sleep",
    "hugepages": false
  },
  "pools": {
    "web": { "forward": { "mode": "l2" }, "backends": [ $backends ] },
    "dns": { "forward": { "mode": "l2" }, "backends": [ $backends ] }
  },
  "services": [
    { "name": "web", "vips": ["$LAB_VIP_WEB4", "$LAB_VIP_WEB6"], "protocol": "tcp",
      "ports": [80, "7000-7999"], "pool": "web", "affinity": "flow" },
    { "name": "dns", "vips": ["$LAB_VIP_DNS4", "$LAB_VIP_DNS6"], "protocol": "udp",
      "ports": [53], "pool": "dns", "affinity": "flow" }
  ],
  "control": { "socket": "$LAB_SOCKET", "state": "$LAB_DIR/state" }
}
CONFIG
}

lab_fairctl() {
    "$LAB_FAIRCTL" -s "$LAB_SOCKET" "$@"
}

# Starts fairlead with $LAB_CONFIG and gives Linux its addresses on the interfaces that it makes.
# Returns when it forwards to every backend of the configuration.
lab_edge_start() {
    lab_spawn edge edge "$LAB_FAIRLEAD" --config "$LAB_CONFIG"
    if ! lab_wait 20 lab_edge_is_ready || ! lab_is_alive "$(lab_pid edge)"; then
        echo "fairlead did not start; its last words:" >&2
        tail -n 10 "$LAB_DIR/edge.log" >&2
        return 1
    fi
    lab_edge_addresses
    lab_wait 10 lab_edge_resolved || {
        echo "fairlead does not know the way to every backend:" >&2
        lab_fairctl neighbours >&2
        return 1
    }
}

lab_edge_is_ready() {
    lab_is_alive "$(lab_pid edge)" || return 0 # waiting longer would not help
    lab_fairctl status && lab_in edge ip link show uplink0 && lab_in edge ip link show lan0
}

lab_edge_addresses() {
    lab_address edge uplink0 10.0.8.2/24 2001:db8:8::2/64
    lab_address edge lan0 10.0.9.2/24 2001:db8:9::2/64
    lab_in edge ip route add default via 10.0.8.1
    lab_in edge ip route add default via 2001:db8:8::1
}

lab_edge_resolved() {
    lab_fairctl -j neighbours | jq -e 'length > 0 and all(.[]; .state == "resolved")'
}

# lab_edge_stop [SIGNAL]: returns fairlead's exit status, if this shell started it.
lab_edge_stop() {
    local pid
    pid=$(lab_pid edge)
    kill -"${1:-TERM}" "$pid"
    # The shell's own remark that a job was killed is no news.
    { lab_wait 10 lab_is_gone "$pid" && wait "$pid"; } 2>/dev/null
}
