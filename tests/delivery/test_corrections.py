"""A correction goes to those who had the item as it stood before, and to nobody else."""

import datetime as dt
import email
import email.policy
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.delivery import batches, certificate, controlling, ledger, overview, progress
from newsroom.delivery.answers import Outcome, Result
from newsroom.delivery.journal import Journal
from newsroom.delivery.models import Lane, Mailing
from newsroom.delivery.sending import send_batch
from newsroom.delivery.transport import KeptLetter, MemoryTransport
from newsroom.desk import wording
from newsroom.engine.rules import rules_of
from newsroom.news import publishing
from newsroom.news.models import Correction, Item
from newsroom.subscribers import leaving
from newsroom.subscribers.models import Subscriber
from tests.factories import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    deliver_everything,
    fixed,
    make_item,
    make_subscriber,
    make_topics,
    tick_through,
)

NEXT_MORNING = NOON + 19 * HOUR  # 07:00 in Stockholm.
TEXT = "Vi skrev att bron öppnar på måndag. Den öppnar på tisdag."
LATER = Outcome(Result.LATER, 450, "4.2.0 Come back later")


@pytest.fixture
def post() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture(autouse=True)
def _topics(session: Session) -> None:
    make_topics(session)


def subscribe(
    session: Session, name: str, *slugs: str, frequency: str = "direct", now: dt.datetime = NOON - 9 * DAY
) -> Subscriber:
    return make_subscriber(session, f"{name}@example.org", *slugs, frequency=frequency, now=now)


def correct(
    session: Session, item: Item, *, at: dt.datetime = NOON + HOUR, text: str = TEXT, announce: bool = True
) -> None:
    session.add(Correction(item_id=item.id, text=text, announce=announce, corrected_at=at))
    session.commit()


def got(post: MemoryTransport) -> Counter[str]:
    return Counter(letter.to.partition("@")[0] for letter in post.accepted)


def of_kind(session: Session, kind: str) -> list[Mailing]:
    session.expire_all()
    return list(session.scalars(sa.select(Mailing).where(Mailing.kind == kind).order_by(Mailing.id)))


def read(letter: KeptLetter) -> tuple[str, str]:
    """A letter's subject and text."""
    message = email.message_from_bytes(letter.letter, policy=email.policy.default)
    part = message.get_body(("plain",))
    assert part is not None
    return str(message["Subject"]), str(part.get_content()).replace("\r\n", "\n")


# Whom


def test_it_says_what_was_corrected_first_to_everybody_who_had_the_item_at_once_or_in_a_digest(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    subscribe(session, "direct", "stod", "kultur")
    subscribe(session, "daily", "stod", frequency="daily")
    subscribe(session, "weekly", "stod", frequency="weekly")
    subscribe(session, "other", "hallbarhet")
    item = make_item(session, "stod", "kultur", headline="Bron öppnar")
    deliver_everything(app, session, post, now=NOON)
    deliver_everything(app, session, post, now=NEXT_MORNING)
    assert got(post) == {"direct": 1, "daily": 1}

    correct(session, item, at=NEXT_MORNING + HOUR)
    deliver_everything(app, session, post, now=NEXT_MORNING + HOUR)

    assert got(post) == {"direct": 2, "daily": 2}
    letters = {one.to.partition("@")[0]: read(one) for one in post.accepted[2:]}
    subject, text = letters["direct"]
    assert subject == "Rättelse: Bron öppnar"
    first, second, address = (text.index(one) for one in (TEXT, "Bron öppnar\n", "/nyheter/bron-oppnar\n"))
    assert first < second < address
    assert "och följer Stöd och Kultur." in " ".join(text.split())
    assert "och följer Stöd." in " ".join(letters["daily"][1].split())
    assert of_kind(session, "correction")[0].lane == Lane.NEWS


def test_nobody_who_has_left_is_told_nor_anybody_who_began_to_follow_later_or_has_paused(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    for name in ("stays", "left", "paused"):
        subscribe(session, name, "stod")
    switched = subscribe(session, "switched", "stod", "kultur")
    item = make_item(session, "stod", "kultur")
    deliver_everything(app, session, post, now=NOON)

    subscribe(session, "later", "stod", now=NOON + MINUTE)
    people = {one.address.partition("@")[0]: one for one in session.scalars(sa.select(Subscriber))}
    stod, _kultur = item.topics
    leaving.leave(session, people["left"], [stod.id], source="web", now=NOON + MINUTE)
    leaving.leave(session, switched, [stod.id], source="web", now=NOON + MINUTE)
    people["paused"].paused_until = NOON + 2 * DAY
    correct(session, item)
    deliver_everything(app, session, post, now=NOON + HOUR)

    assert got(post) == {"stays": 2, "left": 1, "paused": 1, "switched": 2}
    (letter,) = [one for one in post.accepted[4:] if one.to == "switched@example.org"]
    assert "och följer Kultur." in " ".join(read(letter)[1].split())


def test_who_follows_at_another_rhythm_by_now_is_told_at_once_all_the_same(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    subscribe(session, "ana", "stod")
    item = make_item(session, "stod")
    deliver_everything(app, session, post, now=NOON)
    ana = session.scalars(sa.select(Subscriber)).one()
    leaving.leave(session, ana, [item.topics[0].id], source="web", now=NOON + MINUTE)
    subscribe(session, "ana", "stod", frequency="weekly", now=NOON + 2 * MINUTE)

    correct(session, item)
    deliver_everything(app, session, post, now=NOON + HOUR)

    assert got(post) == {"ana": 2}


def test_each_of_two_corrections_is_told_once(app: Flask, session: Session, post: MemoryTransport) -> None:
    subscribe(session, "ana", "stod")
    item = make_item(session, "stod")
    deliver_everything(app, session, post, now=NOON)

    correct(session, item, text="Första rättelsen.")
    deliver_everything(app, session, post, now=NOON + HOUR)
    correct(session, item, at=NOON + 2 * HOUR, text="Andra rättelsen.")
    for hours in (2, 3):
        deliver_everything(app, session, post, now=NOON + hours * HOUR)

    assert got(post) == {"ana": 3}
    texts = [read(one)[1] for one in post.accepted]
    assert ["Första" in texts[1], "Andra" in texts[1]] == [True, False]
    assert ["Första" in texts[2], "Andra" in texts[2]] == [False, True]
    assert len(of_kind(session, "correction")) == 2


def test_two_corrections_at_once_are_two_letters_in_their_order(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    subscribe(session, "ana", "stod")
    item = make_item(session, "stod")
    deliver_everything(app, session, post, now=NOON)

    correct(session, item, text="Första rättelsen.")
    correct(session, item, text="Andra rättelsen.")
    deliver_everything(app, session, post, now=NOON + HOUR)

    assert ["Första" in read(one)[1] for one in post.accepted[1:]] == [True, False]


def test_one_that_is_not_to_be_told_is_told_to_nobody(app: Flask, session: Session, post: MemoryTransport) -> None:
    subscribe(session, "ana", "stod")
    item = make_item(session, "stod")
    deliver_everything(app, session, post, now=NOON)

    correct(session, item, announce=False)
    deliver_everything(app, session, post, now=NOON + HOUR)

    assert got(post) == {"ana": 1}
    assert of_kind(session, "correction") == []


def test_who_gets_the_item_only_after_it_was_corrected_needs_no_correction(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    subscribe(session, "direct", "stod")
    subscribe(session, "daily", "stod", frequency="daily")
    item = make_item(session, "stod")
    deliver_everything(app, session, post, now=NOON)
    correct(session, item)
    deliver_everything(app, session, post, now=NOON + HOUR)

    deliver_everything(app, session, post, now=NEXT_MORNING)
    correct(session, item, at=NEXT_MORNING + HOUR, text="Andra rättelsen.")
    deliver_everything(app, session, post, now=NEXT_MORNING + HOUR)

    assert got(post) == {"direct": 3, "daily": 2}


# What must go first, and what stops it


def test_it_waits_for_the_letters_that_it_corrects_and_reaches_those_whose_letter_was_put_off(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    subscribe(session, "ana", "stod")
    subscribe(session, "bo", "stod")
    item = make_item(session, "stod")
    session.commit()
    rules = rules_of(app)
    with app.app_context():
        tick_through(session, rules, now=NOON)
        correct(session, item, at=NOON + 2 * MINUTE)
        tick_through(session, rules, now=NOON + 2 * MINUTE)
    (waiting,) = of_kind(session, "correction")
    assert waiting.state == "new"

    post.answers["bo@example.org"] = [LATER]
    deliver_everything(app, session, post, now=NOON + 3 * MINUTE)
    assert got(post) == {"ana": 2, "bo": 1}
    deliver_everything(app, session, post, now=NOON + 3 * HOUR)

    assert got(post) == {"ana": 2, "bo": 2}


def test_letters_that_never_left_need_no_correction(app: Flask, session: Session, post: MemoryTransport) -> None:
    subscribe(session, "ana", "stod")
    subscribe(session, "bo", "stod")
    item = make_item(session, "stod")
    post.answers["bo@example.org"] = [Outcome(Result.REFUSED, 550, "5.1.1 No such user", reason="address")]
    deliver_everything(app, session, post, now=NOON)
    make_item(session, "stod", headline="En annan nyhet", published_at=NOON + MINUTE)
    other = make_item(session, "stod", headline="Avbruten nyhet", published_at=NOON + MINUTE)
    session.commit()
    with app.app_context():
        tick_through(session, rules_of(app), now=NOON + MINUTE)
    cancelled = next(one for one in of_kind(session, "news") if one.item_id == other.id)
    controlling.cancel(session, cancelled.id, by="test", now=NOON + MINUTE)
    session.commit()

    correct(session, item)
    correct(session, other)
    deliver_everything(app, session, post, now=NOON + HOUR)

    assert got(post) == {"ana": 3, "bo": 1}
    assert [one.selected for one in of_kind(session, "correction")] == [1, 0]


def test_one_whose_item_is_withdrawn_meanwhile_is_skipped(app: Flask, session: Session, post: MemoryTransport) -> None:
    subscribe(session, "ana", "stod")
    item, gone = make_item(session, "stod"), make_item(session, "stod")
    deliver_everything(app, session, post, now=NOON)
    correct(session, item)
    with app.app_context():
        tick_through(session, rules_of(app), now=NOON + HOUR)
    for one in (item, gone):
        publishing.withdraw(session.get_one(Item, one.id), now=NOON + HOUR)
    correct(session, gone)

    deliver_everything(app, session, post, now=NOON + HOUR)

    assert got(post) == {"ana": 2}
    (mailing,) = of_kind(session, "correction")
    assert progress.totals(session, mailing.id)["skipped"] == 1
    assert [one.reason for one in progress.reasons(session, mailing.id)] == ["withdrawn"]


def test_who_leaves_before_it_leaves_is_skipped(app: Flask, session: Session, post: MemoryTransport) -> None:
    ana = subscribe(session, "ana", "stod")
    item = make_item(session, "stod")
    deliver_everything(app, session, post, now=NOON)
    correct(session, item)
    with app.app_context():
        tick_through(session, rules_of(app), now=NOON + HOUR)
    leaving.leave(session, ana, [item.topics[0].id], source="web", now=NOON + HOUR)
    session.commit()
    deliver_everything(app, session, post, now=NOON + HOUR)

    assert got(post) == {"ana": 1}


def test_a_late_one_waits_for_a_persons_yes(app: Flask, session: Session, post: MemoryTransport) -> None:
    subscribe(session, "ana", "stod")
    item = make_item(session, "stod", headline="Bron öppnar")
    deliver_everything(app, session, post, now=NOON)
    correct(session, item)

    deliver_everything(app, session, post, now=NOON + 14 * HOUR)

    (held,) = of_kind(session, "correction")
    assert (held.state, got(post)) == ("held", {"ana": 1})
    assert wording.due_at(held) == NOON + HOUR
    controlling.release(session, held.id, by="test", now=NOON + 14 * HOUR)
    session.commit()
    deliver_everything(app, session, post, now=NOON + 14 * HOUR)
    assert got(post) == {"ana": 2}


# What it must not disturb


def test_nobody_is_told_twice_or_not_at_all_because_of_it(app: Flask, session: Session, post: MemoryTransport) -> None:
    for frequency in ("direct", "daily", "weekly"):
        subscribe(session, frequency, "stod", frequency=frequency)
    item = make_item(session, "stod")
    deliver_everything(app, session, post, now=NOON)
    correct(session, item)
    deliver_everything(app, session, post, now=NOON + HOUR)
    assert got(post) == {"direct": 2}

    item.urgent = True
    session.commit()
    deliver_everything(app, session, post, now=NOON + 2 * HOUR)
    assert got(post) == {"direct": 2, "daily": 1, "weekly": 1}
    for days in range(5):
        deliver_everything(app, session, post, now=NEXT_MORNING + days * DAY)
    assert got(post) == {"direct": 2, "daily": 1, "weekly": 1}


def test_a_digest_waits_for_no_correction(app: Flask, session: Session, post: MemoryTransport) -> None:
    subscribe(session, "daily", "stod", frequency="daily")
    subscribe(session, "direct", "stod")
    item = make_item(session, "stod", published_at=NEXT_MORNING - 2 * HOUR)
    session.commit()
    with app.app_context():
        tick_through(session, rules_of(app), now=NEXT_MORNING - 2 * HOUR)
    (news,) = of_kind(session, "news")
    controlling.pause(session, news.id, by="test", now=NEXT_MORNING - HOUR)
    correct(session, item, at=NEXT_MORNING - HOUR)

    deliver_everything(app, session, post, now=NEXT_MORNING)

    assert [one.state for one in of_kind(session, "correction")] == ["new"]
    assert got(post) == {"daily": 1}


def test_an_item_that_was_not_announced_before_it_was_corrected_is_announced_still(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    subscribe(session, "ana", "stod")
    item = make_item(session, "stod", announce=False)
    correct(session, item)
    deliver_everything(app, session, post, now=NOON + HOUR)
    assert got(post) == {}

    item.announce = True
    session.commit()
    deliver_everything(app, session, post, now=NOON + 2 * HOUR)

    assert got(post) == {"ana": 1}


# What people see of it


def test_it_has_a_certificate_and_a_name_at_the_desk_and_its_letter_a_way_out(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    ana = subscribe(session, "ana", "stod", "kultur")
    item = make_item(session, "stod", "kultur", headline="Bron öppnar")
    deliver_everything(app, session, post, now=NOON)
    correct(session, item)
    deliver_everything(app, session, post, now=NOON + HOUR)

    (mailing,) = of_kind(session, "correction")
    kept = certificate.newest(session, mailing.id)
    assert kept is not None
    assert certificate.verify(session, kept.body) == []
    assert certificate.read(kept.body)[0]["kind"] == "correction"
    with app.test_request_context():
        assert wording.title_of(mailing) == "Rättelse: Bron öppnar"
    assert [one.kind for one in session.scalars(overview.of_item(item.id))] == ["correction", "news"]
    named = ledger.topic_ids_named(session, mailing_key=mailing.key, subscriber_id=ana.id)
    assert set(named) == {topic.id for topic in item.topics}


def test_a_letter_in_doubt_counts_as_told(app: Flask, session: Session, post: MemoryTransport) -> None:
    subscribe(session, "ana", "stod")
    item = make_item(session, "stod")
    post.answers["ana@example.org"] = [Outcome(Result.UNCERTAIN, None, "no answer")]
    session.commit()
    rules = rules_of(app)
    with app.app_context(), closing(Journal(Path(app.instance_path) / "journals", "test")) as journal:
        tick_through(session, rules, now=NOON)
        (batch,) = batches.due_batches(session, now=NOON)
        session.rollback()
        send_batch(session, rules, post, batch, journal=journal, clock=fixed(NOON))
        correct(session, item)
        tick_through(session, rules, now=NOON + MINUTE)
    session.rollback()
    deliver_everything(app, session, MemoryTransport(), now=NOON + HOUR)

    (mailing,) = of_kind(session, "correction")
    assert mailing.selected == 1
