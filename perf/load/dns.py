# SPDX-License-Identifier: BSD-3-Clause
"""Answers every DNS query on UDP port 53 with NOERROR, from whatever local address it was sent to."""
import socket

IP_PKTINFO = 8  # the module does not name it

server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
server.setsockopt(socket.SOL_IP, IP_PKTINFO, 1)
server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
server.bind(("", 53))
while True:
    query, (info,), _, client = server.recvmsg(512, 64)
    # struct in_pktinfo: the interface, the address to answer from, the one in the header.
    address = info[2][4:8]
    server.sendmsg([query[:2] + b"\x84\x00" + query[4:]],
                   [(socket.SOL_IP, IP_PKTINFO, bytes(4) + address + bytes(4))], 0, client)
