"""From "I'd like" to "yes": a sign-up is asked for, confirmed by the address's owner, and becomes subscriptions."""

import datetime as dt
import enum
from collections.abc import Sequence

import sqlalchemy as sa
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy.orm import Session

from newsroom.news.models import Topic
from newsroom.subscribers.addresses import Address
from newsroom.subscribers.models import ConsentEvent, Signup, Subscriber, Subscription

LINK_DAYS = 7


class UnknownSignup(Exception):
    """The link names no sign-up of ours."""


class TooOld(Exception):
    """The link was made more than 7 days ago, and nobody followed it."""


class Asked(enum.Enum):
    """What became of a request. The door answers the same either way."""

    LETTER = "letter"
    QUIET = "quiet"


def ask(
    session: Session,
    address: Address,
    topics: Sequence[Topic],
    *,
    frequency: str,
    language: str,
    source: str,
    consent_text: str,
    now: dt.datetime,
    letters_per_hour: int,
) -> Asked:
    """Note what somebody wants for an address. The confirmation letter follows: delivery finds the new sign-up.

    An address that was asked for too often within an hour gets no further letter, so that nobody can be flooded
    through us.
    """
    subscriber = _find_or_add(session, address, language=language, now=now)
    recent = sa.select(sa.func.count()).where(
        Signup.subscriber_id == subscriber.id, Signup.requested_at > now - dt.timedelta(hours=1)
    )
    if (session.scalar(recent) or 0) >= letters_per_hour:
        return Asked.QUIET
    signup = Signup(
        subscriber_id=subscriber.id,
        topics=list(topics),
        frequency=frequency,
        language=language,
        source=source,
        consent_text=consent_text,
        requested_at=now,
    )
    session.add(signup)
    session.flush()
    return Asked.LETTER


def ask_again(session: Session, signup: Signup, *, now: dt.datetime, letters_per_hour: int) -> Asked:
    """Ask once more for what an old sign-up asked for, with a new letter and a new link."""
    address = Address(shown=signup.subscriber.address, key=signup.subscriber.address_key)
    return ask(
        session,
        address,
        signup.topics,
        frequency=signup.frequency,
        language=signup.language,
        source=signup.source,
        consent_text=signup.consent_text,
        now=now,
        letters_per_hour=letters_per_hour,
    )


def _find_or_add(session: Session, address: Address, *, language: str, now: dt.datetime) -> Subscriber:
    by_key = sa.select(Subscriber).where(Subscriber.address_key == address.key)
    found = session.scalar(by_key)
    if found is not None:
        return found
    try:
        with session.begin_nested():
            subscriber = Subscriber(address=address.shown, address_key=address.key, language=language, created_at=now)
            session.add(subscriber)
        return subscriber
    except sa.exc.IntegrityError:
        return session.scalars(by_key).one()  # Somebody asked for the same address at the same moment.


def _signer(keys: Sequence[str]) -> URLSafeSerializer:
    return URLSafeSerializer(list(reversed(keys)), salt="newsroom.confirm")


def make_link_token(signup_id: int, *, keys: Sequence[str]) -> str:
    """The signed end of a confirmation link. `keys` are the secrets, newest first."""
    return str(_signer(keys).dumps(signup_id))


def find_signup(session: Session, token: str, *, keys: Sequence[str]) -> Signup:
    """The sign-up that a link names. Raises UnknownSignup."""
    try:
        signup_id = _signer(keys).loads(token)
    except (BadSignature, UnicodeError) as error:
        raise UnknownSignup from error
    signup = session.get(Signup, signup_id)
    if signup is None:
        raise UnknownSignup
    return signup


def is_too_old(signup: Signup, *, now: dt.datetime) -> bool:
    """Whether an unanswered sign-up's link has run out."""
    return signup.confirmed_at is None and now - signup.requested_at > dt.timedelta(days=LINK_DAYS)


def confirm(session: Session, signup: Signup, *, now: dt.datetime) -> None:
    """Turn a sign-up into subscriptions. Confirming twice changes nothing. Raises TooOld.

    What the subscriber already follows, and this sign-up doesn't name, stays as it is.
    """
    if is_too_old(signup, now=now):
        raise TooOld
    claimed = session.execute(
        sa.update(Signup).where(Signup.id == signup.id, Signup.confirmed_at.is_(None)).values(confirmed_at=now)
    )
    if claimed.rowcount == 0:  # type: ignore[attr-defined]
        return  # Pressed twice; the first press did it.
    session.refresh(signup)
    subscriber = signup.subscriber
    session.refresh(subscriber, with_for_update=True)  # Two answers at once would begin the same subscription twice.
    subscriber.confirmed_at = subscriber.confirmed_at or now
    subscriber.language = signup.language
    follow(session, subscriber, signup.topics, frequency=signup.frequency, source=signup.source, now=now)
    session.add(
        ConsentEvent(
            subscriber_id=subscriber.id,
            kind="given",
            text=signup.consent_text,
            topics=[topic.slug for topic in signup.topics],
            frequency=signup.frequency,
            source=signup.source,
            happened_at=now,
        )
    )


def follow(
    session: Session,
    subscriber: Subscriber,
    topics: Sequence[Topic],
    *,
    frequency: str,
    source: str,
    now: dt.datetime,
) -> None:
    """Begin subscriptions to topics; one at another frequency ends as `changed` and a new one begins."""
    active = {
        subscription.topic_id: subscription
        for subscription in session.scalars(
            sa.select(Subscription).where(Subscription.subscriber_id == subscriber.id, Subscription.ended_at.is_(None))
        )
    }
    for topic in topics:
        before = active.get(topic.id)
        if before is not None and before.frequency == frequency:
            continue
        if before is not None:
            before.ended_at, before.end_reason = now, "changed"
            session.flush()  # The old one has to end before the new one may begin.
        session.add(
            Subscription(
                subscriber_id=subscriber.id, topic_id=topic.id, frequency=frequency, source=source, began_at=now
            )
        )
