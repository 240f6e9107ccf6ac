"""The only module that opens an SMTP socket: a connection class under Flask-Mail's, and one in memory.

Mended here: time limits, verified TLS, header safety, the outcome of each letter told apart and kept whatever
happens afterwards.
"""

import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import flask_mail
from flask import Flask

from newsroom.delivery.answers import Misconfigured, NotNow, Outcome, Result, Stage, clean_reply, sort_answer
from newsroom.delivery.pipelining import MailSession, Outgoing, Take, stuff_dots, unstuff_dots


class Wire(Protocol):
    """An open way to a mail server. `alive` turns false when it has to be opened anew.

    `answered` counts the letters that the server has said anything to since it was opened.
    """

    @property
    def alive(self) -> bool: ...

    @property
    def answered(self) -> int: ...

    def send_all(
        self, take: Take, *, leaving: Callable[[Outgoing], None], done: Callable[[Outgoing, Outcome], None]
    ) -> None: ...


class Transport(Protocol):
    """Opens wires. Entering raises NotNow or Misconfigured."""

    def open(self) -> AbstractContextManager[Wire]: ...


class Connection(flask_mail.Connection):
    """Flask-Mail's connection, mended.

    `send_all` hands over letters as bytes and never raises for what the server does: the outcomes say it.
    """

    host: smtplib.SMTP | None

    def __init__(self, state: Any, *, config: dict[str, Any]) -> None:
        super().__init__(state)
        self._talk: MailSession | None = None
        self._timeout: float = config["SMTP_TIMEOUT_SECONDS"]
        self._final_timeout: float = config["SMTP_FINAL_TIMEOUT_SECONDS"]
        self._ca_file: str | None = config.get("SMTP_CA_FILE")
        self._own_name: str = config["MAIL_DOMAIN"]

    @property
    def alive(self) -> bool:
        """Whether the next letter can go over this connection."""
        return self._talk is not None and self._talk.alive

    @property
    def answered(self) -> int:
        """How many letters the server has said anything to."""
        return self._talk.answered if self._talk is not None else 0

    def __enter__(self) -> Self:
        self.host = self.configure_host()
        assert self.host.sock is not None
        self._talk = MailSession(
            self.host.sock,
            pipelining=self.host.has_extn("pipelining"),
            smtputf8=self.host.has_extn("smtputf8"),
            timeout=self._timeout,
            final_timeout=self._final_timeout,
        )
        return self

    def __exit__(self, *_: object) -> None:
        # Every outcome is known by now, so a server that hangs up at QUIT changes nothing.
        if self._talk is not None:
            self._talk.quit()
        _close(self.host)

    def configure_host(self) -> smtplib.SMTP:
        """Connect, begin TLS with the certificate checked, log in. Raises NotNow or Misconfigured."""
        place = f"{self.mail.server}:{self.mail.port}"
        secured = self.mail.use_ssl or self.mail.use_tls
        context = ssl.create_default_context(cafile=self._ca_file) if secured else None
        host: smtplib.SMTP | None = None
        try:
            if self.mail.use_ssl:
                host = smtplib.SMTP_SSL(
                    self.mail.server, self.mail.port, self._own_name, timeout=self._timeout, context=context
                )
            else:
                host = smtplib.SMTP(self.mail.server, self.mail.port, self._own_name, timeout=self._timeout)
            host.set_debuglevel(int(self.mail.debug))
            host.ehlo_or_helo_if_needed()
            if self.mail.use_tls:
                host.starttls(context=context)
                host.ehlo_or_helo_if_needed()
            if self.mail.username and self.mail.password:
                host.login(self.mail.username, self.mail.password)
        except ssl.SSLCertVerificationError as error:
            _close(host)
            raise Misconfigured(f"The mail server {place} shows a wrong certificate: {error.verify_message}") from error
        except smtplib.SMTPResponseException as error:
            _close(host)
            outcome = sort_answer(Stage.CONNECT, error.smtp_code, error.smtp_error)
            text = f"The mail server {place} answered {error.smtp_code} {outcome.reply}"
            raise (NotNow if outcome.result is Result.LATER else Misconfigured)(text) from error
        except smtplib.SMTPNotSupportedError as error:
            _close(host)
            raise Misconfigured(f"The mail server {place}: {clean_reply(str(error))}") from error
        except (OSError, smtplib.SMTPException) as error:
            _close(host)
            raise NotNow(f"The mail server {place} can't be reached: {clean_reply(str(error))}") from error
        return host

    def send_all(
        self, take: Take, *, leaving: Callable[[Outgoing], None], done: Callable[[Outgoing, Outcome], None]
    ) -> None:
        """Send letters until `take` gives none or the connection ends; see `MailSession.send_all`."""
        assert self._talk is not None, "send_all() needs an entered connection"
        self._talk.send_all(take, leaving=leaving, done=done)

    def deliver(self, *, sender: str, to: str, letter: bytes) -> Outcome:
        """Hand one letter to the mail server. `letter` is a whole message with CRLF line ends (RFC 5322)."""
        return deliver_one(self, Outgoing(0, sender, to, stuff_dots(letter)))

    def send(self, message: flask_mail.Message, envelope_from: str | tuple[str, str] | None = None) -> None:
        """Flask-Mail's front door, for a single message. Raises NotNow, Misconfigured or BadHeaderError."""
        headers = [str(name) + str(value) for name, value in (message.extra_headers or {}).items()]
        if message.has_bad_headers() or any("\r" in header or "\n" in header for header in headers):
            raise flask_mail.BadHeaderError
        sender = flask_mail.parseaddr(str(envelope_from or message.sender))[1]
        for to in sorted(str(one) for one in message.send_to):
            outcome = self.deliver(sender=sender, to=flask_mail.parseaddr(to)[1], letter=message.as_bytes())
            if outcome.result in (Result.LATER, Result.BROKEN, Result.UNCERTAIN):
                raise NotNow(f"{outcome.code} {outcome.reply}")
            if outcome.result is not Result.ACCEPTED:
                raise Misconfigured(f"{outcome.code} {outcome.reply}")


def _close(host: smtplib.SMTP | None) -> None:
    if host is not None:
        host.close()


def deliver_one(wire: Wire, one: Outgoing) -> Outcome:
    """Send a single letter over a wire; gives its outcome."""
    waiting = [one]
    outcomes: list[Outcome] = []
    wire.send_all(
        lambda _wait: waiting.pop() if waiting else None,
        leaving=lambda _one: None,
        done=lambda _one, outcome: outcomes.append(outcome),
    )
    return outcomes[0]


class SMTPTransport:
    """Letters over SMTP, as Flask-Mail's configuration says. Not shared between threads.

    A connection that is still good stays open for the next batch, until `close`.
    """

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._kept: Connection | None = None

    def connect(self) -> Connection:
        """A connection of the caller's own, to be entered."""
        return Connection(self._app.extensions["mail"], config=self._app.config)

    @contextmanager
    def open(self) -> Iterator[Connection]:
        """The kept connection where there is one, otherwise a new one."""
        connection, self._kept = self._kept or self.connect().__enter__(), None
        try:
            yield connection
        except BaseException:
            connection.__exit__()
            raise
        if connection.alive:
            self._kept = connection
        else:
            connection.__exit__()

    def close(self) -> None:
        """Say good-bye on the kept connection."""
        if self._kept is not None:
            self._kept.__exit__()
            self._kept = None


@dataclass(frozen=True)
class KeptLetter:
    """A letter that MemoryTransport accepted."""

    sender: str
    to: str
    letter: bytes


@dataclass
class MemoryTransport:
    """A mail server in memory, for tests and rehearsals. `answers` maps a recipient to what it is told, in order."""

    accepted: list[KeptLetter] = field(default_factory=list)
    answers: dict[str, list[Outcome | BaseException]] = field(default_factory=dict)
    alive: bool = True
    answered: int = 0

    def open(self) -> Self:
        return self

    def __enter__(self) -> Self:
        self.alive, self.answered = True, 0
        if self.answers.get("connect"):
            answer = self.answers["connect"].pop(0)
            if isinstance(answer, Exception):
                raise answer
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def send_all(
        self, take: Take, *, leaving: Callable[[Outgoing], None], done: Callable[[Outgoing, Outcome], None]
    ) -> None:
        while self.alive and (one := take(True)) is not None:
            waiting = self.answers.get(one.to)
            answer = waiting.pop(0) if waiting else Outcome(Result.ACCEPTED, 250, "2.0.0 Ok")
            leaving(one)
            if isinstance(answer, BaseException):
                raise answer
            if answer.result is Result.ACCEPTED:
                self.accepted.append(KeptLetter(one.sender, one.to, unstuff_dots(one.data)))
            self.alive = answer.result not in (Result.BROKEN, Result.UNCERTAIN)
            self.answered += self.alive
            done(one, answer)
