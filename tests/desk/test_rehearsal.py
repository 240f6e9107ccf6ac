"""Rehearsing a mailing: the numbers are the real ones, the letters are the real ones, and nobody else gets any."""

import email
import email.policy
import re
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from newsroom import clock, create_app
from newsroom.delivery import ledger, rehearsing
from newsroom.delivery.models import Delivery, Edition, Mailing
from newsroom.delivery.transport import MemoryTransport
from newsroom.mailbox.catching import CatchingServer
from newsroom.mailbox.store import MailboxStore
from newsroom.news import publishing
from newsroom.news.models import Item
from newsroom.subscribers.models import Subscriber
from tests.conftest import settings
from tests.desk.conftest import Login, enter
from tests.factories import DAY, deliver_everything, make_item, make_subscriber, make_topics
from tests.pages import filled_in, read_page, title_of, words_of
from tests.tables import read_tables

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
PAGE = "/desk/items/1/rehearsal"


@pytest.fixture
def mailbox(app: Flask, tmp_path: Path) -> Iterator[MailboxStore]:
    """The catching server, where the app's letters go."""
    server = CatchingServer(tmp_path, 0)
    app.extensions["mail"].port = server.port
    server.start()
    yield MailboxStore(tmp_path)
    server.stop()


def make_audience(session: Session) -> None:
    """Readers of every kind around culture and grants."""
    for address, topics, values in (
        ("ana@example.org", ["stod"], {}),
        ("bo@example.org", ["stod", "kultur"], {}),
        ("cy@example.org", ["kultur"], {"language": "en"}),
        ("di@example.org", ["offentlig-konst"], {}),
        ("ed@example.org", ["offentlig-konst", "kultur"], {}),
        ("fia@example.org", ["stod"], {"frequency": "daily"}),
        ("gun@example.org", ["kultur"], {"frequency": "weekly"}),
        ("refused@example.org", ["stod"], {}),
        ("other@example.org", ["bibliotek"], {}),
    ):
        make_subscriber(session, address, *topics, now=clock.now() - DAY, **values)
    make_subscriber(session, "both@example.org", "stod", now=clock.now() - DAY)
    make_subscriber(session, "both@example.org", "kultur", frequency="daily", now=clock.now() - DAY)
    session.execute(sa.update(Subscriber).where(Subscriber.address == "refused@example.org").values(refusals=3))
    session.commit()


def make_draft(session: Session, *topics: str, **values: Any) -> Item:
    item = make_item(session, *(topics or ("stod", "offentlig-konst")), headline="Bron öppnar", published_at=None)
    for name, value in values.items():
        setattr(item, name, value)
    session.commit()
    return item


def rehearse(editor: FlaskClient, address: str = PAGE) -> Any:
    """Press the button; gives the page that answers."""
    page = read_page(editor.get(address))
    (form,) = page.xpath("//form[@action=$address]", address=address)
    answer = editor.post(address, data=filled_in(form))
    assert (answer.status_code, answer.location) == (303, address)
    return read_page(editor.get(address))


def letters(mailbox: MailboxStore) -> list[EmailMessage]:
    found = [mailbox.read(one.id) for one in reversed(mailbox.list())]
    return [email.message_from_bytes(one[1], policy=email.policy.default) for one in found if one]


@pytest.mark.parametrize("urgent", [False, True])
def test_the_numbers_are_those_that_the_mailing_then_has(app: Flask, session: Session, urgent: bool) -> None:
    make_topics(session)
    make_audience(session)
    item = make_draft(session, urgent=urgent)
    before = read_tables(session)

    ahead = rehearsing.rehearse(session, session.get_one(Item, item.id), now=clock.now(), most_refusals=3)
    said = {(one.language, tuple(topic.slug for topic in one.topics), one.readers) for one in ahead.editions}

    assert read_tables(session) == before
    now = clock.now()
    publishing.publish(session.get_one(Item, item.id), at=now, now=now)
    session.commit()
    post = MemoryTransport()
    deliver_everything(app, session, post, now=now)
    session.commit()
    assert said == set(editions_of(session))
    assert ahead.readers == len(post.accepted) == (8 if urgent else 6)
    skipped = session.scalars(sa.select(Delivery.reason).where(Delivery.state == "skipped")).all()
    assert ahead.suspended == len(skipped) == 1


def editions_of(session: Session) -> Iterator[tuple[str, tuple[str, ...], int]]:
    """The editions that the ledger has, with how many letters of each were accepted."""
    mailing = session.scalars(sa.select(Mailing).where(Mailing.item_id.is_not(None))).one()
    (reached,) = ledger.topics_of(session, mailing.id).values()
    for edition in session.scalars(sa.select(Edition).where(Edition.mailing_id == mailing.id)):
        (mask,) = ledger.read_reason(edition.reason).values()
        accepted = sa.select(sa.func.count()).where(Delivery.edition_id == edition.id, Delivery.state == "accepted")
        count = session.scalar(accepted.select_from(Delivery)) or 0
        if count:
            yield edition.language, tuple(row.topic.slug for row in reached if row.bit & mask), count


def test_the_page_says_who_would_get_what(session: Session, eva: FlaskClient) -> None:
    make_audience(session)
    make_draft(session)

    page = read_page(eva.get(PAGE))

    words = words_of(page.xpath("//main")[0])
    assert title_of(page) == "Repetera utskicket"
    assert "6 läsare skulle få brev direkt" in words
    assert "Dessutom skulle 1 hitta den i sitt dagliga brev och 1 i sitt veckobrev." in words
    assert "1 adress har avvisats för många gånger och hoppas över." in words
    assert "Skicka alla 5 breven till mig" in words
    rows = [[words_of(cell) for cell in row] for row in page.xpath("//table[1]//tbody/tr")]
    assert ["Kultur", "3"] in rows
    assert ["Stöd", "3"] in rows
    assert ["Offentlig konst", "2"] in rows
    assert ["Offentlig konst och Kultur", "Svenska", "1"] in rows


def test_an_urgent_item_reaches_everybody_at_once(session: Session, eva: FlaskClient) -> None:
    make_audience(session)
    make_draft(session, urgent=True)

    words = words_of(read_page(eva.get(PAGE)).xpath("//main")[0])

    assert "8 läsare skulle få brev direkt Viktigt meddelande" in words
    assert "också till dem som har valt brev varje dag eller varje vecka." in words


def test_who_has_had_the_letter_is_not_counted_again(app: Flask, session: Session, eva: FlaskClient) -> None:
    make_audience(session)
    item = make_draft(session, "stod")
    now = clock.now()
    publishing.publish(item, at=now, now=now)
    session.commit()
    deliver_everything(app, session, MemoryTransport(), now=now)
    item.urgent = True
    session.commit()

    words = words_of(read_page(eva.get(PAGE)).xpath("//main")[0])

    assert "1 läsare skulle få brev direkt" in words  # The one who chose daily letters.
    assert "3 läsare har redan fått ett brev om den och får inget nytt." in words


def test_every_edition_comes_to_the_editor_over_smtp_and_to_nobody_else(
    session: Session, eva: FlaskClient, mailbox: MailboxStore
) -> None:
    make_audience(session)
    make_draft(session)
    before = read_tables(session)

    page = rehearse(eva)

    assert "5 brev har skickats till dig." in words_of(page.xpath("//*[@role='status']")[0])
    found = letters(mailbox)
    assert {one.to for one in mailbox.list()} == {"eva@example.org"}
    assert [one["X-Newsroom-Rehearsal"] for one in found] == ["2", "1", "1", "1", "1"]
    assert {one["Subject"] for one in found} == {"Bron öppnar"}
    assert {one["To"] for one in found} == {"eva@example.org"}
    texts = [" ".join(str(one.get_body(("plain",)).get_content()).split()) for one in found]  # type: ignore[union-attr]
    assert any("because you follow Culture" in text for text in texts)
    assert any("för att du följer Offentlig konst och Kultur." in text for text in texts)
    assert read_tables(session) == before


def test_a_rehearsed_letter_is_the_real_one_but_for_its_names(
    app: Flask, session: Session, eva: FlaskClient, mailbox: MailboxStore
) -> None:
    make_subscriber(session, "ana@example.org", "stod", now=clock.now() - DAY)
    item = make_draft(session, "stod", urgent=True)
    rehearse(eva)
    (rehearsed,) = [found[1] for one in mailbox.list() if (found := mailbox.read(one.id))]
    now = clock.now()
    publishing.publish(item, at=now, now=now)
    session.commit()
    post = MemoryTransport()
    deliver_everything(app, session, post, now=now)

    def without_names(letter: bytes) -> str:
        text = letter.replace(b"\r\n", b"\n").decode()
        text = re.sub(r"^(X-Newsroom-Rehearsal|To|Message-ID|Date): .*\n", "", text, flags=re.M)
        text = re.sub(r"/avsluta/[\w-]+/[\w-]+", "/avsluta/", text.replace("=\n", ""))
        return re.sub(r"=_[0-9a-f]{32}", "=_", text)

    assert without_names(rehearsed) == without_names(post.accepted[0].letter)


def test_the_link_to_leave_in_a_rehearsal_is_nobodys(
    session: Session, eva: FlaskClient, client: FlaskClient, mailbox: MailboxStore
) -> None:
    make_subscriber(session, "ana@example.org", "stod", now=clock.now() - DAY)
    make_draft(session, "stod")
    rehearse(eva)
    before = read_tables(session)

    (letter,) = letters(mailbox)
    link = re.search(r"/avsluta/[\w-]+/[\w-]+", letter["List-Unsubscribe"])

    assert link
    assert client.get(link.group()).status_code == 404
    assert client.post(link.group(), data={"List-Unsubscribe": "One-Click"}).status_code == 404
    assert read_tables(session) == before


def test_where_nobody_would_get_a_letter_there_is_one_to_look_at(
    session: Session, eva: FlaskClient, mailbox: MailboxStore
) -> None:
    make_draft(session)

    assert "Just nu skulle ingen få något brev." in words_of(read_page(eva.get(PAGE)))
    rehearse(eva)

    assert [one["X-Newsroom-Rehearsal"] for one in letters(mailbox)] == ["0"]


@on_sqlite
def test_in_production_the_letters_go_into_the_mailbox_without_a_wire(
    database: str, session: Session, desk: None, logins: list[Login], tmp_path: Path
) -> None:
    make_audience(session)
    make_draft(session)
    values = {
        "PUBLIC_URL": "https://nyheter.example.org",
        "SECRET_KEY": "a secret for tests alone, long enough to be one",
        "MAIL_SERVER": "mail.invalid",
        "MAIL_DEFAULT_SENDER": "nyheter@example.org",
        "SQLALCHEMY_DATABASE_URI": database,
    }
    app = create_app(settings(tmp_path, **values) | {"SESSION_COOKIE_SECURE": False})
    eva = enter(app, logins[0])

    rehearse(eva)

    assert len(MailboxStore(tmp_path).list()) == 5
    assert eva.get("/dev/mailbox").status_code == 404
    page = read_page(eva.get("/desk/mailbox"))
    assert len(page.xpath("//tbody/tr")) == 5


@on_sqlite
def test_a_mail_server_that_is_away_is_said_and_nothing_is_lost(app: Flask, session: Session, eva: FlaskClient) -> None:
    make_draft(session)
    app.extensions["mail"].port = 1

    page = rehearse(eva)

    assert "Repetitionen kom inte fram" in words_of(page.xpath("//*[@role='status']")[0])


@on_sqlite
def test_an_item_without_topics_or_letters_has_nothing_to_rehearse(session: Session, eva: FlaskClient) -> None:
    make_draft(session, announce=False)

    assert "Inga brev skickas för den här nyheten." in words_of(read_page(eva.get(PAGE)))
    assert not read_page(eva.get("/desk/items/1")).xpath("//a[contains(@href, 'rehearsal')]")
    assert eva.get("/desk/items/7/rehearsal").status_code == 404


@on_sqlite
def test_nobody_rehearses_or_reads_without_a_login_or_from_another_site(
    session: Session, eva: FlaskClient, client: FlaskClient, mailbox: MailboxStore
) -> None:
    make_draft(session)
    rehearse(eva)

    assert client.post(PAGE).location == "/desk/login"
    answer = eva.post(PAGE, data={"csrf_token": "x"})
    assert (answer.status_code, answer.location) == (302, PAGE)
    for address in (PAGE, "/desk/mailbox", "/desk/mailbox.json", "/desk/mailbox/1", "/desk/mailbox/1.html"):
        assert "/desk/login" in client.get(address).location
    assert len(mailbox.list()) == 1


@on_sqlite
def test_the_mailbox_at_the_desk_keeps_its_links_behind_the_login(
    session: Session, eva: FlaskClient, mailbox: MailboxStore
) -> None:
    make_draft(session)
    rehearse(eva)

    listed = read_page(eva.get("/desk/mailbox"))
    (link,) = listed.xpath("//tbody//a/@href")
    page = read_page(eva.get(link))

    assert link == "/desk/mailbox/1"
    assert page.xpath("//iframe/@src") == ["/desk/mailbox/1.html"]
    assert [one for one in page.xpath("//main//@href") if not one.startswith("/desk/")] == []
    html = eva.get("/desk/mailbox/1.html")
    assert "sandbox" in html.headers["Content-Security-Policy"]
    assert eva.get("/desk/mailbox.json").get_json()[0]["eml"].endswith("/desk/mailbox/1.eml")
    assert read_page(eva.get("/dev/mailbox")).xpath("//tbody//a/@href") == ["/dev/mailbox/1"]
