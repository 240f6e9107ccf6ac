"""The catching mailbox: letters sent over real SMTP, read as a person and as a program does."""

import datetime as dt
import email.policy
import smtplib
import socket
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from newsroom import create_app
from newsroom.mailbox import pages
from newsroom.mailbox.catching import CatchingServer, PortTaken
from newsroom.mailbox.store import MOST_LETTERS, MailboxStore, parse, part_text
from tests.conftest import settings
from tests.factories import NOON

HTML = "<!doctype html><html><body><p>Hej på dig</p><script>alert(1)</script></body></html>"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CatchingServer]:
    server = CatchingServer(tmp_path, 0)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def store(tmp_path: Path) -> MailboxStore:
    return MailboxStore(tmp_path)


@pytest.fixture
def client(tmp_path: Path) -> FlaskClient:
    """A person at this machine. The mailbox needs no database of the site's."""
    return create_app(settings(tmp_path)).test_client()


def make_letter(subject: str = "Hej", text: str = "Hej på dig\n", html: str = "") -> EmailMessage:
    letter = EmailMessage(policy=email.policy.SMTP)
    letter["From"] = "Region Stockholm <nyheter@example.org>"
    letter["To"] = "ana@example.org"
    letter["Subject"] = subject
    letter["Message-ID"] = f"<{len(subject)}.{len(text)}@example.org>"
    letter.set_content(text)
    if html:
        letter.add_alternative(html, subtype="html")
    return letter


def send(server: CatchingServer, raw: bytes, *to: str, sender: str = "nyheter@example.org") -> None:
    with smtplib.SMTP("127.0.0.1", server.port, timeout=10) as wire:
        assert wire.sendmail(sender, to or ("ana@example.org",), raw) == {}


def test_a_letter_is_caught_with_its_envelope_and_every_byte(server: CatchingServer, store: MailboxStore) -> None:
    before = dt.datetime.now(dt.UTC)
    raw = make_letter().as_bytes()
    send(server, raw)

    (caught,) = store.list()
    assert (caught.sender, caught.to, caught.subject) == ("nyheter@example.org", "ana@example.org", "Hej")
    assert caught.message_id == make_letter()["Message-ID"]
    received_at = dt.datetime.fromisoformat(caught.received_at)
    assert before - dt.timedelta(seconds=1) <= received_at <= dt.datetime.now(dt.UTC)
    assert store.read(caught.id) == (caught, raw)


def test_one_letter_to_two_is_caught_once_for_each(server: CatchingServer, store: MailboxStore) -> None:
    raw = make_letter().as_bytes()
    send(server, raw, "ana@example.org", "bo@example.org")
    assert [caught.to for caught in store.list()] == ["bo@example.org", "ana@example.org"]
    assert {(store.read(caught.id) or (None, b""))[1] for caught in store.list()} == {raw}


def test_a_subject_beyond_ascii_is_shown_as_it_was_written(server: CatchingServer, store: MailboxStore) -> None:
    subject = "Åtgärder för ökad hälsa – och 😀 därtill, i en ämnesrad som är så lång att den bryts"
    send(server, make_letter(subject).as_bytes())
    assert store.list()[0].subject == subject


def test_lines_of_dots_and_endless_lines_come_through(server: CatchingServer, store: MailboxStore) -> None:
    text = ".\r\n..\r\n.hej\r\n\r\n...\r\n" + "x" * 990 + "\r\n"
    raw = make_letter().as_bytes().partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + text.encode()
    send(server, raw)
    assert (store.read(1) or (None, b""))[1] == raw


def test_letters_of_eight_bits_and_large_ones_come_through(server: CatchingServer, store: MailboxStore) -> None:
    raw = make_letter().as_bytes() + "Å ä ö 😀\r\n".encode() + b"\xff\xfe\r\n" + b"x" * 70 + b"\r\n"
    send(server, raw + (b"y" * 70 + b"\r\n") * 20_000)
    assert (store.read(1) or (None, b""))[1].startswith(raw)


@pytest.mark.parametrize(
    "raw",
    [
        b"\r\n",
        b"no header at all\r\n",
        b"Subject: \xe5\xe4\xf6\r\n\r\nLatin-1 without saying so\r\n",
        b"Subject: =?utf-8?b?w6XDpA?= =?x-none?q?a?= =?utf-8?q?=ff?=\r\n\r\nx\r\n",
        b"Subject: a\r\nSubject: b\r\nMessage-ID: <\r\nFrom: <<\r\nTo: ,\r\n\r\nx\r\n",
        b"Message-ID: <a b@\r\nDate: yesterday\r\n\r\nx\r\n",
        b"Content-Type: text/plain; charset=klingon\r\n\r\nx\r\n",
        b"Content-Type: text/html; charset=klingon\r\nContent-Transfer-Encoding: base64\r\n\r\n=====\r\n",
        b"Content-Type: multipart/alternative; boundary=x\r\n\r\nnever ends\r\n",
        b"Content-Type: multipart/alternative\r\n\r\nno boundary\r\n",
        b"Content-Type: message/rfc822\r\n\r\nSubject: inside\r\n\r\nx\r\n",
        b"Content-Type: ;;;=\r\n\r\nx\r\n",
        b"Subject: a\x00b\r\n\r\n\x00\r\n",
        b"Subject:\r\n\tfolded\r\n \r\n\r\nx\r\n",
    ],
)
def test_a_letter_that_is_none_is_kept_and_shown_all_the_same(
    server: CatchingServer, client: FlaskClient, raw: bytes
) -> None:
    send(server, raw)
    (entry,) = client.get("/dev/mailbox.json").get_json()
    assert client.get(f"/dev/mailbox/{entry['id']}.eml").data == raw
    for path in ("/dev/mailbox", f"/dev/mailbox/{entry['id']}", f"/dev/mailbox/{entry['id']}.html"):
        assert client.get(path).status_code == 200


def test_the_list_can_be_narrowed_and_paged(store: MailboxStore) -> None:
    for number in range(5):
        to = "ana@example.org" if number % 2 else "bo@example.org"
        store.keep(sender="x@example.org", recipients=[to], raw=b"Subject: %d\r\n\r\n" % number, now=NOON)
    assert [caught.subject for caught in store.list()] == ["4", "3", "2", "1", "0"]
    assert [caught.subject for caught in store.list(to="ANA@example.org")] == ["3", "1"]
    assert [caught.subject for caught in store.list(limit=2)] == ["4", "3"]
    assert [caught.subject for caught in store.list(before=3, limit=1)] == ["1"]


def test_the_oldest_letters_make_room_for_the_newest(store: MailboxStore) -> None:
    store.keep(sender="", recipients=["a@example.org"] * (MOST_LETTERS + 3), raw=b"\r\n", now=NOON)
    found = store.list()
    assert (len(found), found[0].id, found[-1].id) == (MOST_LETTERS, MOST_LETTERS + 3, 4)


def test_a_part_that_a_letter_lacks_is_empty() -> None:
    letter = parse(make_letter(text="Bara text\n").as_bytes())
    assert (part_text(letter, "plain"), part_text(letter, "html")) == ("Bara text\r\n", "")


def test_programs_read_the_letters_newest_first(server: CatchingServer, client: FlaskClient) -> None:
    first, second = make_letter("Första").as_bytes(), make_letter("Andra brevet").as_bytes()
    send(server, first, "ana@example.org")
    send(server, second, "bo@example.org", "ana@example.org")

    response = client.get("/dev/mailbox.json")
    found = response.get_json()
    assert response.mimetype == "application/json"
    assert response.headers["Cache-Control"] == "no-store"
    assert [(entry["to"], entry["subject"]) for entry in found] == [
        ("ana@example.org", "Andra brevet"),
        ("bo@example.org", "Andra brevet"),
        ("ana@example.org", "Första"),
    ]
    for entry in found:
        assert set(entry) == {"id", "from", "to", "subject", "message_id", "received_at", "eml"}
        assert entry["from"] == "nyheter@example.org"
        assert entry["message_id"].startswith("<")
        assert dt.datetime.fromisoformat(entry["received_at"]).utcoffset() == dt.timedelta(0)
    sources = [client.get(entry["eml"]) for entry in found]
    assert [source.data for source in sources] == [second, second, first]
    assert {source.mimetype for source in sources} == {"message/rfc822"}
    assert found[0]["eml"] == f"http://127.0.0.1:8000/dev/mailbox/{found[0]['id']}.eml"


def test_programs_can_ask_for_one_recipient_and_for_so_many(server: CatchingServer, client: FlaskClient) -> None:
    for to in ("ana@example.org", "bo@example.org", "ana@example.org"):
        send(server, make_letter().as_bytes(), to)
    assert len(client.get("/dev/mailbox.json?to=ana@example.org").get_json()) == 2
    assert len(client.get("/dev/mailbox.json?limit=1").get_json()) == 1
    assert client.get("/dev/mailbox.json?to=cia@example.org").get_json() == []


def test_people_see_the_list_and_each_letter_as_html_as_text_and_as_it_came(
    server: CatchingServer, client: FlaskClient
) -> None:
    assert "Inget brev har kommit än." in client.get("/dev/mailbox").text
    send(server, make_letter("Nyhet <b>", "Hej & välkommen\n", HTML).as_bytes())

    listed = client.get("/dev/mailbox").text
    assert "Nyhet &lt;b&gt;" in listed
    assert "/dev/mailbox/1" in listed
    page = client.get("/dev/mailbox/1").text
    assert "Hej &amp; välkommen" in page
    assert "Message-ID: &lt;" in page
    assert 'src="/dev/mailbox/1.html"' in page
    assert "<script>alert" not in page


def test_the_html_of_a_letter_is_served_locked_in(server: CatchingServer, client: FlaskClient) -> None:
    send(server, make_letter(html=HTML).as_bytes())
    response = client.get("/dev/mailbox/1.html")
    rules = dict(part.strip().partition(" ")[::2] for part in response.headers["Content-Security-Policy"].split(";"))

    assert response.mimetype == "text/html"
    assert "Hej på dig" in response.text
    assert rules["default-src"] == "'none'"
    assert "script-src" not in rules
    assert "allow-scripts" not in rules["sandbox"]
    assert "allow-same-origin" not in rules["sandbox"]
    assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("letter_id", ["1", "0", "99999999999999999999"])
def test_a_letter_that_is_not_there_is_404(client: FlaskClient, letter_id: str) -> None:
    for end in ("", ".html", ".eml"):
        assert client.get(f"/dev/mailbox/{letter_id}{end}").status_code == 404


@pytest.mark.parametrize("query", ["before=x", "before=-1", "before=99999999999999999999", "to=%00", "to=%ED%A0%80"])
def test_a_garbled_question_about_the_list_is_answered(client: FlaskClient, query: str) -> None:
    assert client.get(f"/dev/mailbox?{query}").status_code == 200
    assert client.get(f"/dev/mailbox.json?{query.replace('before', 'limit')}").status_code == 200


def test_reading_changes_nothing_and_leaves_no_cookie(server: CatchingServer, client: FlaskClient) -> None:
    send(server, make_letter(html=HTML).as_bytes())
    before = client.get("/dev/mailbox.json").get_json()
    for path in ("/dev/mailbox", "/dev/mailbox/1", "/dev/mailbox/1.html", "/dev/mailbox/1.eml", "/dev/mailbox.json"):
        assert "Set-Cookie" not in client.get(path).headers
        assert client.post(path).status_code == 405
    assert client.get("/dev/mailbox.json").get_json() == before


def test_a_port_in_use_is_said_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(PortTaken, match=f"port {port}: "):
            CatchingServer(tmp_path, port)


def test_it_listens_on_this_machine_alone_and_stops(tmp_path: Path) -> None:
    server = CatchingServer(tmp_path, 0)
    server.start()
    assert socket.gethostbyname("localhost") == "127.0.0.1"
    listening = Path("/proc/net/tcp").read_text().upper()
    assert f"0100007F:{server.port:04X} 00000000:0000 0A" in listening
    server.stop()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


@pytest.mark.parametrize(
    "url", ["https://nyheter.example.org", "http://192.168.0.1:8000", "http://127.0.0.1.example.org", "http://0.0.0.0"]
)
def test_the_pages_refuse_a_site_that_others_reach(url: str) -> None:
    app = Flask("strange")
    app.config["PUBLIC_URL"] = url
    with pytest.raises(RuntimeError, match="only runs where the public address is this very machine"):
        pages.init_app(app)
    assert not [rule for rule in app.url_map.iter_rules() if rule.rule.startswith("/dev")]


def test_a_site_with_a_mail_server_has_no_mailbox(tmp_path: Path) -> None:
    client = create_app(settings(tmp_path, MAIL_SERVER="mail.example.org")).test_client()
    for path in ("/dev/mailbox", "/dev/mailbox.json", "/dev/mailbox/1.eml"):
        assert client.get(path).status_code == 404
