# SPDX-License-Identifier: BSD-3-Clause
"""What an ipip device does, for kernels that have none: takes IP in IP that arrives here, and hands
the inner packets to Linux through a TUN device. Prints "ready", and on SIGTERM the outer sources that
it saw, as JSON: {"4 in 4": ["10.0.9.2", …], …}.
"""
import fcntl
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
from collections import defaultdict

TUNSETIFF = 0x400454ca
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
INNER = {4: "4", 41: "6"}  # protocol numbers of IPv4 and IPv6 in IP


def open_tun(name):
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    return tun


def inner_packet(family, data):
    """A raw IPv4 socket shows the outer header, an IPv6 one does not."""
    return data[(data[0] & 0xf) * 4:] if family == socket.AF_INET else data


def finish(seen):
    print(json.dumps({kind: sorted(sources) for kind, sources in seen.items()}), flush=True)
    sys.exit(0)


def main():
    seen = defaultdict(set)
    signal.signal(signal.SIGTERM, lambda *_: finish(seen))
    tun = open_tun("decap0")
    sockets = {}
    for family, outer in ((socket.AF_INET, "4"), (socket.AF_INET6, "6")):
        for protocol, inner in INNER.items():
            raw = socket.socket(family, socket.SOCK_RAW, protocol)
            sockets[raw] = f"{inner} in {outer}"
    print("ready", flush=True)
    while True:
        for raw in select.select(list(sockets), [], [])[0]:
            data, sender = raw.recvfrom(65536)
            seen[sockets[raw]].add(sender[0])
            os.write(tun, inner_packet(raw.family, data))


if __name__ == "__main__":
    main()
