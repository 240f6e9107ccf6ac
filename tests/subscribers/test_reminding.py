"""One reminder, and only to who may still want it."""

import datetime as dt
from email import message_from_bytes, policy

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from newsroom import clock
from newsroom.delivery.transport import MemoryTransport
from newsroom.subscribers import reminding, signup
from newsroom.subscribers.models import PersonalLetter, Signup, Subscription
from tests.factories import DAY, HOUR, MINUTE, NOON, deliver_everything, make_signup, make_subscriber, make_topics
from tests.journeys.conftest import link_in, text_of
from tests.tables import read_tables

LATER = NOON + DAY


@pytest.fixture(autouse=True)
def _topics(session: Session) -> None:
    make_topics(session)
    session.commit()


def reminded(session: Session, *, now: dt.datetime = LATER) -> list[str]:
    """Who is reminded when the engine looks at `now`."""
    reminding.remind(session, now=now)
    session.commit()
    letters = session.scalars(sa.select(PersonalLetter).order_by(PersonalLetter.id)).all()
    return [one.subscriber.address for one in letters if one.asked_at == now]


def test_who_has_not_said_yes_after_a_day_is_reminded_once(session: Session) -> None:
    make_signup(session, "ana@example.org", "stod", now=NOON)

    assert reminded(session, now=LATER - MINUTE) == []
    assert reminded(session, now=LATER) == ["ana@example.org"]
    assert reminded(session, now=LATER + MINUTE) == []
    assert reminded(session, now=LATER + 3 * DAY) == []


def test_who_said_yes_is_left_in_peace(session: Session) -> None:
    signup.confirm(session, make_signup(session, "ana@example.org", "stod", now=NOON), now=NOON + HOUR)

    assert reminded(session) == []


def test_only_the_newest_wish_of_an_address_is_reminded_of(session: Session) -> None:
    make_signup(session, "ana@example.org", "stod", now=NOON)
    newest = make_signup(session, "ana@example.org", "kultur", now=NOON + HOUR)

    assert reminded(session, now=LATER) == []
    assert reminded(session, now=LATER + HOUR) == ["ana@example.org"]
    assert session.scalars(sa.select(PersonalLetter)).one().signup_id == newest.id


def test_a_newer_wish_that_was_answered_makes_the_older_one_silent(session: Session) -> None:
    make_signup(session, "ana@example.org", "stod", now=NOON)
    signup.confirm(session, make_signup(session, "ana@example.org", "kultur", now=NOON + HOUR), now=NOON + HOUR)

    assert reminded(session) == []


@pytest.mark.parametrize(
    ("topics", "frequency", "expected"),
    [
        (["stod"], "direct", []),  # All of it holds already.
        (["stod", "kultur"], "direct", ["ana@example.org"]),
        (["stod"], "weekly", ["ana@example.org"]),
    ],
)
def test_what_is_followed_already_is_not_reminded_of(
    session: Session, topics: list[str], frequency: str, expected: list[str]
) -> None:
    make_subscriber(session, "ana@example.org", "stod", now=NOON - 9 * DAY)
    make_signup(session, "ana@example.org", *topics, frequency=frequency, now=NOON)

    assert reminded(session) == expected


def test_a_topic_that_was_left_counts_as_not_followed(session: Session) -> None:
    make_subscriber(session, "ana@example.org", "stod", now=NOON - 9 * DAY)
    session.execute(sa.update(Subscription).values(ended_at=NOON - DAY, end_reason="unsubscribed"))
    make_signup(session, "ana@example.org", "stod", now=NOON)

    assert reminded(session) == ["ana@example.org"]


def test_an_address_that_refused_the_first_letter_gets_no_second(session: Session) -> None:
    make_signup(session, "ana@example.org", "stod", now=NOON).subscriber.refusals = 1

    assert reminded(session) == []


def test_after_a_long_standstill_nobody_gets_a_late_reminder(session: Session) -> None:
    make_signup(session, "late@example.org", "stod", now=NOON)
    make_signup(session, "intime@example.org", "stod", now=NOON + MINUTE)

    assert reminded(session, now=NOON + 2 * DAY) == ["intime@example.org"]
    assert session.scalars(sa.select(Signup.remind_at)).all() == [None, None]


def test_reminders_go_a_portion_at_a_time(session: Session) -> None:
    for number in range(5):
        make_signup(session, f"reader{number}@example.org", "stod", now=NOON)

    assert [reminding.remind(session, now=LATER, most=2) for _ in range(4)] == [2, 2, 1, 0]


def test_the_reminder_has_the_first_letters_link_and_the_yes_works(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    asked = clock.now() - DAY
    make_signup(session, "ana@example.org", "stod", "kultur", frequency="weekly", now=asked)
    make_signup(session, "eve@example.org", "stod", language="en", now=asked)
    session.commit()
    post = MemoryTransport()
    deliver_everything(app, session, post, now=asked + MINUTE)
    deliver_everything(app, session, post, now=asked + DAY)
    deliver_everything(app, session, post, now=asked + DAY + MINUTE)

    letters = [message_from_bytes(one.letter, policy=policy.default) for one in post.accepted]
    first, second = [one for one in letters if one["To"] == "ana@example.org"]
    assert second["Subject"] == "Påminnelse: vill du ha nyheter från Region Stockholm Nyheter?"
    assert link_in(first, "bekrafta") == link_in(second, "bekrafta")
    words = " ".join(text_of(second).split())
    assert "Varje vecka: • Kultur • Stöd" in words
    assert "den enda påminnelsen" in words
    assert link_in(second, "bekrafta") in text_of(second, "html")
    english = [one for one in letters if one["To"] == "eve@example.org"][1]
    assert english["Subject"] == "Reminder: do you want news from Region Stockholm Nyheter?"
    assert "/en/bekrafta/" in link_in(english, "bekrafta")

    link = link_in(second, "bekrafta").removeprefix("http://127.0.0.1:8000")
    assert client.post(link).status_code == 303
    follows = session.scalars(sa.select(Subscription)).all()
    assert {(one.topic.slug, one.frequency) for one in follows} == {("stod", "weekly"), ("kultur", "weekly")}


def test_looking_when_nothing_is_due_changes_nothing(session: Session) -> None:
    make_signup(session, "ana@example.org", "stod", now=NOON)
    before = read_tables(session)

    assert reminding.remind(session, now=NOON + HOUR) == 0

    assert read_tables(session) == before
