"""One reminder to who asked for letters and hasn't said yes a day later. The letter itself is found by delivery.

Each sign-up is looked at once, when its time comes; so asking every second costs a look into an index.
"""

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from newsroom.extensions import UTCDateTime
from newsroom.subscribers import personal
from newsroom.subscribers.models import Signup, SignupTopic, Subscriber, Subscription
from newsroom.subscribers.signup import LINK_DAYS, REMIND_AFTER

TOO_LATE = REMIND_AFTER  # After its time: who asked two days ago has forgotten, or has made up their mind.
AT_A_TIME = 200

_DUE = (  # Asked every second, and so built once.
    sa.select(Signup.id)
    .where(Signup.remind_at <= sa.bindparam("now", type_=UTCDateTime()))
    .order_by(Signup.remind_at)
    .limit(sa.bindparam("most", type_=sa.Integer()))
    .with_for_update(skip_locked=True)
)


def remind(session: Session, *, now: dt.datetime, most: int = AT_A_TIME) -> int:
    """Ask for the reminders whose time has come; says how many. The caller commits.

    Only an address's newest wish is reminded of, and only where something in it doesn't hold already. An address that
    refused our letter gets no second one, and after a longer standstill nobody gets a late one.
    """
    due = session.scalars(_DUE, {"now": now, "most": most}).all()
    if not due:
        return 0
    wanted = session.scalars(_still_wanted(due, now=now)).all()
    session.execute(sa.update(Signup).where(Signup.id.in_(due)).values(remind_at=None))
    for signup in wanted:
        letter = personal.ask_for_letter(
            session, signup.subscriber, "reminder", now=now, language=signup.language, signup=signup
        )
        letter.good_until = signup.requested_at + dt.timedelta(days=LINK_DAYS)
    return len(wanted)


def _still_wanted(signup_ids: Sequence[int], *, now: dt.datetime) -> sa.Select[Signup]:
    newer = aliased(Signup)
    asked_again = sa.select(newer.id).where(
        newer.subscriber_id == Signup.subscriber_id,
        sa.tuple_(newer.requested_at, newer.id) > sa.tuple_(Signup.requested_at, Signup.id),
    )
    holds = sa.select(Subscription.id).where(
        Subscription.subscriber_id == Signup.subscriber_id,
        Subscription.topic_id == SignupTopic.topic_id,
        Subscription.frequency == sa.func.coalesce(SignupTopic.frequency, Signup.frequency),
        Subscription.ended_at.is_(None),
    )
    open_wish = sa.select(SignupTopic.topic_id).where(
        SignupTopic.signup_id == Signup.id, ~holds.correlate(Signup, SignupTopic).exists()
    )
    return (
        sa.select(Signup)
        .join(Subscriber, Subscriber.id == Signup.subscriber_id)
        .where(
            Signup.id.in_(signup_ids),
            Signup.confirmed_at.is_(None),
            Signup.remind_at > now - TOO_LATE,
            Subscriber.refusals == 0,
            Subscriber.erased_at.is_(None),
            ~asked_again.exists(),
            open_wish.correlate(Signup).exists(),
        )
        .order_by(Signup.id)
    )
