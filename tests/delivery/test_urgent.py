"""An important message goes at once to everybody who follows its topics, and is then left out of their digest."""

import email
from collections import Counter

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.delivery.models import Batch, Lane, Mailing
from newsroom.delivery.ticking import tick
from newsroom.delivery.transport import MemoryTransport
from newsroom.engine.rules import rules_of
from tests.factories import DAY, HOUR, MINUTE, NOON, deliver_everything, make_item, make_subscriber, make_topics

NEXT_MORNING = NOON + 19 * HOUR  # 07:00 in Stockholm.


@pytest.fixture
def post() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture(autouse=True)
def _subscribers(session: Session) -> None:
    make_topics(session)
    for frequency in ("direct", "daily", "weekly"):
        make_subscriber(session, f"{frequency}@example.org", "stod", frequency=frequency, now=NOON - 20 * DAY)
    session.commit()


def got(post: MemoryTransport) -> Counter[str]:
    return Counter(letter.to.partition("@")[0] for letter in post.accepted)


def test_it_reaches_everybody_at_once_and_stands_in_no_digest(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    make_item(session, "stod", headline="Översvämning").urgent = True
    deliver_everything(app, session, post, now=NOON)
    assert got(post) == {"direct": 1, "daily": 1, "weekly": 1}
    assert all(email.message_from_bytes(letter.letter)["Importance"] == "high" for letter in post.accepted)

    make_item(session, "stod", headline="Vanlig nyhet", published_at=NOON + HOUR)
    deliver_everything(app, session, post, now=NOON + HOUR)
    deliver_everything(app, session, post, now=NEXT_MORNING)
    deliver_everything(app, session, post, now=NEXT_MORNING + 3 * DAY)  # Monday.

    assert got(post) == {"direct": 2, "daily": 2, "weekly": 2}
    digests = post.accepted[-2:]
    assert all(b"Vanlig nyhet" in letter.letter for letter in digests)
    assert not any(b"versv=C3=A4mning" in letter.letter for letter in digests)


def test_an_item_that_becomes_urgent_later_reaches_only_those_whom_its_news_did_not(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    item = make_item(session, "stod")
    deliver_everything(app, session, post, now=NOON)
    assert got(post) == {"direct": 1}

    item.urgent = True
    session.commit()
    for minutes in range(3):
        deliver_everything(app, session, post, now=NOON + (10 + minutes) * MINUTE)

    assert got(post) == {"direct": 1, "daily": 1, "weekly": 1}


def test_it_goes_before_other_news_and_after_confirmations(app: Flask, session: Session) -> None:
    make_item(session, "stod", published_at=NOON - MINUTE)
    make_item(session, "stod").urgent = True
    session.commit()
    with app.app_context():
        while tick(session, rules_of(app), now=NOON):
            pass
    lanes = session.scalars(sa.select(Batch.lane).order_by(Batch.lane, Batch.due_at, Batch.id)).all()
    assert lanes == [Lane.URGENT, Lane.NEWS]
    assert Lane.CONFIRMATION < Lane.URGENT < Lane.NEWS < Lane.DIGEST


def test_an_urgent_item_that_is_far_too_late_waits_for_a_persons_yes(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    make_item(session, "stod", published_at=NOON - 13 * HOUR).urgent = True
    deliver_everything(app, session, post, now=NOON)
    assert got(post) == {"daily": 1}  # In this morning's digest, which was caught up.
    assert session.scalars(sa.select(Mailing.state).where(Mailing.kind == "urgent")).one() == "held"
