"""What nobody needs any longer goes: requests without an answer, letters to one person, readers' ended visits.

A little at a time; where there is nothing to forget, asking costs a look into three indexes.
"""

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.extensions import UTCDateTime
from newsroom.subscribers.models import (
    ConsentEvent,
    PersonalLetter,
    ReaderSession,
    Signup,
    Subscriber,
    Subscription,
)
from newsroom.subscribers.signup import LINK_DAYS

KEEP = dt.timedelta(days=LINK_DAYS)
AT_A_TIME = 100

# Asked every second, and so built once.
_NOW, _BEFORE = (sa.bindparam(name, type_=UTCDateTime()) for name in ("now", "before"))
_MOST = sa.bindparam("most", type_=sa.Integer())
_UNANSWERED = (
    sa.select(Signup.id, Signup.subscriber_id)
    .where(Signup.confirmed_at.is_(None), Signup.requested_at < _BEFORE)
    .order_by(Signup.requested_at)
    .limit(_MOST)
    .with_for_update(skip_locked=True, of=Signup)
)
_LETTERS_OVER = (
    sa.select(PersonalLetter.id)
    .where(
        PersonalLetter.asked_at < _BEFORE,
        sa.or_(
            PersonalLetter.good_until.is_(None),
            PersonalLetter.good_until < _NOW,
            PersonalLetter.used_at.is_not(None),
        ),
    )
    .order_by(PersonalLetter.asked_at)
    .limit(_MOST)
    .with_for_update(skip_locked=True)
)
_VISITS_OVER = (
    sa.select(ReaderSession.key_hash)
    .where(ReaderSession.ends_at <= _NOW)
    .order_by(ReaderSession.ends_at)
    .limit(_MOST)
    .with_for_update(skip_locked=True)
)


def forget(session: Session, *, now: dt.datetime, most: int = AT_A_TIME) -> int:
    """Forget some of what has had its time; says how many rows. The caller commits.

    What was sent for it, mailing, edition and delivery, goes with it: the database's own keys see to that.
    """
    return (
        _forget_signups(session, now=now, most=most)
        + _sweep_letters(session, now=now, most=most)
        + _sweep_visits(session, now=now, most=most)
    )


def _forget_signups(session: Session, *, now: dt.datetime, most: int) -> int:
    """Forget requests that nobody answered while their links worked, and whoever is known by nothing else."""
    found = session.execute(_UNANSWERED, {"before": now - KEEP, "most": most}).all()
    if not found:
        return 0
    quietly = {"synchronize_session": False}
    session.execute(
        sa.delete(Signup).where(Signup.id.in_([signup_id for signup_id, _ in found])), execution_options=quietly
    )
    # Locked first and looked at then, in a statement of its own: somebody may be asking for the address right now.
    asked = {subscriber_id for _, subscriber_id in found}
    unconfirmed = session.scalars(
        sa.select(Subscriber.id)
        .where(Subscriber.id.in_(asked), Subscriber.confirmed_at.is_(None), Subscriber.erased_at.is_(None))
        .order_by(Subscriber.id)
        .with_for_update()
    ).all()
    hanging = [
        sa.select(kind.subscriber_id).where(kind.subscriber_id == Subscriber.id).exists()
        for kind in (Signup, Subscription, ConsentEvent, PersonalLetter)
    ]
    session.execute(
        sa.delete(Subscriber).where(Subscriber.id.in_(unconfirmed), *(~one for one in hanging)),
        execution_options=quietly,
    )
    return len(found)


def _sweep_letters(session: Session, *, now: dt.datetime, most: int) -> int:
    """Forget letters to one person, a week after they were asked for and once their links work no longer."""
    found = session.scalars(_LETTERS_OVER, {"now": now, "before": now - KEEP, "most": most}).all()
    if found:
        session.execute(
            sa.delete(PersonalLetter).where(PersonalLetter.id.in_(found)),
            execution_options={"synchronize_session": False},
        )
    return len(found)


def _sweep_visits(session: Session, *, now: dt.datetime, most: int) -> int:
    """Forget the readers' visits that have ended."""
    found = session.scalars(_VISITS_OVER, {"now": now, "most": most}).all()
    if found:
        session.execute(
            sa.delete(ReaderSession).where(ReaderSession.key_hash.in_(found)),
            execution_options={"synchronize_session": False},
        )
    return len(found)
