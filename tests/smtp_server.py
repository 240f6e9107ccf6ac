"""A mail server for tests that behaves as badly as it is told to, and counts what it took."""

import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Self


@dataclass
class Taken:
    """A letter that the server answered 250 to, or would have, had it lived."""

    sender: str
    to: str
    letter: bytes


class Incoming:
    """What a client sends, by the line and by the letter. Raises EOFError where it ends in the middle."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._rest = b""

    def read_line(self) -> bytes:
        return self._read_to(b"\r\n")

    def read_letter(self) -> bytes:
        """A letter without its last dot, and without those that hide other dots."""
        self._rest = b"\r\n" + self._rest  # An empty letter is a dot alone.
        return self._read_to(b"\r\n.\r\n")[:-3].replace(b"\r\n.", b"\r\n")[2:]

    def _read_to(self, end: bytes) -> bytes:
        while (found := self._rest.find(end)) < 0:
            more = self._connection.recv(65536)
            if not more:
                raise EOFError
            self._rest += more
        read, self._rest = self._rest[: found + len(end)], self._rest[found + len(end) :]
        return read


@dataclass
class RoughServer:
    """Speaks SMTP on loopback. Each setting is one way of going wrong.

    `answers` maps a recipient, or a command such as MAIL, to replies used up in order. `close_at` names the point at
    which the connection is dropped without a word: connect, mail, data (after 354), dot (after the whole letter came)
    or quit. `close_times` limits how often. `silent_at` does the same, but keeps the line open and says nothing.
    """

    answers: dict[str, list[str]] = field(default_factory=dict)
    close_at: str = ""
    close_times: int = 10_000
    silent_at: str = ""
    takes_first: bool = False  # Whether it has taken the letter when it goes wrong at the dot.
    refuses_at_the_dot: bool = False  # Whether it asks for a letter that has no recipient, to refuse it then.
    letters_per_connection: int = 10_000
    extensions: tuple[str, ...] = ("8BITMIME", "SMTPUTF8")
    tls: ssl.SSLContext | None = None
    delay: float = 0.0
    taken: list[Taken] = field(default_factory=list)
    connections: int = 0
    on_letter: Callable[[Taken], None] | None = None
    _stopping: threading.Event = field(default_factory=threading.Event)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __enter__(self) -> Self:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._socket.shutdown(socket.SHUT_RDWR)  # A thread that waits in accept() would keep it listening.
        self._socket.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._talk_safely, args=(connection,), daemon=True).start()

    def _talk_safely(self, connection: socket.socket) -> None:
        # What is left in a stream's buffer is written when it closes: that fails too, where the client is gone.
        with suppress(OSError, EOFError), ExitStack() as open_things:
            open_things.callback(connection.close)
            self._talk(connection, open_things)

    def _at(self, point: str) -> None:
        """Go wrong at this point, if told to."""
        if self.silent_at == point:
            self._stopping.wait(60)
            raise EOFError
        if self.close_at == point:
            with self._lock:
                self.close_times -= 1
                if self.close_times >= 0:
                    raise EOFError

    def _reply_to(self, key: str, usual: str) -> str:
        waiting = self.answers.get(key)
        return waiting.pop(0) if waiting else usual

    def _talk(self, connection: socket.socket, open_things: ExitStack) -> None:
        self._at("connect")
        came = Incoming(connection)

        def say(line: str) -> None:
            if self.delay:
                time.sleep(self.delay)
            connection.sendall(line.encode() + b"\r\n")

        say("220 rough.example.org")
        sender = to = ""
        letters = 0
        while not self._stopping.is_set():
            line = came.read_line()
            verb = line.split(b" ")[0].strip().upper().decode("ascii", "replace")
            words = line.decode("utf-8", "replace").strip()
            if verb == "EHLO":
                lines = ["rough.example.org", *self.extensions, *(["STARTTLS"] if self.tls else [])]
                for place, name in enumerate(lines, start=1):
                    say(f"250{' ' if place == len(lines) else '-'}{name}")
            elif verb == "STARTTLS" and self.tls:
                say("220 2.0.0 Go ahead")
                connection.settimeout(10)
                connection = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
                open_things.callback(connection.close)
                connection.do_handshake()
                came = Incoming(connection)
            elif verb == "MAIL":
                self._at("mail")
                if letters >= self.letters_per_connection:
                    say("421 4.7.0 Enough for one connection")
                    return
                sender = words.split("<", 1)[1].split(">", 1)[0]
                say(self._reply_to("MAIL", "250 2.1.0 Ok"))
            elif verb == "RCPT":
                to = words.split("<", 1)[1].split(">", 1)[0]
                reply = self._reply_to(to, "250 2.1.5 Ok")
                to = to if reply.startswith("250") else ""
                say(reply)
            elif verb == "DATA":
                reply = self._reply_to("DATA", "354 Go ahead")
                if not to and not self.refuses_at_the_dot:
                    reply = "554 5.5.1 No valid recipients"
                say(reply)
                if not reply.startswith("354"):
                    continue
                self._at("data")
                letter = came.read_letter()
                one = Taken(sender, to, letter)
                if self.on_letter is not None:
                    self.on_letter(one)
                if not self.takes_first:
                    self._at("dot")
                reply = self._reply_to("DOT", "250 2.0.0 Taken") if to else "554 5.5.1 No valid recipients"
                if reply.startswith("250"):
                    with self._lock:
                        self.taken.append(one)
                if self.takes_first:
                    self._at("dot")
                letters += 1
                say(reply)
            elif verb == "QUIT":
                self._at("quit")
                say("221 Bye")
                return
            else:
                say("250 Ok" if verb in ("RSET", "NOOP", "HELO") else "502 What?")
