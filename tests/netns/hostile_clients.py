# SPDX-License-Identifier: BSD-3-Clause
"""Clients of the control socket that mean no good, all at once, for some seconds.

hostile_clients.py SOCKET SECONDS
"""
import array
import os
import socket
import sys
import threading
import time

STATUS = b'{"command":"backends"}\n'
path, end = sys.argv[1], time.monotonic() + float(sys.argv[2])


def dial():
    s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    s.settimeout(5)
    s.connect(path)
    return s


def single_bytes():
    s = dial()
    for byte in STATUS * 100:
        s.send(bytes([byte]))
        time.sleep(0.05)


def endless_line():
    s = dial()
    for _ in range(1600):  # 100 MB
        s.send(b"x" * 65536)


def thousand_connections():
    held = [dial() for _ in range(1000)]
    held[-1].send(b"{")
    time.sleep(0.5)


def never_reads():
    s = dial()
    while True:
        s.send(STATUS * 1000)


def leaves_in_the_middle():
    s = dial()
    s.send(STATUS * 100)
    s.recv(10)
    s.close()


def passes_descriptors():
    s = dial()
    fd = os.open("/dev/null", os.O_RDONLY)
    for _ in range(100):
        s.sendmsg([b" "], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd] * 50))])
    os.close(fd)


def rubbish():
    s = dial()
    for line in (b"\0\n", b"[" * 5000 + b"\n", b'{"command":7}\n', b'{"command":"drain","arguments":[]}\n'):
        s.send(line)
        s.recv(4096)


def again_and_again(work):
    while time.monotonic() < end:
        try:
            work()
        except OSError:
            time.sleep(0.01)  # cut off, as it should be


for work in (single_bytes, endless_line, thousand_connections, never_reads, leaves_in_the_middle,
             passes_descriptors, rubbish):
    threading.Thread(target=again_and_again, args=(work,), daemon=True).start()
time.sleep(max(0, end - time.monotonic()))
