# SPDX-License-Identifier: BSD-3-Clause
"""UDP flows that ask all the time, and servers that say who they are.

datagrams.py serve NAME ADDRESS PORT    answers everything with NAME
datagrams.py hold COUNT ADDRESS PORT    COUNT flows, each asks 20 times a second until SIGTERM; a line
                                        whenever another one answers: "MS FLOW NAME", wall clock; the
                                        last line is the longest time, in ms, that a flow went
                                        without an answer
"""
import asyncio
import signal
import sys
import time

ASK_EVERY_SECONDS = 0.05


def now_ms():
    return time.time_ns() // 1_000_000


class Server(asyncio.DatagramProtocol):
    def __init__(self, name):
        self.name = name.encode()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.transport.sendto(self.name, address)


class Flow(asyncio.DatagramProtocol):
    longest_ms = 0

    def __init__(self, number):
        self.number = number
        self.server = None
        self.answered_ms = now_ms()

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        self.look()
        self.answered_ms = now_ms()
        if data != self.server:
            self.server = data
            print(self.answered_ms, self.number, data.decode(), flush=True)

    def error_received(self, error):
        pass  # no answer is what is counted

    def look(self):
        Flow.longest_ms = max(Flow.longest_ms, now_ms() - self.answered_ms)


async def serve(name, address, port):
    await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: Server(name), local_addr=(address, port))
    print("serving", flush=True)
    await asyncio.Event().wait()


async def hold(count, address, port):
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    flows = [(await loop.create_datagram_endpoint(
        lambda n=n: Flow(n), remote_addr=(address, port)))[1] for n in range(count)]
    while not stop.is_set():
        for flow in flows:
            flow.transport.sendto(b"who?")
        await asyncio.sleep(ASK_EVERY_SECONDS)
    for flow in flows:
        flow.look()
    print(Flow.longest_ms, flush=True)


if sys.argv[1] == "serve":
    asyncio.run(serve(sys.argv[2], sys.argv[3], int(sys.argv[4])))
else:
    asyncio.run(hold(int(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
