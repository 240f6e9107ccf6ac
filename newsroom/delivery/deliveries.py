"""The ledger's deliveries: one letter to one subscriber, from waiting to settled. SQL only; the caller commits."""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.delivery.answers import Outcome, Result, retry_at
from newsroom.delivery.models import SINGLE_KINDS, Batch, Delivery, Edition, EditionItem, Mailing, MailingTopic
from newsroom.extensions import UTCDateTime, changed
from newsroom.news.models import Item
from newsroom.subscribers.models import PersonalLetter, Signup, Subscriber, Subscription

ERASED = "erased"  # The subscriber is a number without a person; nothing that was said about them is kept.
PAUSED = "paused"  # The subscriber wants no letters for a while, but important messages.
MOST_LOST = 3  # A letter whose answer was lost so often isn't resent by itself any more.

# What runs for each group of letters is built once and runs on the bare connection: building it anew and going through
# the ORM took longer than the database did.
_NOW = sa.bindparam("now", type_=UTCDateTime())


class Due(NamedTuple):
    """A delivery that may leave now, with what its letter needs."""

    delivery_id: int
    edition_id: int
    address: str
    token: str


def is_sendable(now: sa.BindParameter[dt.datetime] | None, *, resend: bool) -> sa.ColumnElement[bool]:
    """Deliveries that a worker may put on the wire; with `now`, only those whose time has come."""
    again = sa.and_(Delivery.state == "uncertain", Delivery.lost < MOST_LOST) if resend else sa.false()
    found = sa.or_(Delivery.state == "waiting", again)
    if now is None:
        return found
    return sa.and_(found, sa.or_(Delivery.retry_at.is_(None), Delivery.retry_at <= now))


_ELSEWHERE = (
    sa.select(PersonalLetter.address)
    .join(Mailing, Mailing.personal_letter_id == PersonalLetter.id)
    .join(Batch, Batch.mailing_id == Mailing.id)
    .where(Batch.id == sa.bindparam("batch"))
    .scalar_subquery()
)
_IN_BATCH = (
    sa.select(Delivery.id, Delivery.edition_id, sa.func.coalesce(_ELSEWHERE, Subscriber.address), Subscriber.token)
    .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
    .where(Delivery.batch_id == sa.bindparam("batch"))
    .order_by(Delivery.id)
)
_DUE = {resend: _IN_BATCH.where(is_sendable(_NOW, resend=resend)) for resend in (False, True)}
_LETTERS = sa.select(Edition.id, Edition.sender, Edition.letter).where(
    Edition.id.in_(sa.bindparam("editions", expanding=True))
)


def find_due(session: Session, batch_id: int, *, now: dt.datetime, resend: bool) -> list[Due]:
    """A claimed batch's deliveries that may leave now, each with the address that it goes to."""
    rows = session.connection().execute(_DUE[resend], {"batch": batch_id, "now": now})
    return [Due(*row) for row in rows]


def letters_of(session: Session, edition_ids: Collection[int]) -> dict[int, tuple[str, bytes]]:
    """Pairs of envelope sender and letter, by edition. One whose letter was taken back is not among them."""
    rows = session.connection().execute(_LETTERS, {"editions": tuple(edition_ids)})
    return {edition_id: (sender, letter) for edition_id, sender, letter in rows if sender and letter}


_NOT_WITHDRAWN = (
    sa.select(Item.id)
    .join(EditionItem, EditionItem.item_id == Item.id)
    .where(EditionItem.edition_id == Delivery.edition_id, Item.withdrawn_at.is_(None))
    .exists()
)
_STILL_FOLLOWS = (
    sa.select(Subscription.id)
    .join(MailingTopic, MailingTopic.topic_id == Subscription.topic_id)
    .where(
        MailingTopic.mailing_id == Delivery.mailing_id,
        Subscription.subscriber_id == Delivery.subscriber_id,
        Subscription.ended_at.is_(None),
    )
    .exists()
)
_IS_AT_HOME = (
    sa.select(Subscriber.id)
    .where(
        Subscriber.id == Delivery.subscriber_id,
        sa.or_(Subscriber.paused_until.is_(None), Subscriber.paused_until <= _NOW),
    )
    .exists()
)
_STILL_ASKED = (
    sa.select(Signup.id)
    .join(Mailing, Mailing.signup_id == Signup.id)
    .where(Mailing.id == Delivery.mailing_id, Signup.confirmed_at.is_(None))
    .exists()
)
_STILL_GOOD = (
    sa.select(PersonalLetter.id)
    .join(Mailing, Mailing.personal_letter_id == PersonalLetter.id)
    .outerjoin(Signup, Signup.id == PersonalLetter.signup_id)
    .where(
        Mailing.id == Delivery.mailing_id,
        PersonalLetter.used_at.is_(None),
        sa.or_(PersonalLetter.good_until.is_(None), PersonalLetter.good_until > _NOW),
        Signup.confirmed_at.is_(None),
    )
    .exists()
)
_IN_GROUP = sa.and_(
    Delivery.batch_id == sa.bindparam("batch"),
    Delivery.id.between(sa.bindparam("low"), sa.bindparam("high")),
    Delivery.state.in_(("waiting", "uncertain")),
)
_WAITING = sa.select(Delivery.id).where(_IN_GROUP)


def _skip(*conditions: tuple[str, sa.ColumnElement[bool]]) -> sa.Update:
    """Skip those of a group whom a condition doesn't hold for any more, with its reason."""
    return (
        sa.update(Delivery)
        .where(_IN_GROUP, sa.or_(*(~wanted for _, wanted in conditions)))
        .values(
            state="skipped",
            reason=sa.case(*((~wanted, reason) for reason, wanted in conditions)),
            settled_at=_NOW,
            retry_at=None,
        )
    )


_SKIP_FOLLOWERS = _skip(("unsubscribed", _STILL_FOLLOWS), ("withdrawn", _NOT_WITHDRAWN), (PAUSED, _IS_AT_HOME))
_SKIP_URGENT = _skip(("unsubscribed", _STILL_FOLLOWS), ("withdrawn", _NOT_WITHDRAWN))
_SKIP_WHO_CONFIRMED = _skip(("already confirmed", _STILL_ASKED))
_SKIP_WHO_ASKED = _skip(("no longer needed", _STILL_GOOD))


def skip_unwanted(session: Session, due: Sequence[Due], *, batch_id: int, kind: str, now: dt.datetime) -> set[int]:
    """Skip, with the reason, who doesn't want the letter any more; gives the ids that are to leave all the same.

    To be called right before these letters leave: what a reader said until now counts.
    """
    connection = session.connection()
    group = {"batch": batch_id, "low": due[0].delivery_id, "high": due[-1].delivery_id}
    skip_whom = _SKIP_URGENT if kind == "urgent" else _SKIP_FOLLOWERS
    if kind in SINGLE_KINDS:
        skip_whom = _SKIP_WHO_CONFIRMED if kind == "confirmation" else _SKIP_WHO_ASKED
    connection.execute(skip_whom, {**group, "now": now})
    return set(connection.scalars(_WAITING, group))


def skip(session: Session, delivery_ids: Collection[int], *, reason: str, now: dt.datetime) -> None:
    """Skip these deliveries for a reason."""
    waiting = sa.and_(Delivery.id.in_(delivery_ids), _UNSETTLED)
    skipped = sa.update(Delivery).where(waiting)
    changed(session, skipped.values(state="skipped", reason=reason, settled_at=now, retry_at=None))


_UNSETTLED = sa.or_(Delivery.state == "waiting", Delivery.state == "uncertain")


def _accept(each: sa.FunctionElement[Any]) -> sa.Update:
    """Settle all letters that were accepted with the same code: one statement, however many there are."""
    replies = each.table_valued("key", "value")
    # What the mail server took it took, also where the mailing was cancelled meanwhile.
    open_to_it = Delivery.state.in_(("waiting", "uncertain", "skipped"))
    return (
        sa.update(Delivery)
        .where(
            Delivery.id == sa.cast(replies.c.key, sa.BigInteger),
            # Says the same again, for a planner that would otherwise read the whole table.
            Delivery.id.between(sa.bindparam("low"), sa.bindparam("high")),
            open_to_it,
        )
        .values(
            state="accepted",
            code=sa.bindparam("answer"),
            reply=sa.case((Delivery.reason == ERASED, None), else_=replies.c.value),
            reason=None,
            retry_at=None,
            attempts=Delivery.attempts + 1,
            first_tried_at=sa.func.coalesce(Delivery.first_tried_at, _NOW),
            settled_at=_NOW,
        )
    )


_REPLIES = sa.bindparam("replies", type_=sa.JSON())  # By delivery id.
_ACCEPT = {
    "sqlite": _accept(sa.func.json_each(_REPLIES)),
    "postgresql": _accept(sa.func.json_each_text(_REPLIES)),
}


def settle(session: Session, outcomes: Mapping[int, Outcome], *, now: dt.datetime) -> None:
    """Write down what became of letters, by delivery id. A second time nothing changes."""
    accepted: dict[int | None, dict[int, str]] = {}
    for delivery_id, outcome in outcomes.items():
        if outcome.result is Result.ACCEPTED:
            accepted.setdefault(outcome.code, {})[delivery_id] = outcome.reply
        else:
            _settle_one(session, delivery_id, outcome, now=now)
    connection = session.connection()
    for code, replies in accepted.items():
        which = {"replies": replies, "low": min(replies), "high": max(replies)}
        connection.execute(_ACCEPT[connection.dialect.name], {**which, "answer": code, "now": now})


def _settle_one(session: Session, delivery_id: int, outcome: Outcome, *, now: dt.datetime) -> None:
    before = session.execute(
        sa.select(Delivery.attempts, Delivery.first_tried_at).where(Delivery.id == delivery_id, _UNSETTLED)
    ).one_or_none()
    if before is None:
        return
    attempts, since = before.attempts + 1, before.first_tried_at or now
    values: dict[str, Any] = {"code": outcome.code, "reply": outcome.reply, "reason": None, "retry_at": None}
    tried = {"attempts": attempts, "first_tried_at": since}
    again = retry_at(attempts, since=since, now=now)
    match outcome.result:
        case Result.REFUSED:
            values |= {"state": "refused", "settled_at": now, "reason": outcome.reason, **tried}
        case Result.BROKEN:
            values |= {"state": "waiting"}
        case Result.MISCONFIGURED:
            # It counts against nobody, but others go first: perhaps the server minds only this one.
            values |= {"state": "waiting", "retry_at": retry_at(1, since=now, now=now)}
        case Result.UNCERTAIN:
            values |= {
                "state": "uncertain",
                "lost": Delivery.lost + 1,
                "reason": "answer lost",
                "retry_at": again,
                **tried,
            }
        case Result.LATER if again is None:
            values |= {"state": "refused", "settled_at": now, "reason": "gave up", **tried}
        case Result.LATER:
            values |= {"state": "waiting", "retry_at": again, **tried}
    session.execute(sa.update(Delivery).where(Delivery.id == delivery_id).values(**values))
    if outcome.result is Result.REFUSED and outcome.reason == "address":
        whose = sa.select(Delivery.subscriber_id).where(Delivery.id == delivery_id).scalar_subquery()
        changed(session, sa.update(Subscriber).where(Subscriber.id == whose).values(refusals=Subscriber.refusals + 1))


def doubt(session: Session, delivery_ids: Collection[int], *, now: dt.datetime) -> None:
    """Mark letters uncertain that a dead worker was sending. They may go again at once, under the same Message-ID."""
    if delivery_ids:
        session.execute(
            sa.update(Delivery)
            .where(Delivery.id.in_(delivery_ids), _UNSETTLED)
            .values(state="uncertain", reason="worker lost", retry_at=now, attempts=Delivery.attempts + 1)
        )
