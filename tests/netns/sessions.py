# SPDX-License-Identifier: BSD-3-Clause
"""Long-lived TCP connections and servers that say who they are.

sessions.py serve NAME PORT             answers every line with "NAME line"
sessions.py hold COUNT PORT ADDRESS…    COUNT connections, spread over the addresses; each asks every
                                        tenth of a second until SIGTERM, then once more; a line
                                        whenever one breaks: "broken SERVER MS", wall clock; the last
                                        line is the account, as JSON: connections opened and broken,
                                        by the server that they began with. SIGUSR1: prints "all
                                        asked" when each has asked from then on and was answered, or
                                        is broken

A connection is broken if it ends, if somebody else answers on it, or if an answer takes 20 s.
"""
import asyncio
import json
import signal
import sys
import time
from collections import Counter

ANSWER_SECONDS_MAX = 20
ASK_EVERY_SECONDS = 0.1


async def serve(name, port):
    async def answer(reader, writer):
        try:
            while line := await reader.readline():
                writer.write(f"{name} ".encode() + line)
                await writer.drain()
        except ConnectionError:
            pass  # the client will say that it was broken
        finally:
            writer.close()

    server = await asyncio.start_server(answer, None, port, backlog=1024)
    print("serving", flush=True)
    async with server:
        await server.serve_forever()


class Session:
    def __init__(self):
        self.server = None
        self.asked = self.answered = 0
        self.broken = None  # or why

    async def open(self, address, port):
        self.reader, self.writer = await asyncio.open_connection(address, port)
        await self.ask()

    async def ask(self):
        self.asked += 1
        self.writer.write(f"{self.asked}\n".encode())
        line = await asyncio.wait_for(self.reader.readline(), ANSWER_SECONDS_MAX)
        server, _, number = line.decode().strip().partition(" ")
        self.server = self.server or server
        if server != self.server or number != str(self.asked):
            raise ConnectionError(f"{self.server} answered, then {line!r}")
        self.answered = self.asked

    async def live(self, stop):
        """Until `stop` is set, and once more after it."""
        try:
            while not stop.is_set():
                await self.ask()
                await asyncio.sleep(ASK_EVERY_SECONDS)
            await self.ask()
        except (OSError, asyncio.TimeoutError) as error:
            self.broken = f"{type(error).__name__} {error}"
            print("broken", self.server, time.time_ns() // 1_000_000, flush=True)


async def tell_when_all_have_asked(sessions):
    asked = [session.asked for session in sessions]
    while not all(session.broken or session.answered > before
                  for session, before in zip(sessions, asked)):
        await asyncio.sleep(ASK_EVERY_SECONDS / 2)
    print("all asked", flush=True)


async def hold(count, port, addresses):
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    sessions = [Session() for _ in range(count)]
    for i, session in enumerate(sessions):
        await session.open(addresses[i % len(addresses)], port)
    tellers = []
    loop.add_signal_handler(signal.SIGUSR1, lambda: tellers.append(
        asyncio.create_task(tell_when_all_have_asked(sessions))))
    print(f"holding {count}", flush=True)
    await asyncio.gather(*(session.live(stop) for session in sessions))
    broken = [session for session in sessions if session.broken]
    print(json.dumps({
        "opened": Counter(session.server for session in sessions),
        "broken": len(broken),
        "broken_by_server": Counter(session.server for session in broken),
        "why": Counter(session.broken for session in broken),
        "least_asked": min(session.asked for session in sessions),
    }))


def main():
    if sys.argv[1] == "serve":
        asyncio.run(serve(sys.argv[2], int(sys.argv[3])))
    else:
        asyncio.run(hold(int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]))


if __name__ == "__main__":
    main()
