# SPDX-License-Identifier: BSD-3-Clause
"""What ipip, gre and fou devices do, for kernels that have none: takes IP in IP, GRE and GUE that
arrive here, and hands the inner packets to Linux through a TUN device. Prints "ready", and on SIGTERM
what it saw, as JSON: {"ipip 4 in 4": {"sources": ["10.0.9.2", …], "ports": 0}, …}, the outer source
addresses and how many UDP source ports.

usage: decapsulate.py [GUE-PORT…]
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
UDP_NO_CHECK6_RX = 102
FAMILIES = {socket.AF_INET: "4", socket.AF_INET6: "6"}
PROTO_INNER = {4: "4", 41: "6"}  # protocol numbers of IPv4 and IPv6 in IP
ETHERTYPE_INNER = {0x0800: "4", 0x86dd: "6"}
GRE_KEY_PRESENT = 0x2000


def open_tun(name):
    tun = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    subprocess.run(["ip", "link", "set", name, "up"], check=True)
    return tun


def ipip(data):
    return "ipip", str(data[0] >> 4), data


def gre(data):
    """RFC 2784; with a key RFC 2890."""
    flags, ethertype = struct.unpack_from("!HH", data)
    if flags & ~GRE_KEY_PRESENT:
        raise ValueError(f"GRE flags {flags:#06x}")
    if not flags:
        return "gre", ETHERTYPE_INNER[ethertype], data[4:]
    return f"gre key {int.from_bytes(data[4:8], 'big')}", ETHERTYPE_INNER[ethertype], data[8:]


def gue(data):
    """draft-ietf-intarea-gue: the first two bits tell the variant."""
    if data[0] >> 6 == 1:
        return "gue direct", str(data[0] >> 4), data
    if data[0] or data[2:4] != b"\0\0":
        raise ValueError(f"GUE header {data[:4].hex()}")
    return "gue", PROTO_INNER[data[1]], data[4:]


def raw_socket(family, protocol):
    return socket.socket(family, socket.SOCK_RAW, protocol)


def udp_socket(family, port):
    udp = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        udp.setsockopt(socket.IPPROTO_UDP, UDP_NO_CHECK6_RX, 1)
    udp.bind(("", port))
    return udp


def open_sockets(ports):
    """{socket: decoder}"""
    sockets = {}
    for family in FAMILIES:
        for protocol in PROTO_INNER:
            sockets[raw_socket(family, protocol)] = ipip
        sockets[raw_socket(family, socket.IPPROTO_GRE)] = gre
        for port in ports:
            sockets[udp_socket(family, port)] = gue
    return sockets


def payload(receiver, data):
    """A raw IPv4 socket shows the outer header, the others do not."""
    shows_header = receiver.type == socket.SOCK_RAW and receiver.family == socket.AF_INET
    return data[(data[0] & 0xf) * 4:] if shows_header else data


def finish(seen):
    print(json.dumps({kind: {"sources": sorted({source for source, _ in senders}),
                             "ports": len({port for _, port in senders if port})}
                      for kind, senders in seen.items()}), flush=True)
    sys.exit(0)


def main():
    seen = defaultdict(set)
    signal.signal(signal.SIGTERM, lambda *_: finish(seen))
    tun = open_tun("decap0")
    sockets = open_sockets([int(port) for port in sys.argv[1:]])
    print("ready", flush=True)
    while True:
        for receiver in select.select(list(sockets), [], [])[0]:
            data, sender = receiver.recvfrom(65536)
            mode, inner, packet = sockets[receiver](payload(receiver, data))
            port = sender[1] if receiver.type == socket.SOCK_DGRAM else 0
            seen[f"{mode} {inner} in {FAMILIES[receiver.family]}"].add((sender[0], port))
            os.write(tun, packet)


if __name__ == "__main__":
    main()
