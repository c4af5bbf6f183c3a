# SPDX-License-Identifier: BSD-3-Clause
"""An upload that is counted at its end.

sink.py serve PORT                   reads each connection to its end and answers how many bytes it had
sink.py send ADDRESS PORT BYTES      sends so many; prints the answer
"""
import asyncio
import sys


async def count(reader, writer):
    total = 0
    while chunk := await reader.read(65536):
        total += len(chunk)
    writer.write(str(total).encode())
    await writer.drain()
    writer.close()


async def serve(port):
    server = await asyncio.start_server(count, None, port)
    print("serving", flush=True)
    await server.serve_forever()


async def send(address, port, total):
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(bytes(total))
    await writer.drain()
    writer.write_eof()
    print((await asyncio.wait_for(reader.read(), 30)).decode())


if sys.argv[1] == "serve":
    asyncio.run(serve(int(sys.argv[2])))
else:
    asyncio.run(send(sys.argv[2], int(sys.argv[3]), int(sys.argv[4])))
