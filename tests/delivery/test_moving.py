"""Where two subscribers become one, the letters of both are one person's: none is lost, none told twice."""

import datetime as dt
from collections import Counter
from dataclasses import replace

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.delivery import history, progress
from newsroom.delivery.models import Delivery, Mailing
from newsroom.delivery.moving import move_letters
from newsroom.delivery.ticking import tick
from newsroom.delivery.transport import MemoryTransport
from newsroom.engine.rules import rules_of
from newsroom.news.models import Correction
from newsroom.subscribers import changing
from newsroom.subscribers.addresses import read_address
from newsroom.subscribers.models import Subscriber
from tests.conftest import SECRET
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

OLD, NEW = "gammal@example.org", "ny@example.org"
WEEKS_END = NOON + 3 * DAY + 20 * HOUR  # Monday, 07:00 in Stockholm.


@pytest.fixture
def post() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture(autouse=True)
def _topics(session: Session) -> None:
    make_topics(session)


def subscribe(session: Session, address: str, *slugs: str, frequency: str = "direct") -> Subscriber:
    return make_subscriber(session, address, *slugs, frequency=frequency, now=NOON - 9 * DAY)


def merge(session: Session, old: Subscriber, *, now: dt.datetime = NOON) -> Subscriber:
    """Let the new address say yes to being the old one's; gives the subscriber that both are from now on."""
    changing.ask(session, old, read_address(NEW), language="sv", keys=[SECRET], now=now - HOUR, letters_per_hour=9)
    letter = changing.pending(session, old, now=now)
    assert letter is not None
    before = old.id
    became, new = changing.confirm(session, letter, now=now)
    assert became is changing.Confirmed.MERGED
    move_letters(session, before, into=new.id, now=now)
    session.commit()
    return new


def got_news(post: MemoryTransport) -> Counter[str]:
    """How many letters of news went to each address."""
    return Counter(one.to for one in post.accepted if b"List-Unsubscribe:" in one.letter)


def test_a_correction_comes_to_who_had_the_item_at_the_old_address(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    old = subscribe(session, OLD, "stod")
    subscribe(session, NEW, "kultur")
    item = make_item(session, "stod")
    deliver_everything(app, session, post, now=NOON)
    merge(session, old)
    session.add(Correction(item_id=item.id, text="Bron öppnar på tisdag.", announce=True, corrected_at=NOON + HOUR))
    session.commit()

    deliver_everything(app, session, post, now=NOON + HOUR)

    assert got_news(post) == {OLD: 1, NEW: 1}


def test_a_digest_leaves_out_what_the_old_address_was_told(app: Flask, session: Session, post: MemoryTransport) -> None:
    old = subscribe(session, OLD, "stod")
    subscribe(session, NEW, "kultur", frequency="weekly")
    make_item(session, "stod", "kultur", headline="Bron stängs")
    make_item(session, "kultur", headline="Museet öppnar")
    deliver_everything(app, session, post, now=NOON)
    merge(session, old)

    deliver_everything(app, session, post, now=WEEKS_END)

    digest = post.accepted[-1]
    assert digest.to == NEW
    assert b"Museet" in digest.letter
    assert b"Bron" not in digest.letter


def test_a_letter_that_waits_goes_to_the_new_address(app: Flask, session: Session, post: MemoryTransport) -> None:
    old = subscribe(session, OLD, "stod")
    subscribe(session, NEW, "kultur")
    make_item(session, "stod")
    session.commit()
    with app.app_context():
        tick_through(session, rules_of(app), now=NOON)
    merge(session, old)

    deliver_everything(app, session, post, now=NOON)

    assert got_news(post) == {NEW: 1}


def test_a_letter_that_waits_for_both_leaves_once(app: Flask, session: Session, post: MemoryTransport) -> None:
    old, new = subscribe(session, OLD, "stod"), subscribe(session, NEW, "stod")
    make_item(session, "stod")
    session.commit()
    with app.app_context():
        tick_through(session, rules_of(app), now=NOON)
    merge(session, old)

    deliver_everything(app, session, post, now=NOON)

    assert got_news(post) == {NEW: 1}
    mailing = session.scalars(sa.select(Mailing).where(Mailing.kind == "news")).one()
    counts = progress.totals(session, mailing.id)
    assert (counts["accepted"], counts["skipped"]) == (1, 1)
    assert [letter.kind for letter in history.letters_of(session, new.id) if letter.kind == "news"] == ["news"]


def test_whom_a_mailing_has_yet_to_come_to_gets_no_second_letter_of_it(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    old = subscribe(session, OLD, "stod")
    other = subscribe(session, "annan@example.org", "stod")
    new = subscribe(session, NEW, "kultur")
    make_item(session, "stod")
    session.commit()
    rules = replace(rules_of(app), first_slice=1, slice_size=1)
    with app.app_context():
        while session.scalar(sa.select(sa.func.count()).select_from(Delivery)) != 1:
            assert tick(session, rules, now=NOON)
    session.rollback()
    assert old.id < other.id < new.id
    merge(session, old)

    deliver_everything(app, session, post, now=NOON, rules=rules)

    assert got_news(post) == {NEW: 1, other.address: 1}
    session.rollback()
    assert session.scalars(sa.select(Mailing.state).where(Mailing.kind == "news")).one() == "done"


def test_the_list_of_letters_goes_on_over_both_addresses(app: Flask, session: Session, post: MemoryTransport) -> None:
    old = subscribe(session, OLD, "stod")
    subscribe(session, NEW, "kultur")
    make_item(session, "stod", headline="Bron stängs")
    deliver_everything(app, session, post, now=NOON)
    make_item(session, "kultur", headline="Museet öppnar", published_at=NOON + HOUR)
    deliver_everything(app, session, post, now=NOON + HOUR)

    new = merge(session, old, now=NOON + 2 * HOUR)

    headlines = [item.headline for letter in history.letters_of(session, new.id) for item in letter.items]
    assert headlines == ["Museet öppnar", "Bron stängs"]
    assert history.letters_of(session, old.id) == []
