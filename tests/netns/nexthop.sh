#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# Next hops against a real kernel. Needs root: makes two namespaces and three veth pairs.
#
#   edge e0 ---- p0 peer      port 0   10.77.0.0/16, fd77::/64
#        e1 ---- p1           port 1   10.78.0.0/24
#        e2 ---- p2           no port  10.79.0.0/24

set -eu
[ "$(id -u)" = 0 ] || { echo "skip nexthop: needs root for network namespaces"; exit 0; }
probe=${FAIRLEAD_BUILD:-$(readlink -f "$(dirname "$0")/../../build")}/tests/netns/nexthop_probe
edge=nexthop-edge-$$ peer=nexthop-peer-$$
trap 'ip netns del $edge 2>/dev/null; ip netns del $peer 2>/dev/null' EXIT
trap 'exit 1' INT TERM

ip netns add "$edge"
ip netns add "$peer"
for i in 0 1 2; do
	ip -n "$edge" link add e$i type veth peer name p$i netns "$peer"
	# Duplicate address detection would delay the first answers by a second.
	ip netns exec "$edge" sysctl -qw net.ipv6.conf.e$i.accept_dad=0
	ip netns exec "$peer" sysctl -qw net.ipv6.conf.p$i.accept_dad=0
	ip -n "$peer" link set p$i address 02:00:00:00:00:0$i
	ip -n "$edge" addr add 10.7$((7 + i)).0.1/16 dev e$i
	ip -n "$peer" addr add 10.7$((7 + i)).0.2/16 dev p$i
	ip -n "$edge" link set e$i up
	ip -n "$peer" link set p$i up
done
ip -n "$edge" addr add fd77::1/64 dev e0
ip -n "$peer" addr add fd77::2/64 dev p0
ip netns exec "$peer" sysctl -qw net.ipv4.conf.p0.arp_notify=1

ip netns exec "$edge" "$probe" "$peer"
