"""Things that tests need many of. All people are invented, on example domains."""

import datetime as dt
import itertools
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.delivery import batches
from newsroom.delivery.journal import Journal
from newsroom.delivery.rules import Rules
from newsroom.delivery.sending import send_batch
from newsroom.delivery.ticking import tick
from newsroom.delivery.transport import Transport
from newsroom.engine.rules import rules_of
from newsroom.news import publishing, topics
from newsroom.news.models import Item, Topic
from newsroom.news.writing import ItemText, write_item
from newsroom.subscribers.addresses import read_address
from newsroom.subscribers.models import Signup, Subscriber, Subscription
from newsroom.subscribers.signup import Asked, ask, confirm

NOON = dt.datetime(2026, 11, 12, 11, 0, tzinfo=dt.UTC)  # Noon in Stockholm.
MINUTE, HOUR, DAY = dt.timedelta(minutes=1), dt.timedelta(hours=1), dt.timedelta(days=1)
_numbers = itertools.count(1)
_start_topics: list[dict[str, Any]] = []


def make_topics(session: Session) -> dict[str, Topic]:
    """The start topics, by slug."""
    table = sa.inspect(Topic).local_table
    if _start_topics and session.scalar(sa.select(Topic.id).limit(1)) is None:
        session.execute(sa.insert(Topic), _start_topics)
    elif topics.add_start_topics(session):  # Once by the product itself; from then on its rows, all at once.
        columns = [column for column in table.c if column.name != "id"]
        rows = session.execute(sa.select(*columns).order_by(table.c.id)).mappings()
        _start_topics.extend(dict(row) for row in rows)
    return {topic.slug: topic for topic in topics.all_topics(session)}


def make_item(
    session: Session,
    *slugs: str,
    headline: str = "",
    published_at: dt.datetime | None = NOON,
    now: dt.datetime | None = None,
    announce: bool = True,
    **text: str,
) -> Item:
    """An item with these topics, published at noon unless told otherwise."""
    words = {"lede": "Det viktigaste först.", "body": "Brödtext.", **text}
    found = topics.find_topics(session, slugs)
    item = write_item(
        session,
        ItemText(headline or f"Nyhet nummer {next(_numbers)}", **words),
        found,
        now=now or (published_at or NOON) - HOUR,
        domain="localhost",
        announce=announce,
    )
    if published_at is not None:
        publishing.publish(item, at=published_at, now=published_at - HOUR)
    session.flush()
    return item


def make_signup(
    session: Session,
    address: str,
    *slugs: str,
    frequency: str = "direct",
    language: str = "sv",
    now: dt.datetime = NOON - DAY,
) -> Signup:
    """A sign-up that waits for its yes."""
    asked = ask(
        session,
        read_address(address),
        topics.find_topics(session, slugs),
        frequency=frequency,
        language=language,
        source="web",
        consent_text="Jag vill.",
        now=now,
        letters_per_hour=100,
    )
    assert asked is Asked.LETTER
    session.flush()
    return session.query(Signup).order_by(Signup.id.desc()).limit(1).one()


def make_subscriber(
    session: Session,
    address: str,
    *slugs: str,
    frequency: str = "direct",
    language: str = "sv",
    now: dt.datetime = NOON - DAY,
) -> Subscriber:
    """A subscriber who said yes."""
    signup = make_signup(session, address, *slugs, frequency=frequency, language=language, now=now)
    confirm(session, signup, now=now)
    session.flush()
    return signup.subscriber


def make_audience(session: Session, count: int, *, now: dt.datetime) -> None:
    """Subscribers to one topic, put in as rows, for tests of what comes after."""
    topic_id = make_topics(session)["stod"].id
    session.execute(
        sa.insert(Subscriber),
        [
            {"address": name, "address_key": name, "created_at": now, "confirmed_at": now, "language": "sv"}
            for name in addresses(count)
        ],
    )
    subscription = {"topic_id": topic_id, "frequency": "direct", "source": "test", "began_at": now}
    session.execute(
        sa.insert(Subscription),
        [{"subscriber_id": one, **subscription} for one in session.scalars(sa.select(Subscriber.id))],
    )
    session.commit()


def addresses(count: int) -> list[str]:
    return [f"r{number}@example.org" for number in range(count)]


def tick_through(session: Session, rules: Rules, *, now: dt.datetime) -> None:
    """Tick until there is nothing more to do at `now` but sending."""
    while tick(session, rules, now=now):
        pass


def deliver_everything(
    app: Flask,
    session: Session,
    post: Transport,
    *,
    now: dt.datetime,
    rules: Rules | None = None,
) -> None:
    """Tick and send until nothing is due at `now`, as an engine would."""
    rules = rules or rules_of(app)
    journal = Journal(Path(app.instance_path) / "journals", f"test:{next(_numbers)}")
    with app.app_context(), closing(journal):
        for _ in range(100):
            tick_through(session, rules, now=now)
            due: Sequence[int] = batches.due_batches(session, now=now)
            session.rollback()
            if not due:
                return
            for batch_id in due:
                send_batch(session, rules, post, batch_id, journal=journal, clock=fixed(now))
    raise AssertionError("delivery doesn't come to an end")


def fixed(now: dt.datetime) -> Callable[[], dt.datetime]:
    """A clock that stands still."""
    return lambda: now
