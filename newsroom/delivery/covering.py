"""Finds what no mailing covers yet, and begins one: items, corrections, digests, sign-ups, personal letters. SQL only.

The caller commits. The unique keys of `mailing` decide between two who look at the same moment.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute, Session

from newsroom.delivery.controlling import note_event
from newsroom.delivery.digests import Period, Schedule, periods_ended
from newsroom.delivery.models import NEWS_KINDS, Batch, Delivery, Edition, Lane, Mailing
from newsroom.extensions import UTCDateTime
from newsroom.news.models import Correction, Item
from newsroom.subscribers.models import PersonalLetter, Signup, Subscription
from newsroom.subscribers.signup import LINK_DAYS

LOOK_BACK = dt.timedelta(days=35)  # How far back a digest that never ran is still asked about,
LOOK_BACK_FOR_ITEMS = dt.timedelta(days=365)  # an item that was never announced,
LOOK_BACK_FOR_PEOPLE = dt.timedelta(days=LINK_DAYS)  # and what somebody asked for themselves.
TOO_LATE = "too late"

# What is asked every second is built once: building it anew took longer than the database did. `now` is the moment, and
# `since` how far back from it something is still looked for.
_NOW, _SINCE = (sa.bindparam(name, type_=UTCDateTime()) for name in ("now", "since"))


def _covered(column: InstrumentedAttribute[int | None], key: InstrumentedAttribute[int]) -> sa.Exists:
    return sa.select(Mailing.id).where(column == key).exists()


_BEGUN = sa.select(Mailing.id).where(Mailing.item_id == Item.id, Mailing.kind.in_(NEWS_KINDS))
_ITEMS_DUE = sa.select(Item.id, Item.urgent, Item.published_at).where(
    Item.announce,
    Item.published_at <= _NOW,
    Item.published_at > _SINCE,
    Item.withdrawn_at.is_(None),
    sa.or_(~_BEGUN.exists(), sa.and_(Item.urgent, ~_BEGUN.where(Mailing.kind == "urgent").exists())),
)
_CORRECTIONS_DUE = (
    sa.select(Correction)
    .join(Item, Item.id == Correction.item_id)
    .where(
        Correction.announce,
        Correction.corrected_at <= _NOW,
        Correction.corrected_at > _SINCE,
        Item.published_at <= _NOW,
        Item.withdrawn_at.is_(None),
        ~_covered(Mailing.correction_id, Correction.id),
    )
    .order_by(Correction.id)
)
_PERIODS_COVERED = sa.select(Mailing.period_end).where(
    Mailing.kind == sa.bindparam("kind"), Mailing.period_end > _SINCE
)
_FIRST_WISH = (  # Since when somebody wants digests of a kind, among those who still do.
    sa.select(Subscription.began_at)
    .where(
        Subscription.frequency == sa.bindparam("kind"),
        Subscription.frequency != "direct",
        Subscription.ended_at.is_(None),
    )
    .order_by(Subscription.began_at)
    .limit(1)
)
_SIGNUPS_WAITING = sa.select(Signup).where(
    Signup.confirmed_at.is_(None), Signup.requested_at > _SINCE, ~_covered(Mailing.signup_id, Signup.id)
)
_LETTERS_WAITING = sa.select(PersonalLetter).where(
    PersonalLetter.asked_at > _SINCE,
    PersonalLetter.used_at.is_(None),
    sa.or_(PersonalLetter.good_until.is_(None), PersonalLetter.good_until > _NOW),
    ~_covered(Mailing.personal_letter_id, PersonalLetter.id),
)
_SIGNUP_WAITS, _LETTER_WAITS = (sa.select(one.exists()) for one in (_SIGNUPS_WAITING, _LETTERS_WAITING))


def _until(now: dt.datetime, back: dt.timedelta) -> dict[str, dt.datetime]:
    return {"now": now, "since": now - back}


def cover_items(session: Session, *, now: dt.datetime, lateness: dt.timedelta) -> int:
    """Begin a mailing for each published item that none covers; says how many.

    An urgent item's mailing is of a kind of its own, so that an item that becomes urgent later reaches everybody whom
    its news didn't. One that should have left longer ago than `lateness` waits for a person's yes.
    """
    count = 0
    for item_id, urgent, published_at in items_due(session, now=now):
        kind, lane = ("urgent", Lane.URGENT) if urgent else ("news", Lane.NEWS)
        late = published_at is not None and now - published_at > lateness
        count += _begin(session, now=now, late=late, kind=kind, lane=lane, item_id=item_id) is not None
    return count


def items_due(session: Session, *, now: dt.datetime) -> Sequence[sa.Row[int, bool, dt.datetime | None]]:
    """The published items that no mailing covers: id, whether urgent, and since when."""
    return session.execute(_ITEMS_DUE, _until(now, LOOK_BACK_FOR_ITEMS)).all()


def cover_corrections(session: Session, *, now: dt.datetime, lateness: dt.timedelta) -> int:
    """Begin a mailing for each correction that is to be told and that none covers; says how many.

    Several corrections of an item are told one by one: who reads the second may have read the first.
    """
    waiting = session.scalars(_CORRECTIONS_DUE, _until(now, LOOK_BACK_FOR_ITEMS)).all()
    return sum(
        _begin(
            session,
            now=now,
            late=now - one.corrected_at > lateness,
            kind="correction",
            lane=Lane.NEWS,
            item_id=one.item_id,
            correction_id=one.id,
        )
        is not None
        for one in waiting
    )


def cover_digests(session: Session, schedules: Sequence[Schedule], *, now: dt.datetime, lateness: dt.timedelta) -> int:
    """Begin a mailing for each digest period that has ended and that none covers; says how many.

    A period that nobody could want a digest of, because nobody had asked for one before it ended, gets none. One that
    ended longer ago than `lateness` waits for a person's yes, if there is anything to tell.
    """
    count = 0
    for kind, period in digests_due(session, schedules, now=now):
        late = now - period.end > lateness and has_news(session, period)
        count += (
            _begin(
                session,
                now=now,
                late=late,
                kind=kind,
                lane=Lane.DIGEST,
                period_start=period.start,
                period_end=period.end,
            )
            is not None
        )
    return count


def digests_due(session: Session, schedules: Sequence[Schedule], *, now: dt.datetime) -> Iterator[tuple[str, Period]]:
    """The digest periods, each with its kind, that have ended, that somebody wants told, and that no mailing covers."""
    for schedule in schedules:
        since = session.scalar(_FIRST_WISH, {"kind": schedule.kind})
        if since is None:
            continue
        lately = {"kind": schedule.kind, "since": now - LOOK_BACK - dt.timedelta(days=1)}
        covered = set(session.scalars(_PERIODS_COVERED, lately))
        for period in periods_ended(schedule, after=now - LOOK_BACK, by=now):
            if period.end not in covered and since <= period.end:
                yield schedule.kind, period


def has_news(session: Session, period: Period) -> bool:
    """Whether a digest of the period has anything to tell."""
    told = sa.and_(Item.announce, Item.withdrawn_at.is_(None))
    within = sa.and_(Item.published_at >= period.start, Item.published_at < period.end)
    return session.scalar(sa.select(Item.id).where(told, within).limit(1)) is not None


def cover_signups(session: Session, *, now: dt.datetime) -> int:
    """Begin a mailing, with its one delivery, for each sign-up that waits for its letter; says how many."""
    return sum(
        _begin_single(session, signup.subscriber_id, signup.language, now=now, kind="confirmation", signup_id=signup.id)
        for signup in session.scalars(_SIGNUPS_WAITING, _until(now, LOOK_BACK_FOR_PEOPLE)).all()
    )


def cover_personal_letters(session: Session, *, now: dt.datetime) -> int:
    """Begin a mailing, with its one delivery, for each personal letter that was asked for; says how many."""
    return sum(
        _begin_single(
            session, letter.subscriber_id, letter.language, now=now, kind=letter.kind, personal_letter_id=letter.id
        )
        for letter in session.scalars(_LETTERS_WAITING, _until(now, LOOK_BACK_FOR_PEOPLE)).all()
    )


def is_somebody_waiting(session: Session, *, now: dt.datetime) -> bool:
    """Whether a reader has asked for a letter of their own that no mailing covers yet."""
    by = _until(now, LOOK_BACK_FOR_PEOPLE)
    return any(session.scalar(waits, by) for waits in (_SIGNUP_WAITS, _LETTER_WAITS))


def _begin_single(session: Session, subscriber_id: int, language: str, *, now: dt.datetime, **values: Any) -> bool:
    """Begin a mailing of one letter, which needs no matching."""
    mailing = _begin(session, now=now, lane=Lane.CONFIRMATION, state="composing", matched_at=now, selected=1, **values)
    if mailing is None:
        return False
    edition = Edition(mailing_id=mailing.id, language=language, reason="")
    batch = Batch(mailing_id=mailing.id, number=0, lane=mailing.lane, due_at=now)
    session.add_all([edition, batch])
    session.flush()
    session.add(Delivery(mailing_id=mailing.id, subscriber_id=subscriber_id, edition_id=edition.id, batch_id=batch.id))
    return True


def _begin(session: Session, *, now: dt.datetime, late: bool = False, **values: Any) -> Mailing | None:
    values = {"state": "held" if late else "new", "problem": TOO_LATE if late else None, **values}
    try:
        with session.begin_nested():
            mailing = Mailing(created_at=now, **values)
            session.add(mailing)
    except sa.exc.IntegrityError:
        return None  # Another tick was faster; that is a normal day.
    if late:
        note_event(session, mailing.id, "held", by="engine", now=now)
    return mailing
