#!/usr/bin/python3
# SPDX-License-Identifier: BSD-3-Clause
"""A VLAN of a trunk as a TAP interface, where Linux has no VLAN devices.

trunk.py TRUNK VLAN TAP    frames of that VLAN on TRUNK, without their tag, on TAP; and back
"""
import fcntl
import os
import select
import socket
import struct
import sys

TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454ca, 0x0002, 0x1000
# linux/if_packet.h; Linux takes the outer tag off a frame and tells it beside.
SOL_PACKET, PACKET_AUXDATA, TP_STATUS_VLAN_VALID = 263, 8, 0x10
AUXDATA = struct.Struct("=IIIHHHH")
DOT1Q = 0x8100


def open_tap(name):
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    return tap


def open_trunk(name):
    trunk = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
    trunk.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    trunk.bind((name, 0))
    return trunk


def receive(trunk):
    """(VLAN or None, frame without tag), or None for what this box sends itself."""
    frame, beside, _, (_, _, kind, _, _) = trunk.recvmsg(65536, 256)
    if kind == socket.PACKET_OUTGOING:
        return None
    status, *_, tag, ethertype = AUXDATA.unpack(beside[0][2])
    if status & TP_STATUS_VLAN_VALID:
        return (tag & 0xfff if ethertype == DOT1Q else None), frame
    if frame[12:14] == struct.pack("!H", DOT1Q):
        return struct.unpack_from("!H", frame, 14)[0] & 0xfff, frame[:12] + frame[16:]
    return None, frame


def main():
    trunk, vlan, tap = open_trunk(sys.argv[1]), int(sys.argv[2]), open_tap(sys.argv[3])
    tag = struct.pack("!HH", DOT1Q, vlan)
    print("ready", flush=True)
    while True:
        for ready in select.select([trunk, tap], [], [])[0]:
            if ready is trunk:
                received = receive(trunk)
                if received and received[0] == vlan:
                    os.write(tap, received[1])
            else:
                frame = os.read(tap, 65536)
                trunk.send(frame[:12] + tag + frame[12:])


if __name__ == "__main__":
    main()
