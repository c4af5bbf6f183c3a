# SPDX-License-Identifier: BSD-3-Clause
"""Datagrams in fragments, made by hand, and servers that answer what arrives whole.

fragments.py serve PORT                               answers each datagram with its first 8 bytes
fragments.py send ADDRESS PORT COUNT in_order|reversed    COUNT datagrams of 1,800 bytes from COUNT
                                                      ports, each in three fragments; prints how many
                                                      were answered

net_af_packet has Linux reassemble IPv4 (PACKET_FANOUT_FLAG_DEFRAG), so there fairlead sees one packet
that is too long and fragments it again; as long as it fits into a frame of the ring, 1,982 bytes.
"""
import os
import select
import socket
import sys
import time

from scapy.all import IP, UDP, IPv6, IPv6ExtHdrFragment, Raw, conf, fragment, fragment6, send

BYTES, PIECE = 1800, 700
ANSWER_SECONDS = 3


def serve(port):
    listeners = []
    for family, any_address in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        s = socket.socket(family, socket.SOCK_DGRAM)
        if family == socket.AF_INET6:
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        else:
            s.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        s.bind((any_address, port))
        listeners.append(s)
    print("serving", flush=True)
    while True:
        for s in select.select(listeners, [], [])[0]:
            data, beside, _, sender = s.recvmsg(65536, 256)
            # From the address that was asked, and not from another of ours.
            s.sendmsg([data[:8]], beside, 0, sender)


IP_PKTINFO = 8  # the module does not name it


# No ID comes again while the note of its packet may still be there.
FIRST_ID = os.getpid() * 64 % 65000


def fragments_of(address, source, sport, port, n):
    payload = Raw(n.to_bytes(8, "big") + bytes(BYTES - 8))
    if ":" in address:
        packet = IPv6(src=source, dst=address) / IPv6ExtHdrFragment(id=FIRST_ID + n) / \
            UDP(sport=sport, dport=port) / payload
        return fragment6(packet, PIECE)
    return fragment(IP(src=source, dst=address, id=FIRST_ID + n) / UDP(sport=sport, dport=port) / payload, PIECE)


def send_all(address, port, count, order):
    conf.verb = 0
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    asking = []
    for n in range(count):
        s = socket.socket(family, socket.SOCK_DGRAM)
        s.connect((address, port))
        asking.append(s)
        source, sport = s.getsockname()[:2]
        pieces = fragments_of(address, source, sport, port, n)
        send(pieces if order == "in_order" else pieces[::-1])
    answered = 0
    deadline = time.monotonic() + ANSWER_SECONDS
    while asking and time.monotonic() < deadline:
        for s in select.select(asking, [], [], deadline - time.monotonic())[0]:
            s.recv(64)
            answered += 1
            asking.remove(s)
    print(answered)


if sys.argv[1] == "serve":
    serve(int(sys.argv[2]))
else:
    send_all(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
