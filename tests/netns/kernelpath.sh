#!/bin/sh
# SPDX-License-Identifier: BSD-3-Clause
#
# The kernel path with the driver that this machine has. Needs root and /dev/net/tun.

set -eu
[ "$(id -u)" = 0 ] || { echo "skip kernelpath: needs root for network namespaces"; exit 0; }
[ -c /dev/net/tun ] || { echo "skip kernelpath: there is no /dev/net/tun"; exit 0; }
probe=${FAIRLEAD_BUILD:-$(readlink -f "$(dirname "$0")/../../build")}/tests/netns/kernelpath_probe
edge=kernelpath-edge-$$ pid=
trap '[ -z "$pid" ] || kill -9 $pid 2>/dev/null; ip netns del $edge' EXIT
trap 'exit 1' INT TERM

ip netns add "$edge"
ip netns exec "$edge" "$probe" check

# A crash leaves nothing behind either.
ip netns exec "$edge" "$probe" hold &
pid=$!
tries=100
until ip -n "$edge" link show kp0 >/dev/null 2>&1; do
	tries=$((tries - 1))
	[ $tries -gt 0 ] || { echo "not ok kill -9: no interface to begin with"; exit 1; }
	sleep 0.1
done
kill -9 $pid
wait $pid 2>/dev/null || true
pid=
if ip -n "$edge" link show kp0 >/dev/null 2>&1; then
	echo "not ok kill -9 leaves the interface"
	exit 1
fi
echo "ok kill -9 removes the interface"
