"""A mail server that is far away: passes SMTP on, and holds back every answer for some milliseconds.

A process of its own, `delay.py LISTEN PORT MILLISECONDS`. Each piece of the server's answer is held from the moment
it came, whatever is held before it, as a long cable would: answers that the server gives together arrive together.
"""

import asyncio
import selectors
import sys
import time


async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass everything on at once."""
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


async def hold_back(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seconds: float) -> None:
    """Pass everything on, each piece so many seconds after it came."""
    held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def let_go() -> None:
        while True:
            due, data = await held.get()
            await asyncio.sleep(due - time.monotonic())
            if not data:
                writer.close()
                return
            writer.write(data)

    letting_go = asyncio.create_task(let_go())
    data = b"-"
    while data:
        data = await reader.read(65536)
        held.put_nowait((time.monotonic() + seconds, data))
    await letting_go


async def serve(listen: int, port: int, seconds: float) -> None:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            await asyncio.gather(pass_on(reader, server_writer), hold_back(server_reader, writer, seconds))
        except ConnectionError:
            server_writer.close()
            writer.close()

    server = await asyncio.start_server(connect, "127.0.0.1", listen)
    await server.serve_forever()


def main() -> None:
    listen, port, milliseconds = map(int, sys.argv[1:])
    # select(2) waits to the microsecond; epoll, asyncio's usual choice, rounds up to a whole millisecond.
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        runner.run(serve(listen, port, milliseconds / 1000))


if __name__ == "__main__":
    main()
