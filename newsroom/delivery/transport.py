"""The only module that opens an SMTP socket: a connection class under Flask-Mail's, and one in memory.

Mended here: time limits, verified TLS, header safety, the outcome of each letter told apart and kept whatever
happens afterwards.
"""

import smtplib
import ssl
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import flask_mail
from flask import Flask

from newsroom.delivery.answers import Misconfigured, NotNow, Outcome, Result, Stage, clean_reply, sort_answer


class Wire(Protocol):
    """An open way to a mail server. `alive` turns false when it has to be opened anew."""

    alive: bool

    def deliver(self, *, sender: str, to: str, letter: bytes) -> Outcome: ...


class Transport(Protocol):
    """Opens wires. Entering raises NotNow or Misconfigured."""

    def open(self) -> AbstractContextManager[Wire]: ...


class Connection(flask_mail.Connection):
    """Flask-Mail's connection, mended.

    `deliver` hands over one letter as bytes and never raises for what the server does: the outcome says it.
    """

    host: smtplib.SMTP | None

    def __init__(self, state: Any, *, config: dict[str, Any]) -> None:
        super().__init__(state)
        self.alive = False
        self._timeout: float = config["SMTP_TIMEOUT_SECONDS"]
        self._final_timeout: float = config["SMTP_FINAL_TIMEOUT_SECONDS"]
        self._ca_file: str | None = config.get("SMTP_CA_FILE")
        self._own_name: str = config["MAIL_DOMAIN"]

    def __enter__(self) -> Self:
        self.host = self.configure_host()
        self.alive = True
        return self

    def __exit__(self, *_: object) -> None:
        # Every outcome is known by now, so a server that hangs up at QUIT changes nothing.
        if self.host is None:
            return
        try:
            if self.alive:
                self.host.quit()
        except (OSError, smtplib.SMTPException):
            pass
        finally:
            self.alive = False
            self.host.close()

    def configure_host(self) -> smtplib.SMTP:
        """Connect, begin TLS with the certificate checked, log in. Raises NotNow or Misconfigured."""
        place = f"{self.mail.server}:{self.mail.port}"
        context = ssl.create_default_context(cafile=self._ca_file)
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

    def deliver(self, *, sender: str, to: str, letter: bytes) -> Outcome:
        """Hand one letter to the mail server. `letter` is a whole message with CRLF line ends (RFC 5322)."""
        assert self.host is not None, "deliver() needs an entered connection"
        options: list[str] = []
        if not letter.isascii():
            if not self.host.has_extn("smtputf8"):
                return Outcome(
                    Result.REFUSED, 553, "The mail server takes no address beyond ASCII (RFC 6531)", reason="address"
                )
            options = ["SMTPUTF8", "BODY=8BITMIME"]
        left_whole = False
        try:
            self._wait_at_most(self._timeout)
            code, reply = self.host.mail(sender, options)
            if code != 250:
                return self._end_letter(sort_answer(Stage.SENDER, code, reply))
            code, reply = self.host.rcpt(to)
            if code not in (250, 251):
                return self._end_letter(sort_answer(Stage.RECIPIENT, code, reply))
            code, reply = self.host.docmd("DATA")
            if code != 354:
                return self._end_letter(sort_answer(Stage.CONTENT, code, reply))
            self.host.send(stuff_dots(letter))
            left_whole = True
            self._wait_at_most(self._final_timeout)
            code, reply = self.host.getreply()
            if code == 421:
                self.alive = False
            return sort_answer(Stage.CONTENT, code, reply)
        except (OSError, smtplib.SMTPException) as error:
            self.alive = False
            return Outcome(Result.UNCERTAIN if left_whole else Result.BROKEN, None, clean_reply(str(error)))

    def _wait_at_most(self, seconds: float) -> None:
        if self.host is not None and self.host.sock is not None:
            self.host.sock.settimeout(seconds)

    def _end_letter(self, outcome: Outcome) -> Outcome:
        """Make the connection ready for the next letter after one that didn't go."""
        assert self.host is not None
        if (
            outcome.code == 421
        ):  # The server is closing the channel (RFC 5321 section 3.8); it says nothing of this letter.
            self.alive = False
            return Outcome(Result.BROKEN, outcome.code, outcome.reply)
        try:
            self.alive = self.host.rset()[0] == 250
        except (OSError, smtplib.SMTPException):
            self.alive = False
        return outcome

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


def stuff_dots(letter: bytes) -> bytes:
    """The letter as it follows DATA: dots at line starts doubled, the final dot added (RFC 5321 section 4.5.2)."""
    stuffed = letter.replace(b"\r\n.", b"\r\n..")
    if stuffed.startswith(b"."):
        stuffed = b"." + stuffed
    return stuffed + (b".\r\n" if stuffed.endswith(b"\r\n") else b"\r\n.\r\n")


class SMTPTransport:
    """Letters over SMTP, as Flask-Mail's configuration says."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def open(self) -> Connection:
        return Connection(self._app.extensions["mail"], config=self._app.config)


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
    answers: dict[str, list[Outcome | Exception]] = field(default_factory=dict)
    alive: bool = True

    def open(self) -> Self:
        return self

    def __enter__(self) -> Self:
        self.alive = True
        if self.answers.get("connect"):
            answer = self.answers["connect"].pop(0)
            if isinstance(answer, Exception):
                raise answer
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def deliver(self, *, sender: str, to: str, letter: bytes) -> Outcome:
        waiting = self.answers.get(to)
        answer = waiting.pop(0) if waiting else Outcome(Result.ACCEPTED, 250, "2.0.0 Ok")
        if isinstance(answer, Exception):
            raise answer
        if answer.result is Result.ACCEPTED:
            self.accepted.append(KeptLetter(sender, to, letter))
        return answer
