"""The wire, against a server that behaves badly in every way that servers do."""

import datetime as dt
import ipaddress
import ssl
from collections.abc import Callable
from pathlib import Path

import flask_mail
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from flask import Flask

from newsroom import create_app
from newsroom.delivery.answers import Misconfigured, NotNow, Result
from newsroom.delivery.pipelining import stuff_dots, unstuff_dots
from newsroom.delivery.transport import Connection, SMTPTransport
from tests.conftest import settings
from tests.smtp_server import RoughServer

LETTER = b"To: ana@example.org\r\nSubject: Hej\r\n\r\nHej\r\n.\r\n..dots\r\nslut\r\n"

Dial = Callable[..., Connection]


@pytest.fixture
def dial(tmp_path: Path) -> Dial:
    """A connection, not yet opened, to a server, with the settings given."""

    def make(server: RoughServer, **changes: object) -> Connection:
        app = create_app(settings(tmp_path, MAIL_SERVER="127.0.0.1", MAIL_PORT=server.port, **changes))
        return SMTPTransport(app).connect()

    return make


def send(wire: Connection, to: str = "ana@example.org", letter: bytes = LETTER) -> Result:
    return wire.deliver(sender="nyheter@example.org", to=to, letter=letter).result


def test_a_letter_arrives_byte_for_byte(dial: Dial) -> None:
    with RoughServer() as server, dial(server) as wire:
        assert send(wire) is Result.ACCEPTED
    assert [(one.sender, one.to, one.letter) for one in server.taken] == [
        ("nyheter@example.org", "ana@example.org", LETTER)
    ]


def test_dots_are_doubled_and_the_end_is_marked() -> None:
    assert stuff_dots(b".a\r\n.\r\nb") == b"..a\r\n..\r\nb\r\n.\r\n"
    assert stuff_dots(b"a\r\n") == b"a\r\n.\r\n"


def test_one_refused_recipient_leaves_the_connection_good_for_the_next(dial: Dial) -> None:
    answers = {"dead@example.org": ["550 5.1.1 No such user"], "busy@example.org": ["450 4.2.1 Busy"]}
    with RoughServer(answers=answers) as server, dial(server) as wire:
        refused = wire.deliver(sender="n@example.org", to="dead@example.org", letter=LETTER)
        later = wire.deliver(sender="n@example.org", to="busy@example.org", letter=LETTER)
        assert send(wire) is Result.ACCEPTED
    assert (refused.result, refused.code, refused.reason) == (Result.REFUSED, 550, "address")
    assert (later.result, later.code) == (Result.LATER, 450)
    assert server.connections == 1


@pytest.mark.parametrize(
    ("command", "reply", "result"),
    [
        ("ana@example.org", "550 5.7.1 Relaying denied", Result.MISCONFIGURED),
        ("ana@example.org", "552 5.2.2 Mailbox full", Result.REFUSED),
        ("MAIL", "550 5.1.8 Bad sender", Result.MISCONFIGURED),
        ("MAIL", "451 4.3.0 Try later", Result.LATER),
        ("DATA", "554 5.5.1 No valid recipients", Result.REFUSED),
        ("DOT", "554 5.6.0 Message content rejected", Result.REFUSED),
        ("DOT", "550 5.7.26 Unauthenticated mail", Result.MISCONFIGURED),
        ("DOT", "452 4.3.1 Disk full", Result.LATER),
    ],
)
def test_every_answer_is_sorted(dial: Dial, command: str, reply: str, result: Result) -> None:
    with RoughServer(answers={command: [reply]}) as server, dial(server) as wire:
        assert send(wire) is result
        assert send(wire) is Result.ACCEPTED


def test_a_server_that_ends_the_connection_between_letters_broke_it_and_nothing_more(dial: Dial) -> None:
    with RoughServer(letters_per_connection=1) as server, dial(server) as wire:
        assert send(wire) is Result.ACCEPTED
        assert send(wire) is Result.BROKEN
        assert wire.alive is False


@pytest.mark.parametrize("point", ["mail", "data"])
def test_closing_before_the_dot_means_the_letter_was_not_taken(dial: Dial, point: str) -> None:
    with RoughServer(close_at=point) as server, dial(server) as wire:
        # More than the kernel takes for a server that doesn't read: what was wholly handed over would be uncertain.
        assert send(wire, letter=LETTER + b"x" * 50_000_000) is Result.BROKEN
        assert wire.alive is False


@pytest.mark.parametrize("fault", ["close_at", "silent_at"])
def test_a_lost_answer_after_the_dot_is_uncertain(dial: Dial, fault: str) -> None:
    with RoughServer(**{fault: "dot"}) as server, dial(server, SMTP_FINAL_TIMEOUT_SECONDS=1) as wire:  # type: ignore[arg-type]
        assert send(wire) is Result.UNCERTAIN
        assert wire.alive is False


def test_closing_at_quit_changes_no_outcome(dial: Dial) -> None:
    with RoughServer(close_at="quit") as server, dial(server) as wire:
        assert send(wire) is Result.ACCEPTED


def test_a_server_that_is_silent_from_the_start_is_given_up_on(dial: Dial) -> None:
    with RoughServer(silent_at="connect") as server, pytest.raises(NotNow, match="can't be reached"):
        dial(server, SMTP_TIMEOUT_SECONDS=1).__enter__()


def test_a_server_that_is_not_there_is_for_later(dial: Dial) -> None:
    with RoughServer() as server:
        gone = dial(server)
    with pytest.raises(NotNow, match="Connection refused"):
        gone.__enter__()


def test_a_server_without_tls_gets_no_letter_where_tls_is_asked_for(dial: Dial) -> None:
    with RoughServer() as server, pytest.raises(Misconfigured, match="STARTTLS"):
        dial(server, MAIL_USE_TLS=True).__enter__()


def make_certificate(folder: Path, name: str, *, loopback: bool) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context with a self-signed certificate, and the file that one would trust it by."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    alternatives: list[x509.GeneralName] = [x509.DNSName(name)]
    if loopback:
        alternatives.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}.pem"
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    both = folder / f"{name}-both.pem"
    both.write_bytes(
        path.read_bytes()
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(both)
    return context, path


def test_tls_with_a_certificate_that_fits_works(dial: Dial, tmp_path: Path) -> None:
    context, trusted = make_certificate(tmp_path, "mail.example.org", loopback=True)
    with RoughServer(tls=context) as server, dial(server, MAIL_USE_TLS=True, SMTP_CA_FILE=trusted) as wire:
        assert send(wire) is Result.ACCEPTED


def test_a_certificate_for_another_name_is_refused(dial: Dial, tmp_path: Path) -> None:
    context, trusted = make_certificate(tmp_path, "other.example.org", loopback=False)
    with RoughServer(tls=context) as server, pytest.raises(Misconfigured, match="wrong certificate"):
        dial(server, MAIL_USE_TLS=True, SMTP_CA_FILE=trusted).__enter__()


def test_a_certificate_that_nobody_vouches_for_is_refused(dial: Dial, tmp_path: Path) -> None:
    context, _ = make_certificate(tmp_path, "mail.example.org", loopback=True)
    with RoughServer(tls=context) as server, pytest.raises(Misconfigured, match="wrong certificate"):
        dial(server, MAIL_USE_TLS=True).__enter__()


def test_an_address_beyond_ascii_goes_only_where_the_server_takes_it(dial: Dial) -> None:
    letter = "To: åsa@example.org\r\n\r\nHej\r\n".encode()
    with RoughServer() as server, dial(server) as wire:
        assert send(wire, "åsa@example.org", letter) is Result.ACCEPTED
    with RoughServer(extensions=()) as server, dial(server) as wire:
        assert send(wire, "åsa@example.org", letter) is Result.REFUSED
        assert send(wire) is Result.ACCEPTED


def test_flask_mails_front_door_works_and_refuses_injected_headers(dial: Dial, tmp_path: Path) -> None:
    app: Flask = create_app(settings(tmp_path))
    with app.app_context(), RoughServer() as server, dial(server) as wire:
        message = flask_mail.Message("Hej", recipients=["ana@example.org"], body="Hej", sender="n@example.org")
        wire.send(message)
        message.extra_headers = {"X-Evil": "a\r\nBcc: bo@example.org"}
        with pytest.raises(flask_mail.BadHeaderError):
            wire.send(message)
    assert [one.to for one in server.taken] == ["ana@example.org"]


@pytest.mark.parametrize("letter", [b".\r\n", b"..\r\n.\r\n", b"a\r\n.\r\n..b\r\n\r\n.c.\r\n", b"a\r\n"])
def test_dots_at_line_starts_are_doubled_and_made_single_again(letter: bytes) -> None:
    data = stuff_dots(letter)

    assert data.endswith(b"\r\n.\r\n")
    assert all(line.startswith(b"..") for line in data.split(b"\r\n")[:-2] if line.startswith(b"."))
    assert unstuff_dots(data) == letter
