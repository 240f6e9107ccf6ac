"""Another address for the same subscriber: asked for by who is logged in, and held when the new address says yes.

The old address is told at once, while it can still be stopped. Where the new address is a subscriber already, the two
become one: whatever either followed goes on there, at the more frequent of both wishes.
"""

import datetime as dt
import enum
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.subscribers import blocking, erasing, leaving, personal, sessions
from newsroom.subscribers.addresses import Address, read_address
from newsroom.subscribers.models import (
    FREQUENCIES,
    ConsentEvent,
    PersonalLetter,
    Signup,
    Subscriber,
    Subscription,
)
from newsroom.subscribers.signup import follow


class Confirmed(enum.Enum):
    """What became of a yes."""

    CHANGED = "changed"
    MERGED = "merged"
    TOO_LATE = "too late"


def ask(
    session: Session,
    subscriber: Subscriber,
    address: Address,
    *,
    language: str,
    keys: Sequence[str],
    now: dt.datetime,
    letters_per_hour: int,
) -> None:
    """Ask the new address for its yes, and tell the old one. An earlier question that waits is taken back.

    Too many within an hour, by this subscriber or to this address, get no letter, and leave an earlier question as it
    is; an address that nobody may sign up gets none either. The door answers the same.
    """
    session.refresh(subscriber, with_for_update=True)
    recent = session.scalars(
        sa.select(PersonalLetter).where(
            PersonalLetter.kind == "change", PersonalLetter.asked_at > now - dt.timedelta(hours=1)
        )
    ).all()
    mine = sum(one.subscriber_id == subscriber.id for one in recent)
    theirs = sum(one.address is not None and read_address(one.address).key == address.key for one in recent)
    if max(mine, theirs) >= letters_per_hour:
        return
    cancel(session, subscriber, now=now)
    personal.ask_for_letter(session, subscriber, "changed", now=now, address=subscriber.address)
    if not blocking.is_blocked(session, address, keys=keys):
        personal.ask_for_letter(session, subscriber, "change", now=now, language=language, address=address.shown)


def pending(session: Session, subscriber: Subscriber, *, now: dt.datetime) -> PersonalLetter | None:
    """The question that waits for its yes."""
    return session.scalar(
        sa.select(PersonalLetter)
        .where(
            PersonalLetter.subscriber_id == subscriber.id,
            PersonalLetter.kind == "change",
            PersonalLetter.used_at.is_(None),
            PersonalLetter.good_until > now,
        )
        .order_by(PersonalLetter.id.desc())
        .limit(1)
    )


def cancel(session: Session, subscriber: Subscriber, *, now: dt.datetime) -> None:
    """Take a question back that waits for its yes; its link stops working."""
    personal.take_back(session, subscriber, "change", now=now)


def find_other(session: Session, letter: PersonalLetter) -> Subscriber | None:
    """The subscriber that the new address already is."""
    address = read_address(letter.address or "")
    found = session.scalar(sa.select(Subscriber).where(Subscriber.address_key == address.key))
    return found if found is not None and found.id != letter.subscriber_id else None


def confirm(session: Session, letter: PersonalLetter, *, now: dt.datetime) -> tuple[Confirmed, Subscriber]:
    """Take the new address's yes, once; says what became of it, and who the subscriber is from now on.

    All sessions end, and so do links by which somebody could log in: they went to the old address.
    """
    subscriber = letter.subscriber
    session.refresh(subscriber, with_for_update=True)
    if subscriber.erased_at is not None or not personal.use(session, letter, now=now):
        return Confirmed.TOO_LATE, subscriber
    new, old = read_address(letter.address or ""), subscriber.address
    other = find_other(session, letter)
    if other is None:
        try:
            with session.begin_nested():
                subscriber.address, subscriber.address_key = new.shown, new.key
        except sa.exc.IntegrityError:  # Somebody signed the new address up at this moment.
            session.refresh(subscriber, with_for_update=True)
            other = find_other(session, letter)
    for one in filter(None, (subscriber, other)):
        sessions.end_all(session, one)
        sessions.cancel_letters(session, one, now=now)
        cancel(session, one, now=now)
    if other is not None:
        _merge(session, subscriber, into=other, now=now)
    owner = other or subscriber
    owner.refusals = 0
    session.add(
        ConsentEvent(
            subscriber_id=owner.id,
            kind="address_changed",
            text=f"{old} → {new.shown}",
            topics=[],
            frequency=None,
            source="my-topics",
            happened_at=now,
        )
    )
    session.flush()
    return (Confirmed.CHANGED if other is None else Confirmed.MERGED), owner


def _merge(session: Session, subscriber: Subscriber, *, into: Subscriber, now: dt.datetime) -> None:
    """Move what a subscriber follows, agreed to and asked for to the row that has the new address.

    The old row keeps its token alone, by which links to leave in letters that went to the old address find the new row.
    Letters are the ledger's to move.
    """
    session.refresh(into, with_for_update=True)
    theirs = {one.topic_id: one.frequency for one in leaving.all_active_subscriptions(session, into)}
    moved: dict[str, list[Subscription]] = {}
    for one in leaving.all_active_subscriptions(session, subscriber):
        one.ended_at, one.end_reason = now, "moved"
        wanted = min(one.frequency, theirs.get(one.topic_id, one.frequency), key=FREQUENCIES.index)
        moved.setdefault(wanted, []).append(one)
    for frequency, some in moved.items():
        follow(session, into, [one.topic for one in some], frequency=frequency, source="moved", now=now)
    session.flush()
    session.execute(
        sa.delete(Signup).where(Signup.subscriber_id == subscriber.id, Signup.confirmed_at.is_(None)),
        execution_options={"synchronize_session": False},
    )
    for table in (Subscription, ConsentEvent, Signup, PersonalLetter):
        session.execute(
            sa.update(table).where(table.subscriber_id == subscriber.id).values(subscriber_id=into.id),
            execution_options={"synchronize_session": False},
        )
    into.confirmed_at = into.confirmed_at or now
    into.language, into.paused_until = subscriber.language, subscriber.paused_until
    erasing.make_nobody(subscriber, now=now)
    session.execute(
        sa.update(Subscriber)
        .where(sa.or_(Subscriber.id == subscriber.id, Subscriber.moved_to_id == subscriber.id))
        .values(moved_to_id=into.id),
        execution_options={"synchronize_session": False},
    )
    session.flush()
    session.expire_all()
