"""Leaving what a letter came for, and taking that back."""

import datetime as dt
from collections.abc import Sequence

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.delivery import ledger
from newsroom.delivery.models import Mailing, MailingTopic
from newsroom.delivery.transport import MemoryTransport
from newsroom.news.models import Item, Topic
from newsroom.subscribers import leaving
from newsroom.subscribers.models import ConsentEvent, Subscriber, Subscription
from newsroom.subscribers.signup import confirm
from tests.factories import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    deliver_everything,
    make_item,
    make_signup,
    make_subscriber,
    make_topics,
)
from tests.tables import count_new, read_tables

KEYS = ["a key for these tests"]


@pytest.fixture(autouse=True)
def _topics(session: Session) -> None:
    make_topics(session)


def deliver(app: Flask, session: Session, item: Item, *, now: dt.datetime = NOON) -> Sequence[int]:
    """Send an item's letters; says which topics they reached."""
    item_id = item.id
    deliver_everything(app, session, MemoryTransport(), now=now)
    reached = sa.select(MailingTopic.topic_id).where(MailingTopic.item_id == item_id).order_by(MailingTopic.bit)
    return session.scalars(reached).all()


def leave(session: Session, subscriber: Subscriber, topic_ids: Sequence[int]) -> Sequence[Subscription]:
    return leaving.leave(session, subscriber, topic_ids, source="web", now=NOON + HOUR)


def undo(session: Session, subscriber: Subscriber, token: str, *, hours: float = 1) -> Sequence[Subscription]:
    at = NOON + HOUR + dt.timedelta(hours=hours)
    return leaving.undo(session, subscriber, token, keys=KEYS, source="undo", now=at)


def make_undo_token(ended: Sequence[Subscription]) -> str:
    return leaving.make_undo_token(ended, keys=KEYS, now=NOON + HOUR)


def follows(session: Session, subscriber: Subscriber) -> dict[str, str]:
    """What somebody follows: frequency by topic."""
    session.flush()
    rows = session.scalars(
        sa.select(Subscription).where(Subscription.subscriber_id == subscriber.id, Subscription.ended_at.is_(None))
    )
    return {row.topic.slug: row.frequency for row in rows}


def events(session: Session) -> list[tuple[str, list[str], str | None, str, dt.datetime]]:
    """What was consented to and taken back, but for the sign-ups."""
    session.flush()
    rows = session.scalars(sa.select(ConsentEvent).where(ConsentEvent.kind != "given").order_by(ConsentEvent.id))
    return [(row.kind, row.topics, row.frequency, row.source, row.happened_at) for row in rows]


def test_leaving_ends_what_the_letter_came_for_and_nothing_else(app: Flask, session: Session) -> None:
    ana = make_subscriber(session, "ana@example.org", "kollektivtrafik", "stod", "bibliotek")
    bo = make_subscriber(session, "bo@example.org", "stod")
    topic_ids = deliver(app, session, make_item(session, "stod", "kollektivtrafik"))

    ended = leave(session, ana, topic_ids)

    assert {one.topic.slug for one in ended} == {"kollektivtrafik", "stod"}
    assert {(one.ended_at, one.end_reason) for one in ended} == {(NOON + HOUR, "unsubscribed")}
    assert follows(session, ana) == {"bibliotek": "direct"}
    assert follows(session, bo) == {"stod": "direct"}


def test_leaving_ends_the_parent_topic_that_the_letter_came_for(app: Flask, session: Session) -> None:
    ana = make_subscriber(session, "ana@example.org", "kultur", "kultur-och-halsa")
    topic_ids = deliver(app, session, make_item(session, "offentlig-konst"))

    assert [one.topic.slug for one in leave(session, ana, topic_ids)] == ["kultur"]
    assert follows(session, ana) == {"kultur-och-halsa": "direct"}


def test_leaving_is_written_down_with_topics_door_and_time(app: Flask, session: Session) -> None:
    ana = make_subscriber(session, "ana@example.org", "stod", "bibliotek", frequency="direct")
    topic_ids = deliver(app, session, make_item(session, "stod"))

    leaving.leave(session, ana, topic_ids, source="one-click", now=NOON + HOUR)

    assert events(session) == [("taken_back", ["stod"], "direct", "one-click", NOON + HOUR)]


def test_leaving_twice_is_leaving_once(app: Flask, session: Session) -> None:
    ana = make_subscriber(session, "ana@example.org", "stod")
    topic_ids = deliver(app, session, make_item(session, "stod"))
    leave(session, ana, topic_ids)
    before = read_tables(session)

    assert leaving.leave(session, ana, topic_ids, source="web", now=NOON + DAY) == []

    assert read_tables(session) == before


def test_after_leaving_no_letter_comes_any_more(app: Flask, session: Session) -> None:
    ana = make_subscriber(session, "ana@example.org", "stod")
    leave(session, ana, deliver(app, session, make_item(session, "stod")))
    make_item(session, "stod", published_at=NOON + 2 * HOUR)
    post = MemoryTransport()

    deliver_everything(app, session, post, now=NOON + 2 * HOUR)

    assert post.accepted == []


def test_undo_brings_back_what_ended_at_the_frequency_that_it_had(app: Flask, session: Session) -> None:
    ana = make_subscriber(session, "ana@example.org", "kollektivtrafik")
    confirm(session, make_signup(session, "ana@example.org", "stod", frequency="weekly"), now=NOON - HOUR)
    topic_ids = deliver(app, session, make_item(session, "stod", "kollektivtrafik"))
    ended = leave(session, ana, topic_ids)
    assert follows(session, ana) == {}

    restored = undo(session, ana, make_undo_token(ended))

    assert {one.topic.slug for one in restored} == {"kollektivtrafik", "stod"}
    assert follows(session, ana) == {"kollektivtrafik": "direct", "stod": "weekly"}
    assert all(one.ended_at == NOON + HOUR for one in ended)  # What ended stays ended; undo begins anew.
    # Topics at different frequencies are written down without one: no single one would be true.
    assert events(session) == [
        ("taken_back", ["kollektivtrafik", "stod"], None, "web", NOON + HOUR),
        ("restored", ["kollektivtrafik", "stod"], None, "undo", NOON + 2 * HOUR),
    ]


def test_undoing_twice_is_undoing_once(app: Flask, session: Session) -> None:
    ana = make_subscriber(session, "ana@example.org", "stod")
    token = make_undo_token(leave(session, ana, deliver(app, session, make_item(session, "stod"))))
    undo(session, ana, token)
    before = read_tables(session)

    assert [one.topic.slug for one in undo(session, ana, token)] == ["stod"]

    assert read_tables(session) == before
    assert follows(session, ana) == {"stod": "direct"}


def test_undo_leaves_what_was_begun_anew_meanwhile(app: Flask, session: Session) -> None:
    ana = make_subscriber(session, "ana@example.org", "stod", "bibliotek")
    topic_ids = deliver(app, session, make_item(session, "stod", "bibliotek"))
    token = make_undo_token(leave(session, ana, topic_ids))
    confirm(session, make_signup(session, "ana@example.org", "stod", frequency="daily", now=NOON), now=NOON + HOUR)

    undo(session, ana, token)

    assert follows(session, ana) == {"stod": "daily", "bibliotek": "direct"}


def test_undo_works_for_a_day(app: Flask, session: Session) -> None:
    ana = make_subscriber(session, "ana@example.org", "stod")
    token = make_undo_token(leave(session, ana, deliver(app, session, make_item(session, "stod"))))
    before = read_tables(session)

    with pytest.raises(leaving.CannotUndo):
        undo(session, ana, token, hours=24.01)
    assert read_tables(session) == before

    undo(session, ana, token, hours=24)
    assert follows(session, ana) == {"stod": "direct"}


def test_an_undo_button_of_somebody_else_is_refused(app: Flask, session: Session) -> None:
    ana = make_subscriber(session, "ana@example.org", "stod")
    bo = make_subscriber(session, "bo@example.org", "stod")
    topic_ids = deliver(app, session, make_item(session, "stod"))
    anas, bos = leave(session, ana, topic_ids), leave(session, bo, topic_ids)
    before = read_tables(session)

    for token in (make_undo_token(anas), make_undo_token([*bos, *anas])):
        with pytest.raises(leaving.CannotUndo):
            undo(session, bo, token)

    assert read_tables(session) == before


def test_an_undo_button_that_is_not_ours_is_refused(app: Flask, session: Session) -> None:
    ana = make_subscriber(session, "ana@example.org", "stod")
    ended = leave(session, ana, deliver(app, session, make_item(session, "stod")))
    ours = make_undo_token(ended)
    others = leaving.make_undo_token(ended, keys=["another key"], now=NOON)

    for token in ("", "x", "Å", "\x00", "\ud800", others, ours[:-1], ours + ours, f"{ours}.x"):
        with pytest.raises(leaving.CannotUndo):
            undo(session, ana, token)

    assert follows(session, ana) == {}


def test_undo_works_on_after_the_secret_was_changed(app: Flask, session: Session) -> None:
    ana = make_subscriber(session, "ana@example.org", "stod")
    token = make_undo_token(leave(session, ana, deliver(app, session, make_item(session, "stod"))))
    before = read_tables(session)

    leaving.undo(session, ana, token, keys=["new key", *KEYS], source="undo", now=NOON + 2 * HOUR)

    assert count_new(before, read_tables(session)) == {"subscription": 1, "consent_event": 1}


def test_a_link_finds_its_subscriber_and_its_mailings_topics_only(app: Flask, session: Session) -> None:
    ana = make_subscriber(session, "ana@example.org", "stod")
    deliver(app, session, make_item(session, "stod", "bibliotek"))
    news = session.scalars(sa.select(Mailing.key).where(Mailing.kind == "news")).one()
    make_signup(session, "bo@example.org", "stod", now=NOON)
    deliver_everything(app, session, MemoryTransport(), now=NOON + MINUTE)

    assert leaving.find_subscriber(session, ana.token) is ana
    for token in ("", "x", ana.token[:-1], ana.token.swapcase(), f"{ana.token} ", "ana@example.org"):
        assert leaving.find_subscriber(session, token) is None
    confirmation = session.scalars(sa.select(Mailing.key).where(Mailing.kind == "confirmation")).all()
    for key in ("", "x", *confirmation):
        assert ledger.topic_ids_named(session, mailing_key=key, subscriber_id=ana.id) == []
    named = ledger.topic_ids_named(session, mailing_key=news, subscriber_id=ana.id)
    assert [session.get_one(Topic, one).slug for one in named] == ["stod"]
    assert ledger.topic_ids_named(session, mailing_key=news, subscriber_id=ana.id + 1) == []
