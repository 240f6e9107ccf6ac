"""The ledger: what is to be sent, to whom, and what became of it. SQL only; the caller commits.

Whatever decides between two workers is one conditional statement. Who finds no row was the slower one.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.delivery.answers import Outcome, Result, retry_at
from newsroom.delivery.models import Batch, Delivery, Edition, Lane, Mailing, MailingTopic
from newsroom.extensions import UTCDateTime
from newsroom.news.models import Item
from newsroom.news.topics import reaching
from newsroom.subscribers.models import Signup, Subscriber, Subscription
from newsroom.subscribers.signup import LINK_DAYS

MOST_LOST = 3  # A letter whose answer was lost so often isn't resent by itself any more.


def _changed(session: Session, statement: sa.Update | sa.Insert) -> int:
    result: Any = session.execute(statement, execution_options={"synchronize_session": False})
    return int(result.rowcount)


# From published to written down


def cover_items(session: Session, *, now: dt.datetime) -> int:
    """Begin a mailing for each published item that none covers; says how many."""
    covered = sa.select(Mailing.id).where(Mailing.item_id == Item.id, Mailing.kind == "news").exists()
    waiting = session.scalars(
        sa.select(Item.id).where(Item.announce, Item.published_at <= now, Item.withdrawn_at.is_(None), ~covered)
    )
    return sum(_add_mailing(session, kind="news", lane=Lane.NEWS, item_id=one, now=now) is not None for one in waiting)


def cover_signups(session: Session, *, now: dt.datetime) -> int:
    """Begin a mailing, with its one delivery, for each sign-up that waits for its letter; says how many."""
    covered = sa.select(Mailing.id).where(Mailing.signup_id == Signup.id).exists()
    waiting = session.scalars(
        sa.select(Signup).where(
            Signup.confirmed_at.is_(None), Signup.requested_at > now - dt.timedelta(days=LINK_DAYS), ~covered
        )
    ).all()
    begun = 0
    for signup in waiting:
        mailing = _add_mailing(session, kind="confirmation", lane=Lane.CONFIRMATION, signup_id=signup.id, now=now)
        if mailing is None:
            continue
        mailing.state, mailing.matched_at = "composing", now
        edition = Edition(mailing_id=mailing.id, language=signup.language, items_key="", topics_mask=0)
        batch = Batch(mailing_id=mailing.id, number=0, lane=mailing.lane, due_at=now)
        session.add_all([edition, batch])
        session.flush()
        session.add(
            Delivery(
                mailing_id=mailing.id, subscriber_id=signup.subscriber_id, edition_id=edition.id, batch_id=batch.id
            )
        )
        begun += 1
    return begun


def _add_mailing(session: Session, *, now: dt.datetime, **values: Any) -> Mailing | None:
    try:
        with session.begin_nested():
            mailing = Mailing(created_at=now, state="new", **values)
            session.add(mailing)
        return mailing
    except sa.exc.IntegrityError:
        return None  # Another tick was faster; that is a normal day.


def match(session: Session, mailing_id: int, *, now: dt.datetime, batch_size: int) -> int | None:
    """Write down everybody a new mailing goes to: one row per subscriber, however many topics they share with it.

    To be called first in its transaction, which runs on one snapshot: editions, batches and deliveries all see the
    same audience. Gives the number of deliveries, or None where another tick was faster.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
    claimed = sa.update(Mailing).where(Mailing.id == mailing_id, Mailing.state == "new")
    if _changed(session, claimed.values(state="composing", matched_at=now)) == 0:
        return None
    item = session.scalars(
        sa.select(Item).join(Mailing, Mailing.item_id == Item.id).where(Mailing.id == mailing_id)
    ).one()
    session.execute(sa.update(Mailing).where(Mailing.id == mailing_id).values(item_version=item.version))
    topics = reaching(item.topics)
    session.add_all(
        MailingTopic(mailing_id=mailing_id, topic_id=topic.id, bit=1 << place) for place, topic in enumerate(topics)
    )
    session.flush()
    items_key = f"{item.id}:{item.version}"
    audience = (
        sa.select(
            Subscriber.id.label("subscriber_id"),
            Subscriber.language.label("language"),
            sa.cast(sa.func.sum(MailingTopic.bit), sa.BigInteger).label("mask"),
        )
        .join(Subscription, Subscription.subscriber_id == Subscriber.id)
        .join(MailingTopic, MailingTopic.topic_id == Subscription.topic_id)
        .where(
            MailingTopic.mailing_id == mailing_id,
            Subscription.ended_at.is_(None),
            Subscription.frequency == "direct",
            Subscriber.confirmed_at.is_not(None),
        )
        .group_by(Subscriber.id, Subscriber.language)
        .subquery("audience")
    )
    session.execute(
        sa.insert(Edition).from_select(
            ["mailing_id", "language", "items_key", "topics_mask"],
            sa.select(
                sa.literal(mailing_id), audience.c.language, sa.literal(items_key, sa.Text), audience.c.mask
            ).distinct(),
        )
    )
    people = session.scalar(sa.select(sa.func.count()).select_from(audience)) or 0
    batches = [
        {"mailing_id": mailing_id, "number": number, "lane": int(Lane.NEWS), "due_at": now}
        for number in range(-(-people // batch_size))
    ]
    if batches:
        session.execute(sa.insert(Batch), batches)
    numbered = sa.select(
        audience,
        ((sa.func.row_number().over(order_by=audience.c.subscriber_id) - 1) // batch_size).label("number"),
    ).subquery("numbered")
    session.execute(
        sa.insert(Delivery).from_select(
            ["mailing_id", "subscriber_id", "edition_id", "batch_id", "state", "attempts", "lost"],
            sa.select(
                sa.literal(mailing_id),
                numbered.c.subscriber_id,
                Edition.id,
                Batch.id,
                sa.literal("waiting", sa.Text),
                sa.literal(0),
                sa.literal(0),
            )
            .join(
                Edition,
                sa.and_(
                    Edition.mailing_id == mailing_id,
                    Edition.language == numbered.c.language,
                    Edition.topics_mask == numbered.c.mask,
                ),
            )
            .join(Batch, sa.and_(Batch.mailing_id == mailing_id, Batch.number == numbered.c.number))
            .order_by(numbered.c.subscriber_id),
        )
    )
    return people


def mailings_in(session: Session, state: str) -> Sequence[int]:
    """The mailings in a state, the most urgent and oldest first."""
    return session.scalars(sa.select(Mailing.id).where(Mailing.state == state).order_by(Mailing.lane, Mailing.id)).all()


def uncomposed_editions(session: Session, mailing_id: int) -> Sequence[Edition]:
    """A mailing's editions that have no letter yet."""
    return session.scalars(
        sa.select(Edition).where(Edition.mailing_id == mailing_id, Edition.letter.is_(None)).order_by(Edition.id)
    ).all()


def topics_named(session: Session, edition: Edition) -> list[MailingTopic]:
    """The topics that an edition names as the reason it came, the item's own first."""
    rows = session.scalars(
        sa.select(MailingTopic).where(MailingTopic.mailing_id == edition.mailing_id).order_by(MailingTopic.bit)
    )
    return [row for row in rows if row.bit & edition.topics_mask]


def topic_ids_of(session: Session, mailing_key: str) -> Sequence[int]:
    """The topics whose followers a mailing reached: what its unsubscribe link ends."""
    return session.scalars(
        sa.select(MailingTopic.topic_id)
        .join(Mailing, Mailing.id == MailingTopic.mailing_id)
        .where(Mailing.key == mailing_key)
        .order_by(MailingTopic.bit)
    ).all()


def keep_letter(
    session: Session, edition_id: int, *, sender: str, letter: bytes, sha256: str, now: dt.datetime
) -> bool:
    """Store an edition's letter, once; false where it has one already."""
    kept = sa.update(Edition).where(Edition.id == edition_id, Edition.letter.is_(None))
    return _changed(session, kept.values(sender=sender, letter=letter, sha256=sha256, composed_at=now)) == 1


def open_for_sending(session: Session, mailing_id: int) -> bool:
    """Let a mailing's batches be claimed, once all its editions are composed."""
    unfinished = sa.select(Edition.id).where(Edition.mailing_id == mailing_id, Edition.letter.is_(None)).exists()
    opened = sa.update(Mailing).where(Mailing.id == mailing_id, Mailing.state == "composing", ~unfinished)
    return _changed(session, opened.values(state="sending", problem=None)) == 1


def finish_mailings(session: Session, *, now: dt.datetime) -> int:
    """Close the mailings that have nothing left to do; "done" is this query, never a guess."""
    unfinished = sa.select(Batch.id).where(Batch.mailing_id == Mailing.id, Batch.state == "open").exists()
    finished = sa.update(Mailing).where(Mailing.state == "sending", ~unfinished)
    return _changed(session, finished.values(state="done", finished_at=now, problem=None))


def note_problem(session: Session, mailing_id: int, problem: str) -> None:
    """Write down what keeps a mailing from going on, for the desk to show."""
    session.execute(sa.update(Mailing).where(Mailing.id == mailing_id).values(problem=problem[:500]))


# From written down to settled


@dataclass(frozen=True)
class Due:
    """A delivery that may leave now, with what its letter needs."""

    delivery_id: int
    edition_id: int
    address: str
    token: str


@dataclass(frozen=True)
class Claim:
    """A batch that this worker holds until its lease runs out."""

    batch_id: int
    mailing_id: int
    mailing_key: str
    kind: str
    worker: str


def due_batches(
    session: Session, *, now: dt.datetime, lanes: Sequence[int] | None = None, most: int = 16
) -> Sequence[int]:
    """Batches that could be claimed now, the most urgent first."""
    found = (
        sa.select(Batch.id)
        .join(Mailing, Mailing.id == Batch.mailing_id)
        .where(
            Batch.state == "open",
            Mailing.state == "sending",
            Batch.due_at <= now,
            sa.or_(Batch.lease_until.is_(None), Batch.lease_until <= now),
        )
        .order_by(Batch.lane, Batch.due_at, Batch.id)
        .limit(most)
    )
    if lanes is not None:
        found = found.where(Batch.lane.in_(lanes))
    return session.scalars(found).all()


def claim(session: Session, batch_id: int, *, worker: str, now: dt.datetime, lease: dt.timedelta) -> Claim | None:
    """Take a batch for this worker, until the lease runs out."""
    sending = sa.select(Mailing.id).where(Mailing.id == Batch.mailing_id, Mailing.state == "sending").exists()
    taken = sa.update(Batch).where(
        Batch.id == batch_id,
        Batch.state == "open",
        Batch.due_at <= now,
        sa.or_(Batch.lease_until.is_(None), Batch.lease_until <= now),
        sending,
    )
    if _changed(session, taken.values(worker=worker, lease_until=now + lease)) == 0:
        return None  # Another worker was faster; that is a normal day.
    mailing = session.scalars(
        sa.select(Mailing).join(Batch, Batch.mailing_id == Mailing.id).where(Batch.id == batch_id)
    ).one()
    return Claim(batch_id, mailing.id, mailing.key, mailing.kind, worker)


def _sendable(now: dt.datetime | None, *, resend: bool) -> sa.ColumnElement[bool]:
    """Deliveries that a worker may put on the wire; with `now`, only those whose time has come."""
    again = sa.and_(Delivery.state == "uncertain", Delivery.lost < MOST_LOST) if resend else sa.false()
    found = sa.or_(Delivery.state == "waiting", again)
    if now is None:
        return found
    return sa.and_(found, sa.or_(Delivery.retry_at.is_(None), Delivery.retry_at <= now))


def due_deliveries(session: Session, batch_id: int, *, now: dt.datetime, resend: bool) -> list[Due]:
    """A claimed batch's deliveries that may leave now."""
    rows = session.execute(
        sa.select(Delivery.id, Delivery.edition_id, Subscriber.address, Subscriber.token)
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .where(Delivery.batch_id == batch_id, _sendable(now, resend=resend))
        .order_by(Delivery.id)
    )
    return [Due(*row) for row in rows]


def letters_of(session: Session, edition_ids: set[int]) -> dict[int, tuple[str, bytes]]:
    """Pairs of envelope sender and letter, by edition."""
    rows = session.execute(sa.select(Edition.id, Edition.sender, Edition.letter).where(Edition.id.in_(edition_ids)))
    return {edition_id: (sender or "", letter or b"") for edition_id, sender, letter in rows}


_NOT_WITHDRAWN = ~(
    sa.select(Item.id)
    .join(Mailing, Mailing.item_id == Item.id)
    .where(Mailing.id == Delivery.mailing_id, Item.withdrawn_at.is_not(None))
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
_STILL_ASKED = (
    sa.select(Signup.id)
    .join(Mailing, Mailing.signup_id == Signup.id)
    .where(Mailing.id == Delivery.mailing_id, Signup.confirmed_at.is_(None))
    .exists()
)
_CONDITIONS: dict[str, list[tuple[str, sa.ColumnElement[bool]]]] = {
    "news": [("unsubscribed", _STILL_FOLLOWS), ("withdrawn", _NOT_WITHDRAWN)],
    "confirmation": [("already confirmed", _STILL_ASKED)],
}


class LeaseLost(Exception):
    """Another worker holds the batch by now; whoever learns it must send nothing more from it."""


def skip_unwanted(session: Session, claim: Claim, due: Sequence[Due], *, now: dt.datetime) -> set[int]:
    """Skip, with the reason, who doesn't want the letter any more; gives the ids that are to leave all the same.

    To be called right before these letters leave: what a reader said until now counts.
    """
    ids = [one.delivery_id for one in due]
    waiting = sa.and_(Delivery.id.in_(ids), Delivery.state.in_(("waiting", "uncertain")))
    for reason, wanted in _CONDITIONS[claim.kind]:
        skipped = sa.update(Delivery).where(waiting, ~wanted)
        _changed(session, skipped.values(state="skipped", reason=reason, settled_at=now, retry_at=None))
    return set(session.scalars(sa.select(Delivery.id).where(waiting)))


_UNSETTLED = sa.or_(Delivery.state == "waiting", Delivery.state == "uncertain")
_ACCEPT = (
    sa.update(Delivery)
    .where(Delivery.id == sa.bindparam("delivery_id"), _UNSETTLED)
    .values(
        state="accepted",
        code=sa.bindparam("answer"),
        reply=sa.bindparam("words"),
        reason=None,
        retry_at=None,
        attempts=Delivery.attempts + 1,
        first_tried_at=sa.func.coalesce(Delivery.first_tried_at, sa.bindparam("at", type_=UTCDateTime())),
        settled_at=sa.bindparam("at", type_=UTCDateTime()),
    )
)


def settle(session: Session, outcomes: Mapping[int, Outcome], *, now: dt.datetime) -> None:
    """Write down what became of letters, by delivery id. A second time nothing changes."""
    accepted = [
        {"delivery_id": delivery_id, "answer": outcome.code, "words": outcome.reply, "at": now}
        for delivery_id, outcome in outcomes.items()
        if outcome.result is Result.ACCEPTED
    ]
    if accepted:
        session.connection().execute(_ACCEPT, accepted)
    for delivery_id, outcome in outcomes.items():
        if outcome.result is not Result.ACCEPTED:
            _settle_one(session, delivery_id, outcome, now=now)


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


def doubt(session: Session, delivery_ids: Collection[int], *, now: dt.datetime) -> None:
    """Mark letters uncertain that a dead worker was sending. They may go again at once, under the same Message-ID."""
    if delivery_ids:
        session.execute(
            sa.update(Delivery)
            .where(Delivery.id.in_(delivery_ids), _UNSETTLED)
            .values(state="uncertain", reason="worker lost", retry_at=now, attempts=Delivery.attempts + 1)
        )


def renew(session: Session, claim: Claim, *, now: dt.datetime, lease: dt.timedelta) -> None:
    """Hold a batch for longer. Raises LeaseLost."""
    held = sa.update(Batch).where(Batch.id == claim.batch_id, Batch.worker == claim.worker, Batch.lease_until > now)
    if _changed(session, held.values(lease_until=now + lease)) == 0:
        raise LeaseLost


def release(
    session: Session,
    claim: Claim,
    *,
    now: dt.datetime,
    resend: bool,
    failed: bool = False,
    wait_until: dt.datetime | None = None,
) -> None:
    """Give a batch back: done where nothing in it is left to send, otherwise due when its next letter is."""
    mine = sa.update(Batch).where(Batch.id == claim.batch_id, Batch.worker == claim.worker)
    when = sa.func.coalesce(Delivery.retry_at, sa.literal(now, Delivery.retry_at.type))
    unsettled = sa.and_(Delivery.batch_id == claim.batch_id, _sendable(None, resend=resend))
    next_at = session.scalar(sa.select(sa.func.min(when)).where(unsettled))
    free = {"worker": None, "lease_until": None, "failures": Batch.failures + 1 if failed else 0}
    if next_at is None:
        _changed(session, mine.values(state="done", **free))
    else:
        _changed(session, mine.values(due_at=max(filter(None, (next_at, wait_until))), **free))


def count_failures(session: Session, batch_id: int) -> int:
    """How often in a row a batch met no mail server that worked."""
    return session.scalar(sa.select(Batch.failures).where(Batch.id == batch_id)) or 0


def free_leases(session: Session, *, worker: str, now: dt.datetime) -> int:
    """Free what a worker held; only for a caller who knows that it is gone."""
    left = sa.update(Batch).where(Batch.worker == worker, Batch.state == "open")
    return _changed(session, left.values(lease_until=now))


# For people


def totals(session: Session, mailing_id: int) -> dict[str, int]:
    """A mailing's deliveries by state; `selected` is their sum."""
    rows = session.execute(
        sa.select(Delivery.state, sa.func.count()).where(Delivery.mailing_id == mailing_id).group_by(Delivery.state)
    )
    found = {row[0]: row[1] for row in rows}
    return {"selected": sum(found.values()), **found}


def oldest_waiting(session: Session) -> tuple[int, dt.datetime | None]:
    """How many batches are open, and since when the oldest of them could have left."""
    row = session.execute(sa.select(sa.func.count(), sa.func.min(Batch.due_at)).where(Batch.state == "open")).one()
    return row[0], row[1]
