"""Many letters over one SMTP session, as fast as the server lets us. Speaks on a socket that is open already.

Where the server offers PIPELINING (RFC 2920), a letter's envelope leaves together with the body of the letter before
it, so each letter costs one round trip; otherwise every command waits for its answer.
"""

import socket
from collections.abc import Callable
from dataclasses import dataclass

from newsroom.delivery.answers import Outcome, Result, Stage, clean_reply, sort_answer

LONGEST_REPLY = 64 * 1024


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A letter for one recipient. `letter` is a whole message with CRLF line ends (RFC 5322)."""

    key: int
    sender: str
    to: str
    letter: bytes


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
        self._unread = b""
        sock.settimeout(timeout)

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
                    self._write(self._envelope(current))
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

    def _mail_from(self, one: Outgoing) -> bytes:
        beyond = "" if one.letter.isascii() and one.to.isascii() else " SMTPUTF8 BODY=8BITMIME"
        return f"MAIL FROM:<{one.sender}>{beyond}\r\n".encode()

    def _envelope(self, one: Outgoing) -> bytes:
        return self._mail_from(one) + f"RCPT TO:<{one.to}>\r\nDATA\r\n".encode()

    def _ask_for_body(self, one: Outgoing) -> tuple[Outcome | None, bool]:
        """The refusal, if the server doesn't want this letter's body, and whether it expects one all the same."""
        if self._pipelining:
            answers = [(stage, *self._read_reply()) for stage in (Stage.SENDER, Stage.RECIPIENT, Stage.CONTENT)]
        else:
            answers = []
            commands = (
                (Stage.SENDER, self._mail_from(one)),
                (Stage.RECIPIENT, f"RCPT TO:<{one.to}>\r\n".encode()),
                (Stage.CONTENT, b"DATA\r\n"),
            )
            for stage, command in commands:
                self._write(command)
                code, reply = self._read_reply()
                answers.append((stage, code, reply))
                if not 200 <= code < 400:
                    break
        expects_body = answers[-1][0] is Stage.CONTENT and answers[-1][1] == 354
        for stage, code, reply in answers:
            if code == 421:
                raise _Ended(f"421 {clean_reply(reply)}")
            if not (200 <= code < 300 if stage is not Stage.CONTENT else code == 354):
                return sort_answer(stage, code, reply), expects_body
        return None, True

    def _hand_over(self, current: Outgoing, following: Outgoing | None) -> Outcome:
        """Send a body, and the following letter's envelope with it; gives what the server said to the body."""
        body = stuff_dots(current.letter)
        try:
            self._write(body + self._envelope(following) if following is not None else body)
        except _Ended as ended:
            self.alive = False
            whole = ended.sent >= len(body)
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
            view = memoryview(data)
            while sent < len(data):
                sent += self._socket.send(view[sent:])
        except OSError as error:
            raise _Ended(str(error), sent) from error

    def _read_reply(self, timeout: float | None = None) -> tuple[int, bytes]:
        """One reply, whole: its code, and its text with lines joined (RFC 5321 section 4.2.1)."""
        lines = []
        if timeout is not None:
            self._socket.settimeout(timeout)
        try:
            while True:
                line = self._read_line()
                lines.append(line[4:])
                if line[3:4] != b"-":
                    return int(line[:3]), b" ".join(lines)
        except ValueError as error:
            raise _Ended(f"not an SMTP reply: {clean_reply(line)}") from error
        finally:
            if timeout is not None:
                self._socket.settimeout(self._timeout)

    def _read_line(self) -> bytes:
        while b"\n" not in self._unread:
            try:
                more = self._socket.recv(65536)
            except OSError as error:
                raise _Ended(str(error)) from error
            if not more:
                raise _Ended("the server closed the connection")
            self._unread += more
            if len(self._unread) > LONGEST_REPLY:
                raise _Ended("a reply without end")
        line, _, self._unread = self._unread.partition(b"\n")
        return line.rstrip(b"\r")


def stuff_dots(letter: bytes) -> bytes:
    """The letter as it follows DATA: dots at line starts doubled, the final dot added (RFC 5321 section 4.5.2)."""
    stuffed = letter.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n")
