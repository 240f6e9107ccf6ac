"""Which batches the bell is rung for, how many at a time, and when again."""

import dataclasses
import datetime as dt

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.delivery import batches, controlling, ringing
from newsroom.delivery.models import Batch, Lane, Mailing
from newsroom.engine.rules import rules_of
from tests.factories import DAY, MINUTE, NOON, make_item, make_signup, make_subscriber, make_topics, tick_through

ALL = [int(lane) for lane in Lane]
NEWS = [int(lane) for lane in Lane if lane is not Lane.CONFIRMATION]
SECOND = dt.timedelta(seconds=1)


def make_batches(app: Flask, session: Session, count: int) -> list[int]:
    """An item's mailing with so many batches of one letter each, open for sending."""
    make_topics(session)
    for number in range(count):
        make_subscriber(session, f"r{number}@example.org", "stod")
    make_item(session, "stod")
    session.commit()
    with app.app_context():
        tick_through(session, dataclasses.replace(rules_of(app), batch_size=1), now=NOON)
    return list(session.scalars(sa.select(Batch.id).where(Batch.lane == Lane.NEWS).order_by(Batch.id)))


def unrung(session: Session, *, now: dt.datetime = NOON, lanes: list[int] = ALL, most: int = 200) -> list[int]:
    return list(ringing.unrung_batches(session, now=now, lanes=lanes, most=most))


def test_a_due_batch_is_rung_for_once_a_minute_until_somebody_has_it(app: Flask, session: Session) -> None:
    first, second = make_batches(app, session, 2)
    assert unrung(session) == [first, second]
    assert ringing.note_rung(session, [first], now=NOON) == 1
    assert unrung(session) == [second]
    assert unrung(session, now=NOON + MINUTE - SECOND) == [second]
    assert unrung(session, now=NOON + MINUTE) == [first, second]

    assert batches.claim(session, first, worker="ana", now=NOON, lease=2 * MINUTE) is not None
    assert unrung(session, now=NOON + MINUTE) == [second]
    assert ringing.note_rung(session, [first], now=NOON + MINUTE) == 0
    assert unrung(session, now=NOON + 2 * MINUTE) == [first, second]  # Its worker has been silent for too long.


def test_a_batch_that_comes_back_is_rung_for_at_once(app: Flask, session: Session) -> None:
    first, second = make_batches(app, session, 2)
    ringing.note_rung(session, [first, second], now=NOON)
    claim = batches.claim(session, first, worker="ana", now=NOON, lease=2 * MINUTE)
    assert claim is not None
    batches.release(session, claim, now=NOON + SECOND, resend=True)
    assert unrung(session, now=NOON + SECOND) == [first]

    ringing.note_rung(session, [first], now=NOON + SECOND)
    assert batches.claim(session, second, worker="bo", now=NOON + SECOND, lease=2 * MINUTE) is not None
    assert batches.free_leases(session, worker="bo", now=NOON + 2 * SECOND) == 1
    assert unrung(session, now=NOON + 2 * SECOND) == [second]


def test_the_urgent_go_first_and_only_so_many_wait_at_a_time(app: Flask, session: Session) -> None:
    batches = make_batches(app, session, 5)
    make_signup(session, "late@example.org", "stod", now=NOON)
    session.commit()
    with app.app_context():
        tick_through(session, rules_of(app), now=NOON)
    (confirmation,) = session.scalars(sa.select(Batch.id).where(Batch.lane == Lane.CONFIRMATION))
    assert unrung(session, most=3) == [confirmation, *batches[:2]]
    ringing.note_rung(session, batches[:2], now=NOON)
    assert unrung(session, lanes=NEWS, most=3) == [batches[2]]
    assert unrung(session, lanes=NEWS, most=2) == []
    assert unrung(session, lanes=NEWS, most=1) == []
    assert unrung(session, lanes=[int(Lane.CONFIRMATION)], most=3) == [confirmation]


def test_nobody_is_rung_for_what_must_not_leave_and_it_takes_up_no_place(app: Flask, session: Session) -> None:
    batches = make_batches(app, session, 3)
    ringing.note_rung(session, batches, now=NOON)
    mailing_id = session.scalars(sa.select(Mailing.id).where(Mailing.kind == "news")).one()
    controlling.pause(session, mailing_id, by="anna@example.org", now=NOON)
    assert unrung(session, now=NOON + DAY) == []

    make_signup(session, "late@example.org", "stod", now=NOON)
    session.commit()
    with app.app_context():
        tick_through(session, rules_of(app), now=NOON)
    assert len(unrung(session, most=1)) == 1


@pytest.mark.parametrize(
    ("per_second", "batch_size", "most"),
    [(None, 500, 200), (0.5, 500, 8), (100, 500, 24), (1000, 500, 200), (10, 10, 120)],
)
def test_under_a_limit_no_more_are_rung_for_than_leave_in_two_minutes(
    app: Flask, per_second: float | None, batch_size: int, most: int
) -> None:
    rules = dataclasses.replace(rules_of(app), letters_per_second=per_second, batch_size=batch_size)
    assert ringing.most_outstanding(rules) == most
