"""Many letters over one SMTP session, as fast as the server lets us. Speaks on a socket that is open already.

Where the server offers PIPELINING (RFC 2920), a letter's envelope leaves together with the body of the letter before
it, so each letter costs one round trip; otherwise every command waits for its answer.
"""

import socket
import ssl
import struct
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from newsroom.delivery.answers import Outcome, Result, Stage, clean_reply, sort_answer

LONGEST_REPLY = 64 * 1024
ENVELOPE = (Stage.SENDER, Stage.RECIPIENT, Stage.CONTENT)
NOTHING = (b"", b"", b"")


class Outgoing(NamedTuple):
    """A letter for one recipient. `data` is what follows DATA (see `stuff_dots`)."""

    key: int
    sender: str
    to: str
    data: bytes


Take = Callable[[bool], Outgoing | None]
"""take(wait): the next letter, or None. With `wait` false it must not wait, and None only says "not now"."""


class _Ended(Exception):
    """The session ended. `sent` says how many octets of the last writing had left."""

    def __init__(self, why: str, sent: int = 0) -> None:
        super().__init__(why)
        self.sent = sent


class MailSession:
    """An SMTP session after its greeting (and TLS and login, where asked for)."""

    def __init__(
        self, sock: socket.socket, *, pipelining: bool, smtputf8: bool, timeout: float, final_timeout: float
    ) -> None:
        self.alive = True
        self.answered = 0  # Letters that this session's server has said anything to.
        self._socket = sock
        self._pipelining = pipelining
        self._smtputf8 = smtputf8
        self._timeout = timeout
        self._final_timeout = final_timeout
        self._lines: deque[bytes] = deque()  # What was received and not read yet.
        self._unfinished = b""
        self._waiting = 0.0  # How long a reply may take, as the socket knows it.
        # Where the kernel itself keeps the time, each letter costs one call to it less a packet, and as many hand-overs
        # between threads. A TLS socket would never learn of the time that ran out there.
        self._kernel_keeps_time = not isinstance(sock, ssl.SSLSocket)
        if self._kernel_keeps_time:
            sock.settimeout(None)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, _as_timeval(timeout))
        self._wait_at_most(timeout)
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            # A letter's last, short packet would wait until the ones before it were acknowledged (RFC 896).
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send_all(
        self,
        take: Take,
        *,
        leaving: Callable[[Outgoing], None],
        done: Callable[[Outgoing, Outcome], None],
    ) -> None:
        """Send what `take` gives until it gives None or the session ends.

        `leaving` is called right before a letter's body leaves, `done` once for every letter taken, with its outcome:
        BROKEN for one that the session's end caught before its body had left whole, UNCERTAIN for one after.
        """
        current = self._take(take, True, done)
        started = False  # Whether the current letter's envelope has left already.
        while current is not None:
            following: Outgoing | None = None
            try:
                if self._pipelining and not started:
                    self._write(b"".join(self._envelope(current)))
                refusal, expects_body = self._ask_for_body(current)
            except _Ended as ended:
                self._end(done, current, Outcome(Result.BROKEN, None, str(ended)))
                return
            if refusal is None:
                leaving(current)
                following = self._take(take, False, done) if self._pipelining else None
                outcome = self._hand_over(current, following)
            else:
                outcome = self._clear(refusal, expects_body)
            started = following is not None
            if not self.alive:
                self._end(done, current, outcome)
                if following is not None:
                    done(following, Outcome(Result.BROKEN, None, outcome.reply))
                return
            self.answered += 1
            done(current, outcome)
            current = following or self._take(take, True, done)

    def quit(self) -> None:
        """Say good-bye; whatever answers or doesn't, every outcome is known already."""
        if self.alive:
            self.alive = False
            try:
                self._write(b"QUIT\r\n")
                self._read_reply()
            except _Ended:
                return

    def _take(self, take: Take, wait: bool, done: Callable[[Outgoing, Outcome], None]) -> Outgoing | None:
        """The next letter that this server can be given at all."""
        while (one := take(wait)) is not None:
            if self._smtputf8 or (one.to.isascii() and one.sender.isascii()):
                return one
            text = "The mail server takes no address beyond ASCII (RFC 6531)"
            done(one, Outcome(Result.REFUSED, 553, text, reason="address"))
        return None

    def _end(self, done: Callable[[Outgoing, Outcome], None], one: Outgoing, outcome: Outcome) -> None:
        self.alive = False
        done(one, outcome)

    def _envelope(self, one: Outgoing) -> tuple[bytes, bytes, bytes]:
        beyond = "" if one.data.isascii() and one.to.isascii() else " SMTPUTF8 BODY=8BITMIME"
        return f"MAIL FROM:<{one.sender}>{beyond}\r\n".encode(), f"RCPT TO:<{one.to}>\r\n".encode(), b"DATA\r\n"

    def _ask_for_body(self, one: Outgoing) -> tuple[Outcome | None, bool]:
        """The refusal, if the server doesn't want this letter's body, and whether it expects one all the same."""
        refusal: Outcome | None = None
        expects_body = False
        commands = NOTHING if self._pipelining else self._envelope(one)  # Pipelined, they have left already.
        for stage, command in zip(ENVELOPE, commands, strict=True):
            if command:
                self._write(command)
            code, reply = self._read_reply()
            expects_body = stage is Stage.CONTENT and code == 354
            if refusal is not None or expects_body or (200 <= code < 300 and stage is not Stage.CONTENT):
                continue
            if code == 421:
                raise _Ended(f"421 {clean_reply(reply)}")
            refusal = sort_answer(stage, code, reply)
            if not self._pipelining:
                break
        return refusal, expects_body

    def _hand_over(self, current: Outgoing, following: Outgoing | None) -> Outcome:
        """Send a body, and the following letter's envelope with it; gives what the server said to the body."""
        try:
            envelope = self._envelope(following) if following is not None else ()
            self._write(b"".join((current.data, *envelope)))
        except _Ended as ended:
            self.alive = False
            whole = ended.sent >= len(current.data)
            return Outcome(Result.UNCERTAIN if whole else Result.BROKEN, None, str(ended))
        try:
            code, reply = self._read_reply(self._final_timeout)
        except _Ended as ended:
            self.alive = False
            return Outcome(Result.UNCERTAIN, None, str(ended))
        self.alive = code != 421
        return sort_answer(Stage.CONTENT, code, reply)

    def _clear(self, refusal: Outcome, expects_body: bool) -> Outcome:
        """Make the session ready for the next letter after a refused one."""
        try:
            if expects_body:
                self._write(b".\r\n")  # It has no recipient, so nothing can come of it.
                self._read_reply()
            self._write(b"RSET\r\n")
            self.alive = self._read_reply()[0] == 250
        except _Ended:
            self.alive = False
        return refusal

    def _write(self, data: bytes) -> None:
        sent = 0
        try:
            if not self._kernel_keeps_time:
                self._wait_at_most(self._timeout)
            sent = self._socket.send(data)
            while sent < len(data):
                sent += self._socket.send(memoryview(data)[sent:])
        except OSError as error:
            raise _Ended(_describe(error), sent) from error

    def _read_reply(self, timeout: float | None = None) -> tuple[int, bytes]:
        """One reply, whole: its code, and its text with lines joined (RFC 5321 section 4.2.1)."""
        line = self._read_line(timeout)
        words = line[4:]
        while line[3:4] == b"-":
            line = self._read_line(timeout)
            words += b" " + line[4:]
        try:
            return int(line[:3]), words
        except ValueError as error:
            raise _Ended(f"not an SMTP reply: {clean_reply(line)}") from error

    def _read_line(self, timeout: float | None) -> bytes:
        while not self._lines:
            try:
                self._wait_at_most(timeout or self._timeout)
                more = self._socket.recv(65536)
            except OSError as error:
                raise _Ended(_describe(error)) from error
            if not more:
                raise _Ended("the server closed the connection")
            *lines, self._unfinished = (self._unfinished + more).split(b"\n")
            self._lines.extend(lines)
            if len(self._unfinished) > LONGEST_REPLY:
                raise _Ended("a reply without end")
        return self._lines.popleft().rstrip(b"\r")

    def _wait_at_most(self, seconds: float) -> None:
        if seconds == self._waiting:
            return
        self._waiting = seconds
        if self._kernel_keeps_time:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, _as_timeval(seconds))
        else:
            self._socket.settimeout(seconds)


def _as_timeval(seconds: float) -> bytes:
    """Seconds as the kernel's `struct timeval`."""
    return struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))


def _describe(error: OSError) -> str:
    """What went wrong on the wire, in words; the kernel calls it "unavailable" when the time has run out."""
    return "timed out" if isinstance(error, BlockingIOError) else str(error)


def stuff_dots(letter: bytes) -> bytes:
    """The letter as it follows DATA: dots at line starts doubled, the final dot added (RFC 5321 section 4.5.2)."""
    stuffed = letter.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n")


def unstuff_dots(data: bytes) -> bytes:
    """The letter that was made to follow DATA; the other way round of `stuff_dots`."""
    letter = data.removesuffix(b".\r\n").replace(b"\r\n..", b"\r\n.")
    return letter[1:] if letter.startswith(b"..") else letter
