# SPDX-License-Identifier: BSD-3-Clause
"""Numbered UDP packets, to count what is lost.

sequence.py send ADDRESS PORT FLOWS PPS SECONDS    the last line is how many were sent
sequence.py send-on ADDRESS PORT FLOWS PPS         the same, until SIGTERM
sequence.py receive ADDRESS PORT                   until SIGTERM; then "flows" and the ports that
                                                   packets came from, and how many came, as "COUNT"
"""
import signal
import socket
import sys
import time

SO_RCVBUFFORCE = 33  # the module does not name it


stopped = []  # once SIGTERM has come


def send(address, port, flows, pps, seconds=None):
    sockets = []
    for _ in range(flows):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.connect((address, port))
        sockets.append(s)
    count = 0
    start = time.monotonic()
    while not stopped and (seconds is None or count < pps * seconds):
        ahead = start + count / pps - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        sockets[count % flows].send(count.to_bytes(8, "big"))
        count += 1
    print(count, flush=True)


def receive(address, port):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    s.settimeout(0.2)
    s.bind((address, port))
    seen, ports = set(), set()
    print("receiving", flush=True)
    while True:
        try:
            packet, sender = s.recvfrom(64)
            seen.add(packet)
            ports.add(sender[1])
        except TimeoutError:
            if stopped:  # and nothing is left
                break
    print("flows", *sorted(ports))
    print(len(seen), flush=True)


signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
if sys.argv[1].startswith("send"):
    send(sys.argv[2], *map(int, sys.argv[3:]))
else:
    receive(sys.argv[2], int(sys.argv[3]))
