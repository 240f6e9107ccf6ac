"""What a person decides about a mailing holds, also for workers that are in the middle of it."""

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.delivery import controlling, deliveries, progress
from newsroom.delivery.answers import Outcome, Result
from newsroom.delivery.controlling import NotPossible
from newsroom.delivery.journal import Journal
from newsroom.delivery.models import Batch, Delivery, Mailing, MailingEvent
from newsroom.delivery.pipelining import Outgoing, Take
from newsroom.delivery.sending import send_batch
from newsroom.delivery.transport import MemoryTransport
from newsroom.engine.rules import rules_of
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

WHO = "redaktor@example.org"


@pytest.fixture
def post() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture(autouse=True)
def _audience(session: Session) -> None:
    make_topics(session)
    for number in range(6):
        make_subscriber(session, f"r{number}@example.org", "stod")
    make_item(session, "stod")
    session.commit()


def begin(app: Flask, session: Session) -> int:
    """Bring the mailing to the point where letters would leave."""
    with app.app_context():
        tick_through(session, rules_of(app), now=NOON)
    mailing_id = session.scalars(sa.select(Mailing.id)).one()
    session.commit()
    return mailing_id


def count(session: Session, mailing_id: int) -> dict[str, int]:
    return {state: number for state, number in progress.totals(session, mailing_id).items() if number}


def state(session: Session) -> str:
    session.expire_all()
    return session.scalars(sa.select(Mailing.state)).one()


def test_a_paused_mailing_waits_and_a_resumed_one_goes_on(app: Flask, session: Session, post: MemoryTransport) -> None:
    mailing_id = begin(app, session)
    controlling.pause(session, mailing_id, by=WHO, now=NOON)
    deliver_everything(app, session, post, now=NOON + HOUR)
    assert (post.accepted, state(session)) == ([], "sending")

    controlling.resume(session, mailing_id, by=WHO, now=NOON + HOUR)
    deliver_everything(app, session, post, now=NOON + HOUR)
    assert (len(post.accepted), state(session)) == (6, "done")
    events = session.execute(sa.select(MailingEvent.kind, MailingEvent.by).order_by(MailingEvent.id)).all()
    assert [tuple(one) for one in events] == [("paused", WHO), ("resumed", WHO)]


class Interrupted(MemoryTransport):
    """Does something in another session once so many letters have been accepted."""

    def __init__(self, after: int, what: Callable[[], None]) -> None:
        super().__init__()
        self._after, self._what = after, what

    def send_all(
        self, take: Take, *, leaving: Callable[[Outgoing], None], done: Callable[[Outgoing, Outcome], None]
    ) -> None:
        def note(one: Outgoing, outcome: Outcome) -> None:
            done(one, outcome)
            if len(self.accepted) == self._after:
                self._what()

        super().send_all(take, leaving=leaving, done=note)


@pytest.mark.parametrize("decide", [controlling.pause, controlling.cancel])
def test_a_worker_in_the_middle_of_a_batch_stops_and_writes_down_what_it_sent(
    app: Flask,
    session: Session,
    tmp_path: Path,
    decide: Callable[..., None],
) -> None:
    mailing_id = begin(app, session)
    batch_id = session.scalars(sa.select(Batch.id)).one()
    session.commit()

    def interrupt() -> None:
        with Session(session.get_bind()) as other:
            decide(other, mailing_id, by=WHO, now=NOON)
            other.commit()
        time.sleep(0.02)

    post = Interrupted(2, interrupt)
    with app.app_context(), closing(Journal(tmp_path, "w")) as journal:
        rules = replace(rules_of(app), look_seconds=0.01)
        assert send_batch(session, rules, post, batch_id, journal=journal, clock=fixed(NOON))
    assert len(post.accepted) == 2
    assert count(session, mailing_id) == {"selected": 6, "accepted": 2, "waiting": 4}
    session.commit()

    deliver_everything(app, session, post, now=NOON + MINUTE)
    if decide is controlling.cancel:
        assert count(session, mailing_id) == {"selected": 6, "accepted": 2, "skipped": 4}
        assert state(session) == "done"
    else:
        assert state(session) == "sending"


def test_a_cancelled_mailing_sends_nothing_more_and_ends(app: Flask, session: Session, post: MemoryTransport) -> None:
    mailing_id = begin(app, session)
    controlling.cancel(session, mailing_id, by=WHO, now=NOON)
    deliver_everything(app, session, post, now=NOON)

    assert post.accepted == []
    assert state(session) == "done"
    assert [(one.state, one.reason, one.count) for one in progress.reasons(session, mailing_id)] == [
        ("skipped", "cancelled", 6)
    ]
    for what in (controlling.pause, controlling.resume, controlling.cancel, controlling.release):
        with pytest.raises(NotPossible):
            what(session, mailing_id, by=WHO, now=NOON)


def test_a_letter_that_the_server_took_is_accepted_though_its_mailing_was_cancelled_meanwhile(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    mailing_id = begin(app, session)
    controlling.cancel(session, mailing_id, by=WHO, now=NOON)
    deliver_everything(app, session, post, now=NOON)
    on_the_wire = session.scalars(sa.select(Delivery.id)).first()
    assert on_the_wire is not None

    deliveries.settle(session, {on_the_wire: Outcome(Result.ACCEPTED, 250, "Ok")}, now=NOON + MINUTE)

    assert count(session, mailing_id) == {"selected": 6, "accepted": 1, "skipped": 5}


def test_a_mailing_cancelled_before_it_is_matched_reaches_nobody(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    item = make_item(session, "stod", published_at=NOON - DAY)
    deliver_everything(app, session, post, now=NOON)
    held = session.scalars(sa.select(Mailing).where(Mailing.item_id == item.id)).one()
    assert held.state == "held"
    controlling.cancel(session, held.id, by=WHO, now=NOON)
    deliver_everything(app, session, post, now=NOON + MINUTE)
    session.refresh(held)
    assert (held.state, held.selected) == ("done", 0)


def test_the_refused_can_be_tried_again_and_the_totals_still_add_up(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    for number in (1, 2):
        post.answers[f"r{number}@example.org"] = [Outcome(Result.REFUSED, 554, "5.3.0 Not today", reason="server")]
    deliver_everything(app, session, post, now=NOON)
    mailing_id = session.scalars(sa.select(Mailing.id)).one()
    assert count(session, mailing_id) == {"selected": 6, "accepted": 4, "refused": 2}
    (reason,) = progress.reasons(session, mailing_id)
    assert (reason.state, reason.reason, reason.code, reason.count) == ("refused", "server", 554, 2)

    assert controlling.try_refused_again(session, mailing_id, by=WHO, now=NOON + HOUR) == 2
    deliver_everything(app, session, post, now=NOON + HOUR)

    assert count(session, mailing_id) == {"selected": 6, "accepted": 6}
    assert len({letter.to for letter in post.accepted}) == len(post.accepted) == 6
    with pytest.raises(NotPossible):
        controlling.try_refused_again(session, mailing_id, by=WHO, now=NOON + HOUR)


def test_letters_held_in_doubt_can_be_sent_again_under_the_same_message_id(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    app.config["UNCERTAIN_LETTERS"] = "hold"
    post.answers["r3@example.org"] = [Outcome(Result.UNCERTAIN, None, "connection lost")]
    deliver_everything(app, session, post, now=NOON)
    mailing_id = session.scalars(sa.select(Mailing.id)).one()
    assert count(session, mailing_id) == {"selected": 6, "accepted": 5, "uncertain": 1}

    assert controlling.send_uncertain_again(session, mailing_id, by=WHO, now=NOON + HOUR) == 1
    deliver_everything(app, session, post, now=NOON + HOUR)

    assert count(session, mailing_id) == {"selected": 6, "accepted": 6}


def test_the_refused_of_a_batch_that_a_worker_is_busy_with_are_left_alone(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    post.answers["r1@example.org"] = [Outcome(Result.REFUSED, 554, "5.3.0 Not today", reason="server")]
    deliver_everything(app, session, post, now=NOON)
    session.execute(sa.update(Batch).values(worker="busy", state="open"))
    session.execute(sa.update(Mailing).values(state="sending"))
    session.commit()
    with pytest.raises(NotPossible):
        controlling.try_refused_again(session, session.scalars(sa.select(Mailing.id)).one(), by=WHO, now=NOON)
    session.rollback()
    assert session.scalar(sa.select(sa.func.count()).where(Delivery.state == "refused")) == 1
