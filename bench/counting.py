"""A mail server that takes every letter, keeps none, and says when those of one sender came.

A process of its own, `counting.py PORT SENDER`. For each letter from SENDER it prints the moment that the letter was
there whole, by the clock that all processes of a machine share (CLOCK_MONOTONIC), and its recipient.
"""

import asyncio
import sys
import time

END = b"\r\n.\r\n"
HELLO = b"250-counting.example.org\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n"


class Conversation(asyncio.Protocol):
    """One client's SMTP session (RFC 5321), with answers to pipelined commands in one piece (RFC 2920)."""

    def __init__(self, watched: str) -> None:
        self._watched = watched.lower()
        self._unread = bytearray()
        self._in_letter = False
        self._sender = self._recipient = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.write(b"220 counting.example.org ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._unread += data
        answers = b""
        while (answer := self._take_letter() if self._in_letter else self._take_command()) is not None:
            answers += answer
        self._transport.write(answers)

    def _take_letter(self) -> bytes | None:
        end = self._unread.find(END)
        if end < 0:
            del self._unread[: -len(END)]  # An end may have come in part.
            return None
        del self._unread[: end + len(END)]
        self._in_letter = False
        if self._sender == self._watched:
            print(time.monotonic(), self._recipient, flush=True)
        return b"250 2.0.0 Ok\r\n"

    def _take_command(self) -> bytes | None:
        end = self._unread.find(b"\r\n")
        if end < 0:
            return None
        line = self._unread[:end].decode()
        del self._unread[: end + 2]
        path = line.partition("<")[2].partition(">")[0].lower()
        match line[:4].upper():
            case "EHLO":
                return HELLO
            case "MAIL":
                self._sender = path
            case "RCPT":
                self._recipient = path
            case "DATA":
                self._in_letter = True
                return b"354 Go on\r\n"
            case "QUIT":
                return b"221 2.0.0 Bye\r\n"  # The client closes.
        return b"250 2.0.0 Ok\r\n"


async def serve(port: int, watched: str) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Conversation(watched), "127.0.0.1", port)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), sys.argv[2]))
