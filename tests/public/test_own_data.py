"""Letters to you, and a copy of everything we know."""

import datetime as dt
import json

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from newsroom import clock
from newsroom.delivery.answers import Outcome, Result
from newsroom.delivery.models import Delivery
from newsroom.delivery.transport import MemoryTransport
from newsroom.extensions import Base
from newsroom.news import publishing
from newsroom.news.models import Item
from tests.factories import DAY, HOUR, MINUTE, NOON, deliver_everything, make_item, make_subscriber, make_topics
from tests.pages import read_page, title_of, words_of
from tests.public.test_my_topics import enter, save
from tests.reader import ANA, receive, subscribe

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def publish(app: Flask, session: Session, headline: str, *, ago: dt.timedelta, answer: Outcome | None = None) -> None:
    now = clock.now() - ago
    make_item(session, "stod", headline=headline, published_at=now)
    session.commit()
    post = MemoryTransport(answers={ANA: [answer]} if answer is not None else {})
    deliver_everything(app, session, post, now=now)
    session.commit()


def test_letters_are_listed_with_what_became_of_each(app: Flask, session: Session, client: FlaskClient) -> None:
    number = subscribe(session, "stod")
    enter(session, client, number)
    assert "Inget brev har skickats till dig än." in words_of(read_page(client.get("/mina-amnen/brev")))
    publish(app, session, "Den första", ago=4 * HOUR)
    refused = Outcome(Result.REFUSED, 550, "5.1.1 <ana@example.org> no such user", reason="address")
    publish(app, session, "Den avvisade", ago=3 * HOUR, answer=refused)
    publish(app, session, "Den sena", ago=2 * HOUR, answer=Outcome(Result.LATER, 451, "4.7.1 later"))
    session.execute(sa.update(Item).where(Item.headline == "Den första").values(withdrawn_at=clock.now()))
    session.commit()
    assert save(client, frequency="weekly").status_code == 200

    page = read_page(client.get("/mina-amnen/brev"))

    assert title_of(page) == "Brev till dig"
    rows = [words_of(one) for one in page.xpath("//main//ol/li")]
    assert [row.split(" ", 4)[-1] for row in rows] == [
        "På väg: din e-postserver har bett oss återkomma senare Den sena",
        "Avvisat: din e-postserver svarade att adressen inte tar emot post Den avvisade",
        "Skickat Den första",
    ]
    assert [words_of(one) for one in page.xpath("//main//ol//a")] == ["Den sena", "Den avvisade"]  # One is withdrawn.


@on_sqlite
def test_a_correction_and_an_important_message_are_labelled_in_the_list(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    enter(session, client, subscribe(session, "stod"))
    publish(app, session, "Vattnet ska kokas", ago=2 * HOUR)
    item = session.scalars(sa.select(Item)).one()
    publishing.correct(item, "Det gäller bara Resarö.", announce=True, now=clock.now() - HOUR)
    make_item(session, "stod", headline="Bron är stängd", published_at=clock.now() - MINUTE).urgent = True
    receive(app, session)

    for prefix, urgent, correction in (
        ("", "Viktigt meddelande", "Rättelse"),
        ("/en", "Important message", "Correction"),
    ):
        rows = read_page(client.get(f"{prefix}/mina-amnen/brev")).xpath("//main//ol/li")
        labels = {words_of(row.xpath(".//a")[0]): [words_of(one) for one in row.xpath(".//strong")] for row in rows[:2]}
        assert labels == {"Bron är stängd": [urgent], "Vattnet ska kokas": [correction]}
        assert rows[2].xpath(".//strong") == []


@on_sqlite
def test_a_weeks_letter_is_listed_with_the_days_that_it_told_of(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    make_topics(session)
    enter(session, client, make_subscriber(session, ANA, "stod", frequency="weekly", now=NOON - 9 * DAY).id)
    make_item(session, "stod", published_at=NOON)
    session.commit()
    deliver_everything(app, session, MemoryTransport(), now=NOON + 4 * DAY)
    session.commit()
    for prefix, words in (("", "Veckans nyheter, 9–15 november 2026"), ("/en", "The week's news, 9–15 November 2026")):
        listed = read_page(client.get(f"{prefix}/mina-amnen/brev")).xpath("//main//ol/li")
        assert words in words_of(listed[0])


@on_sqlite
def test_a_digest_is_listed_with_its_news_and_the_list_is_paged(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    make_topics(session)
    enter(session, client, make_subscriber(session, ANA, "stod", frequency="daily", now=NOON - 40 * DAY).id)
    for days in range(30, 0, -1):
        make_item(session, "stod", headline=f"För {days} dagar sedan", published_at=NOON - days * DAY)
    session.commit()
    for days in range(29, -1, -1):
        deliver_everything(app, session, MemoryTransport(), now=NOON - days * DAY)
        session.commit()
    count = session.scalar(sa.select(sa.func.count()).select_from(Delivery)) or 0
    session.rollback()
    assert 20 < count < 40
    seen: list[str] = []
    for number in (1, 2):
        page = read_page(client.get(f"/mina-amnen/brev?sida={number}"))
        seen += [words_of(one) for one in page.xpath("//main//ol/li")]
    assert len(seen) == len(set(seen)) == count
    assert "Dagens nyheter, " in seen[0]
    for bad in ("0", "3", "x", "99999"):
        assert client.get(f"/mina-amnen/brev?sida={bad}").status_code == 404


def test_a_copy_holds_everything_with_times_that_machines_can_read(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    number = subscribe(session, "stod", "kultur")
    subscribe(session, "bibliotek", address="bo@example.org")
    enter(session, client, number)
    said = Outcome(Result.ACCEPTED, 250, "2.1.5 <ana@example.org> taken")
    publish(app, session, "Åäö – så blir det", ago=HOUR, answer=said)
    save(client, topics=["stod", "bibliotek"], frequency="weekly", pause=(clock.now() + 9 * DAY).date().isoformat())
    client.post("/mina-amnen/adress", data={"email": "ny@example.org"})
    receive(app, session)

    answer = client.get("/mina-amnen/uppgifter.json")

    assert answer.headers["Content-Disposition"] == 'attachment; filename="mina-uppgifter.json"'
    text = answer.get_data(as_text=True)
    assert "Åäö – så blir det" in text  # Readable, not escaped.
    assert "bo@example.org" not in text
    data = json.loads(text)
    assert (data["format"], data["subscriber"]["address"]) == ("newsroom-export-1", ANA)
    active = {one["topic"]: one["frequency"] for one in data["subscriptions"] if one["ended_at"] is None}
    assert active == {"stod": "weekly", "bibliotek": "weekly"}
    assert {one["end_reason"] for one in data["subscriptions"]} == {None, "changed", "unsubscribed"}
    assert [one["kind"] for one in data["consent"]] == ["given", "taken_back", "given", "changed", "paused"]
    assert data["sign_ups"][0]["topics"][0]["frequency"] == "direct"
    assert [one["to_another_address"] for one in data["letters_asked_for"]] == [None, "ny@example.org"]
    (letter,) = [one for one in data["letters"] if one["kind"] == "news"]
    assert (letter["items"], letter["state"]) == (["Åäö – så blir det"], "accepted")
    assert letter["mail_servers_words"] == "2.1.5 <ana@example.org> taken"
    assert len(data["logins"]) == 1

    def check(value: object, name: str = "") -> None:
        if isinstance(value, dict):
            for key, inner in value.items():
                check(inner, key)
        elif isinstance(value, list):
            for inner in value:
                check(inner)
        elif name.endswith(("_at", "_until")) and value is not None:
            assert dt.datetime.fromisoformat(str(value)).tzinfo is not None

    check(data)


def test_the_copy_covers_every_table_that_knows_a_subscriber() -> None:
    refers = {
        table.name
        for table in Base.metadata.sorted_tables
        if any(key.column.table.name in ("subscriber", "signup") for key in table.foreign_keys)
        or "subscriber_id" in table.columns
    }
    # A mailing belongs to one person by its sign-up or personal letter, and is told of among the letters.
    assert refers == {
        "subscription",
        "signup",
        "signup_topic",
        "consent_event",
        "reader_session",
        "personal_letter",
        "delivery",
        "mailing",
    }
