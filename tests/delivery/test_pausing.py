"""Who has paused gets important messages and nothing else; the rehearsal's numbers say so beforehand."""

import datetime as dt

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.delivery import rehearsing
from newsroom.delivery.models import Delivery
from newsroom.delivery.transport import MemoryTransport
from newsroom.engine.rules import rules_of
from newsroom.news.models import Item
from newsroom.subscribers.models import Subscriber
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    deliver_everything,
    make_item,
    make_subscriber,
    make_topics,
    tick_through,
)


@pytest.fixture(autouse=True)
def _audience(session: Session) -> None:
    """For each frequency, one who has paused until an hour after noon and one who hasn't."""
    make_topics(session)
    for frequency in ("direct", "daily", "weekly"):
        make_subscriber(session, f"here.{frequency}@example.org", "stod", frequency=frequency, now=NOON - 30 * DAY)
        away = make_subscriber(session, f"away.{frequency}@example.org", "stod", frequency=frequency)
        away.paused_until = NOON + 30 * DAY
    session.commit()


def sent(app: Flask, session: Session, *, now: dt.datetime) -> set[str]:
    session.commit()
    post = MemoryTransport()
    deliver_everything(app, session, post, now=now)
    return {one.to.removesuffix("@example.org") for one in post.accepted}


def test_no_news_and_no_digest_goes_to_who_has_paused(app: Flask, session: Session) -> None:
    make_item(session, "stod")
    assert sent(app, session, now=NOON) == {"here.direct"}
    assert sent(app, session, now=NOON + DAY) == {"here.daily"}
    assert sent(app, session, now=NOON + 4 * DAY) == {"here.weekly"}


def test_important_messages_come_all_the_same(app: Flask, session: Session) -> None:
    item = make_item(session, "stod")
    item.urgent = True
    frequencies = ("direct", "daily", "weekly")
    assert sent(app, session, now=NOON) == {f"{who}.{one}" for who in ("here", "away") for one in frequencies}


def test_letters_come_again_from_the_day_on_and_not_those_from_before(app: Flask, session: Session) -> None:
    for one in session.scalars(sa.select(Subscriber).where(Subscriber.paused_until.is_not(None))):
        one.paused_until = NOON + HOUR
    make_item(session, "stod", headline="Under pausen")
    assert sent(app, session, now=NOON) == {"here.direct"}
    make_item(session, "stod", headline="Efter pausen", published_at=NOON + HOUR)
    assert sent(app, session, now=NOON + HOUR) == {"here.direct", "away.direct"}
    assert sent(app, session, now=NOON + DAY) == {"here.daily", "away.daily"}


def test_a_pause_begun_after_matching_holds_back_what_has_not_left(app: Flask, session: Session) -> None:
    item = make_item(session, "stod")
    session.commit()
    tick_through(session, rules_of(app), now=NOON)
    here = session.scalars(sa.select(Subscriber).where(Subscriber.address == "here.direct@example.org")).one()
    here.paused_until = NOON + DAY
    number, item_id = here.id, item.id

    assert sent(app, session, now=NOON) == set()

    row = session.scalars(sa.select(Delivery).where(Delivery.subscriber_id == number)).one()
    assert (row.state, row.reason) == ("skipped", "paused")
    assert session.get_one(Item, item_id).withdrawn_at is None


@pytest.mark.parametrize("urgent", [False, True])
def test_the_rehearsal_counts_as_matching_does(app: Flask, session: Session, urgent: bool) -> None:
    item = make_item(session, "stod")
    item.urgent = urgent
    session.commit()
    ahead = rehearsing.rehearse(session, item, now=NOON, most_refusals=3)
    session.rollback()
    assert ahead.readers == len(sent(app, session, now=NOON))
    assert (ahead.readers, ahead.in_daily, ahead.in_weekly) == ((6, 0, 0) if urgent else (1, 1, 1))
