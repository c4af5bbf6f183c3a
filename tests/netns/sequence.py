# SPDX-License-Identifier: BSD-3-Clause
"""Numbered UDP packets, to count what is lost.

sequence.py send ADDRESS PORT FLOWS PPS SECONDS    the last line is how many were sent
sequence.py receive ADDRESS PORT                   until SIGTERM; then how many came, as "COUNT"
"""
import signal
import socket
import sys
import time

SO_RCVBUFFORCE = 33  # the module does not name it


def send(address, port, flows, pps, seconds):
    sockets = []
    for _ in range(flows):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.connect((address, port))
        sockets.append(s)
    count = pps * seconds
    start = time.monotonic()
    for n in range(count):
        ahead = start + n / pps - time.monotonic()
        if ahead > 0:
            time.sleep(ahead)
        sockets[n % flows].send(n.to_bytes(8, "big"))
    print(count, flush=True)


def receive(address, port):
    def stop(*_):
        raise SystemExit

    signal.signal(signal.SIGTERM, stop)
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 16 << 20)
    s.bind((address, port))
    seen = set()
    print("receiving", flush=True)
    try:
        while True:
            seen.add(s.recv(64))
    finally:
        print(len(seen), flush=True)


if sys.argv[1] == "send":
    send(sys.argv[2], *map(int, sys.argv[3:]))
else:
    receive(sys.argv[2], int(sys.argv[3]))
