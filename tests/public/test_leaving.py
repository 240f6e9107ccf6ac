"""Leaving by the link in a letter: with a page and one button, by one click in the mail client, and back again."""

import email
import email.policy
import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from newsroom import clock, create_app
from newsroom.delivery.models import Mailing
from newsroom.delivery.transport import MemoryTransport
from newsroom.extensions import db
from newsroom.subscribers import leaving
from newsroom.subscribers.models import ConsentEvent, Subscriber, Subscription
from newsroom.subscribers.signup import confirm
from tests.conftest import SECRET, settings
from tests.factories import DAY, HOUR, deliver_everything, make_item, make_signup, make_subscriber, make_topics
from tests.pages import filled_in, find_form, read_page, title_of, words_of
from tests.tables import count_new, read_tables

YEAR = 365 * DAY
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def receive(app: Flask, session: Session, *slugs: str, address: str = "ana@example.org", years: int = 0) -> str:
    """Publish an item some years ago and deliver it; gives the address's link to leave, from its letter's header."""
    then = clock.now() - years * YEAR - HOUR
    make_item(session, *slugs, published_at=then)
    post = MemoryTransport()
    deliver_everything(app, session, post, now=then)
    (letter,) = [one.letter for one in post.accepted if one.to == address]
    message = email.message_from_bytes(letter, policy=email.policy.default)
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    return str(message["List-Unsubscribe"]).removeprefix("<http://127.0.0.1:8000").removesuffix(">")


def subscribe(session: Session, *slugs: str, address: str = "ana@example.org", language: str = "sv") -> None:
    make_topics(session)
    make_subscriber(session, address, *slugs, language=language, now=clock.now() - 20 * YEAR)
    session.commit()


def follows(session: Session, address: str = "ana@example.org") -> set[str]:
    """What an address follows now."""
    session.rollback()
    rows = session.scalars(
        sa.select(Subscription)
        .join(Subscriber, Subscriber.id == Subscription.subscriber_id)
        .where(Subscriber.address == address, Subscription.ended_at.is_(None))
    )
    found = {row.topic.slug for row in rows}
    session.rollback()
    return found


def test_opening_the_link_shows_what_would_end_and_one_button_and_changes_nothing(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    subscribe(session, "stod", "kultur", "bibliotek")
    link = receive(app, session, "offentlig-konst", "stod")
    before = read_tables(session)

    for method in ("GET", "HEAD", "GET"):
        assert client.open(link, method=method).status_code == 200
    page = read_page(client.get(link))

    assert title_of(page) == "Vill du avsluta breven?"
    assert [words_of(one) for one in page.xpath("//main/*/ul/li")] == ["Kultur", "Stöd"]
    (form,) = page.xpath("//main//form")
    assert (form.get("method"), form.get("action")) == ("post", None)
    assert [words_of(one) for one in form.xpath(".//button")] == ["Avsluta de här breven"]
    assert read_tables(session) == before


def test_one_press_ends_what_the_letter_came_for(app: Flask, session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod", "kultur", "bibliotek")
    link = receive(app, session, "offentlig-konst", "stod")

    answer = client.post(link)

    page = read_page(answer)
    assert (answer.status_code, title_of(page)) == (200, "Breven är avslutade")
    assert [words_of(one) for one in page.xpath("//main//li")] == ["Kultur", "Stöd"]
    assert follows(session) == {"bibliotek"}
    event = session.scalars(sa.select(ConsentEvent).where(ConsentEvent.kind == "taken_back")).one()
    assert (event.source, event.topics) == ("web", ["kultur", "stod"])


def test_a_second_press_finds_nothing_left_to_do(app: Flask, session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod")
    link = receive(app, session, "stod")
    client.post(link)
    before = read_tables(session)

    again = client.post(link)

    page = read_page(again)
    assert (again.status_code, title_of(page)) == (200, "Breven är avslutade")
    assert page.xpath("//main//form") == []  # Nothing ended now, so there is nothing to undo.
    opened = read_page(client.get(link))
    assert (title_of(opened), opened.xpath("//main//form")) == ("Breven är avslutade", [])
    assert read_tables(session) == before


@on_sqlite
def test_an_english_letter_leads_to_english_pages(app: Flask, session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod", language="en")
    link = receive(app, session, "stod")

    assert link.startswith("/en/avsluta/")
    assert title_of(read_page(client.get(link))) == "Stop the letters?"
    left = read_page(client.post(link))
    assert title_of(left) == "These letters have stopped"
    form = find_form(left, "undo")
    assert title_of(read_page(client.post(form.get("action"), data=filled_in(form)))) == "You subscribe again"
    assert client.post(link, data=ONE_CLICK).data == b"You no longer get these letters.\n"


def follow_also(session: Session, *slugs: str, address: str = "ana@example.org") -> None:
    """Begin to follow more, now."""
    now = clock.now()
    confirm(session, make_signup(session, address, *slugs, now=now), now=now)
    session.commit()


def test_a_topic_begun_after_the_letter_is_not_ended_by_its_link(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    subscribe(session, "stod")
    subscribe(session, "stod", "bibliotek", address="bo@example.org")
    link = receive(app, session, "stod", "bibliotek")
    follow_also(session, "bibliotek")  # The item has that topic, too; but this letter didn't come for it.

    assert [words_of(one) for one in read_page(client.get(link)).xpath("//main/*/ul/li")] == ["Stöd"]
    assert client.get(f"{link}/amne/bibliotek").status_code == 404
    client.post(link, data=ONE_CLICK)

    assert follows(session) == {"bibliotek"}


# One topic of several, or everything


def test_one_of_a_letters_topics_can_be_ended_alone(app: Flask, session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod", "kultur", "bibliotek")
    link = receive(app, session, "offentlig-konst", "stod")
    opened = read_page(client.get(link))
    (way,) = opened.xpath("//a[normalize-space() = 'Avsluta bara Kultur']")
    before = read_tables(session)

    page = read_page(client.get(way.get("href")))
    assert [words_of(one) for one in page.xpath("//main/*/ul/li")] == ["Kultur"]
    assert len(page.xpath("//main//form")) == len(page.xpath("//main//button")) == 1
    assert read_tables(session) == before

    for number in range(2):
        left = read_page(client.post(way.get("href")))
        assert title_of(left) == "Breven är avslutade"
        assert [words_of(one) for one in left.xpath("//main/*/ul/li")] == ["Kultur"]
        assert "Du följer fortfarande 2 ämnen" in words_of(left)
        assert len(left.xpath("//main//form")) == 1 - number  # The second time nothing ended.
        assert follows(session) == {"stod", "bibliotek"}
    assert left.xpath("//main//a[@href = '/mina-amnen']") != []


def test_everything_can_be_ended_from_any_letter_and_taken_back(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    subscribe(session, "stod", "kultur", "bibliotek")
    link = receive(app, session, "stod")
    (way,) = read_page(client.get(link)).xpath("//a[normalize-space() = 'Avsluta alla brev från oss']")
    before = read_tables(session)
    page = read_page(client.get(way.get("href")))
    assert (title_of(page), len(page.xpath("//main//button"))) == ("Vill du avsluta alla brev?", 1)
    assert read_tables(session) == before

    left = read_page(client.post(way.get("href")))

    assert title_of(left) == "Alla brev är avslutade"
    assert "Du följde 3 ämnen. Nu får du inga fler nyhetsbrev från oss." in words_of(left)
    assert follows(session) == set()
    event = session.scalars(sa.select(ConsentEvent).where(ConsentEvent.kind == "taken_back")).one()
    assert (event.source, event.topics) == ("web", ["kultur", "bibliotek", "stod"])
    session.rollback()
    form = find_form(left, "undo")
    back = read_page(client.post(form.get("action"), data=filled_in(form)))
    assert [words_of(one) for one in back.xpath("//main/*/ul/li")] == ["Stöd", "2 ämnen till"]
    assert follows(session) == {"stod", "kultur", "bibliotek"}


@on_sqlite
def test_ending_everything_twice_is_ending_it_once(app: Flask, session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod", "bibliotek")
    link = receive(app, session, "stod") + "/alla"
    client.post(link)
    before = read_tables(session)

    again = read_page(client.post(link))

    assert (title_of(again), again.xpath("//main//form")) == ("Alla brev är avslutade", [])
    opened = read_page(client.get(link))
    assert (title_of(opened), opened.xpath("//main//form")) == ("Alla brev är avslutade", [])
    assert read_tables(session) == before


# One click in the mail client (RFC 8058)


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_one_click_ends_it_and_answers_200_twice(
    app: Flask, session: Session, client: FlaskClient, content_type: str
) -> None:
    subscribe(session, "stod", "bibliotek")
    link = receive(app, session, "stod")

    for _ in range(2):
        answer = client.post(link, data=ONE_CLICK, content_type=content_type)

        assert (answer.status_code, answer.mimetype) == (200, "text/plain")
        assert answer.get_data(as_text=True) == "Du får inte längre de här breven.\n"
        assert "Set-Cookie" not in answer.headers
        assert "Location" not in answer.headers

    assert follows(session) == {"bibliotek"}
    event = session.scalars(sa.select(ConsentEvent).where(ConsentEvent.kind == "taken_back")).one()
    assert (event.source, event.topics, event.frequency) == ("one-click", ["stod"], "direct")


@on_sqlite
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "null"},
        {"Origin": "https://mail.example.com", "Sec-Fetch-Site": "cross-site", "Referer": "https://mail.example.com/"},
        {"Origin": "http://[", "Sec-Fetch-Site": "x"},
        {"Cookie": "newsroom_desk=somebody-elses; session=x"},
        {"User-Agent": "", "Accept": "", "Accept-Language": "xx;q=abc"},
    ],
)
def test_one_click_asks_nobody_where_it_came_from(app: Flask, session: Session, headers: dict[str, str]) -> None:
    subscribe(session, "stod")
    link = receive(app, session, "stod")

    answer = app.test_client(use_cookies=False).post(link, data=ONE_CLICK, headers=headers)

    assert (answer.status_code, follows(session)) == (200, set())


@on_sqlite
def test_a_bare_post_ends_it_too(app: Flask, session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod")
    link = receive(app, session, "stod")

    # Some mail servers send the body without saying what it is.
    assert client.post(link, data=b"List-Unsubscribe=One-Click", content_type="").status_code == 200
    assert follows(session) == set()


@on_sqlite
def test_only_a_post_is_one_click(app: Flask, session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod")
    link = receive(app, session, "stod")

    assert client.get(link, query_string=ONE_CLICK).status_code == 200
    assert client.put(link, data=ONE_CLICK).status_code == 405
    assert client.delete(link).status_code == 405
    assert client.get(f"{link}/angra").status_code == 405
    assert follows(session) == {"stod"}


@on_sqlite
def test_a_body_of_5_mb_ends_nothing(app: Flask, session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod")
    link = receive(app, session, "stod")

    for address in (link, f"{link}/angra"):
        answer = client.post(
            address, data=b"List-Unsubscribe=" + b"x" * 5_000_000, content_type="application/x-www-form-urlencoded"
        )
        assert (answer.status_code, title_of(read_page(answer))) == (413, "Det var för mycket på en gång")
    assert follows(session) == {"stod"}


# Undo


def test_undo_brings_it_all_back(app: Flask, session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod", "kultur", "bibliotek")
    form = find_form(read_page(client.post(receive(app, session, "offentlig-konst", "stod"))), "undo")
    assert follows(session) == {"bibliotek"}

    for _ in range(2):  # Pressed twice is pressed once.
        answer = client.post(form.get("action"), data=filled_in(form))

        page = read_page(answer)
        assert (answer.status_code, title_of(page)) == (200, "Du prenumererar igen")
        assert [words_of(one) for one in page.xpath("//main//li")] == ["Kultur", "Stöd"]
        assert follows(session) == {"stod", "kultur", "bibliotek"}
    events = session.scalars(sa.select(ConsentEvent).where(ConsentEvent.kind == "restored")).all()
    assert [(one.source, one.topics, one.frequency) for one in events] == [("undo", ["kultur", "stod"], "direct")]


@on_sqlite
def test_undo_that_came_too_late_or_from_elsewhere_is_refused_with_a_page(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    subscribe(session, "stod")
    subscribe(session, "stod", address="bo@example.org")
    link = receive(app, session, "stod")
    session.commit()
    client.post(link)
    ended = session.scalars(sa.select(Subscription).where(Subscription.ended_at.is_not(None))).all()
    bos = session.scalars(sa.select(Subscription).where(Subscription.ended_at.is_(None))).all()
    keys, now = [SECRET], clock.now()
    tokens = [
        leaving.make_undo_token(ended, keys=keys, now=now - 25 * HOUR),
        leaving.make_undo_token(bos, keys=keys, now=now),
        leaving.make_undo_token(ended, keys=["another key"], now=now),
        "",
        "x",
        "\x00",
    ]
    good = leaving.make_undo_token(ended, keys=keys, now=now - 23 * HOUR)
    before = read_tables(session)

    for token in tokens:
        answer = client.post(f"{link}/angra", data={"undo": token})
        assert (answer.status_code, title_of(read_page(answer))) == (410, "För sent att ångra")
    assert client.post(f"{link}/angra").status_code == 410
    assert read_tables(session) == before

    assert client.post(f"{link}/angra", data={"undo": good}).status_code == 200
    assert count_new(before, read_tables(session)) == {"subscription": 1, "consent_event": 1}


# Links never expire


def test_links_of_old_letters_work_after_years_and_a_new_secret(app: Flask, session: Session, tmp_path: Path) -> None:
    subscribe(session, "stod", "bibliotek")
    link = receive(app, session, "stod", years=12)
    url = app.config["SQLALCHEMY_DATABASE_URI"]
    changed = create_app(settings(tmp_path, SECRET_KEY="another secret, long enough, too", SQLALCHEMY_DATABASE_URI=url))
    client = changed.test_client()

    assert title_of(read_page(client.get(link))) == "Vill du avsluta breven?"
    assert client.post(link, data=ONE_CLICK).status_code == 200
    assert client.post(link).status_code == 200

    assert follows(session) == {"bibliotek"}
    with changed.app_context():
        db.engine.dispose()


def test_a_link_that_names_nobody_or_nothing_is_not_found(app: Flask, session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod")
    link = receive(app, session, "stod")
    make_signup(session, "bo@example.org", "stod", now=clock.now())
    deliver_everything(app, session, MemoryTransport(), now=clock.now())
    _, _, token, key = link.split("/")
    confirmation = session.scalars(sa.select(Mailing.key).where(Mailing.kind == "confirmation")).all()
    before = read_tables(session)

    for bad in (
        f"/avsluta/{token}/{key[:-1]}",
        f"/avsluta/{token[:-1]}/{key}",
        f"/avsluta/{key}/{token}",
        f"/avsluta/{token}/{key}%00",
        f"/avsluta/%00{token}/{key}",
        f"/avsluta/{token}/%ED%A0%80",
        f"/avsluta/{token}/{'x' * 9000}",
        f"/avsluta/ana@example.org/{key}",
        f"{link}/amne/bibliotek",  # A topic that the letter didn't come for.
        f"{link}/amne/finns-inte",
        f"{link}/amne/%00",
        f"/avsluta/{token[:-1]}/{key}/alla",
        f"/avsluta/{token}/{key[:-1]}/alla",
        *(f"/avsluta/{token}/{one}" for one in confirmation),
    ):
        for address, method in ((bad, "GET"), (bad, "POST"), (f"{bad}/angra", "POST")):
            answer = client.open(address, method=method, data=ONE_CLICK if method == "POST" else None)
            assert (answer.status_code, title_of(read_page(answer))) == (404, "Sidan finns inte")

    assert read_tables(session) == before


@on_sqlite
def test_a_letters_link_says_nothing_about_whose_it_is(app: Flask, session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod", "bibliotek")
    link = receive(app, session, "stod")

    pages = (link, f"{link}/amne/stod", f"{link}/alla")
    for answer in [client.open(page, method=method) for page in pages for method in ("GET", "POST", "POST", "GET")]:
        text = answer.get_data(as_text=True)
        assert "example.org" not in re.sub(r"<footer.*</footer>", "", text, flags=re.DOTALL)
        assert "Bibliotek" not in text
