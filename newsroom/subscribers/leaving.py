"""Leaving is as easy as joining: one press ends what a letter came for, and another takes that back."""

import datetime as dt
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy.orm import Session

from newsroom.subscribers.models import ConsentEvent, Subscriber, Subscription

UNDO_HOURS = 24


class CannotUndo(Exception):
    """The undo button is too old, or not one that this subscriber was given."""


def find_subscriber(session: Session, token: str) -> Subscriber | None:
    """The subscriber whose letters carry this token."""
    return session.scalar(sa.select(Subscriber).where(Subscriber.token == token))


def owner_of(session: Session, subscriber: Subscriber) -> Subscriber:
    """Who has now what this subscriber had: the one that it was merged into, or else itself."""
    return session.get_one(Subscriber, subscriber.moved_to_id or subscriber.id)


def active_subscriptions(session: Session, subscriber: Subscriber, topic_ids: Iterable[int]) -> Sequence[Subscription]:
    """What the subscriber follows among these topics."""
    return session.scalars(
        sa.select(Subscription)
        .where(
            Subscription.subscriber_id == subscriber.id,
            Subscription.topic_id.in_(list(topic_ids)),
            Subscription.ended_at.is_(None),
        )
        .order_by(Subscription.id)
    ).all()


def all_active_subscriptions(session: Session, subscriber: Subscriber) -> Sequence[Subscription]:
    """Everything that the subscriber follows."""
    return session.scalars(
        sa.select(Subscription)
        .where(Subscription.subscriber_id == subscriber.id, Subscription.ended_at.is_(None))
        .order_by(Subscription.id)
    ).all()


def count_active(session: Session, subscriber: Subscriber) -> int:
    """How many topics the subscriber follows."""
    return len(all_active_subscriptions(session, subscriber))


def leave(
    session: Session, subscriber: Subscriber, topic_ids: Iterable[int], *, source: str, now: dt.datetime
) -> Sequence[Subscription]:
    """End the subscriber's subscriptions to these topics; says which. A second time there is nothing left to end."""
    session.refresh(subscriber, with_for_update=True)
    return _end(session, subscriber, active_subscriptions(session, subscriber, topic_ids), source=source, now=now)


def leave_all(session: Session, subscriber: Subscriber, *, source: str, now: dt.datetime) -> Sequence[Subscription]:
    """End everything that the subscriber follows; says what that was."""
    session.refresh(subscriber, with_for_update=True)
    return _end(session, subscriber, all_active_subscriptions(session, subscriber), source=source, now=now)


def _end(
    session: Session, subscriber: Subscriber, ending: Sequence[Subscription], *, source: str, now: dt.datetime
) -> Sequence[Subscription]:
    for subscription in ending:
        subscription.ended_at, subscription.end_reason = now, "unsubscribed"
    if ending:
        _note(session, subscriber, "taken_back", ending, source=source, now=now)
    return ending


def _undo_signer(keys: Sequence[str]) -> URLSafeSerializer:
    return URLSafeSerializer(list(reversed(keys)), salt="newsroom.undo")


def make_undo_token(ended: Sequence[Subscription], *, keys: Sequence[str], now: dt.datetime) -> str:
    """What the undo button carries. Only the page that comes right after leaving holds it."""
    return str(_undo_signer(keys).dumps([int(now.timestamp()), [subscription.id for subscription in ended]]))


def undo(
    session: Session, subscriber: Subscriber, token: str, *, keys: Sequence[str], source: str, now: dt.datetime
) -> Sequence[Subscription]:
    """Begin anew what leaving ended, at the same frequency; says what is followed again. Raises CannotUndo."""
    try:
        made_at, ids = _undo_signer(keys).loads(token)
    except (BadSignature, UnicodeError) as error:
        raise CannotUndo from error
    if now.timestamp() - made_at > UNDO_HOURS * 3600:
        raise CannotUndo
    session.refresh(subscriber, with_for_update=True)
    ended = session.scalars(
        sa.select(Subscription)
        .where(Subscription.id.in_(ids), Subscription.subscriber_id == subscriber.id)
        .order_by(Subscription.id)
    ).all()
    if len(ended) < len(ids):
        raise CannotUndo
    followed = {
        subscription.topic_id
        for subscription in active_subscriptions(session, subscriber, [one.topic_id for one in ended])
    }
    restored = [one for one in ended if one.ended_at is not None and one.topic_id not in followed]
    for one in restored:
        session.add(
            Subscription(
                subscriber_id=subscriber.id,
                topic_id=one.topic_id,
                frequency=one.frequency,
                source=source,
                began_at=now,
            )
        )
    if restored:
        _note(session, subscriber, "restored", restored, source=source, now=now)
    return ended


def _note(
    session: Session,
    subscriber: Subscriber,
    kind: str,
    subscriptions: Sequence[Subscription],
    *,
    source: str,
    now: dt.datetime,
) -> None:
    frequencies = {subscription.frequency for subscription in subscriptions}
    session.add(
        ConsentEvent(
            subscriber_id=subscriber.id,
            kind=kind,
            text="",
            topics=[subscription.topic.slug for subscription in subscriptions],
            frequency=frequencies.pop() if len(frequencies) == 1 else None,
            source=source,
            happened_at=now,
        )
    )
