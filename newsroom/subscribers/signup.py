"""From "I'd like" to "yes": a sign-up is asked for, confirmed by the address's owner, and becomes subscriptions."""

import datetime as dt
import enum
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy.orm import Session

from newsroom.extensions import changed
from newsroom.news.models import Topic
from newsroom.subscribers.addresses import Address
from newsroom.subscribers.blocking import is_blocked
from newsroom.subscribers.models import ConsentEvent, Signup, SignupTopic, Subscriber, Subscription

LINK_DAYS = 7
REMIND_AFTER = dt.timedelta(hours=24)
# The same choices again within it are a page read again, not a second wish; whoever waits a minute does want a letter.
SAME_PRESS = dt.timedelta(seconds=55)


class UnknownSignup(Exception):
    """The link isn't one that we have signed."""


class TooOld(Exception):
    """The link was made more than 7 days ago, and nobody followed it; by now the sign-up may be forgotten."""


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
    own: Mapping[str, str] | None = None,
    language: str,
    source: str,
    consent_text: str,
    now: dt.datetime,
    letters_per_hour: int,
    keys: Sequence[str] = (),
) -> Asked:
    """Note what somebody wants for an address. The confirmation letter follows: delivery finds the new sign-up.

    `own` names how often by topic's slug, where that isn't `frequency`. An address that was asked for too often within
    an hour gets no further letter, so that nobody can be flooded through us; nor does one that was asked for with the
    same choices a moment ago, or one whose owner wished that nobody signs it up (`keys` are the secrets, newest first).
    """
    if is_blocked(session, address, keys=keys):
        return Asked.QUIET
    subscriber = _find_or_add(session, address, language=language, now=now)
    wishes = {topic.id: (own or {}).get(topic.slug, frequency) for topic in topics}
    recent = session.scalars(
        sa.select(Signup).where(
            Signup.subscriber_id == subscriber.id, Signup.requested_at > now - dt.timedelta(hours=1)
        )
    ).all()
    same = [
        signup
        for signup in recent
        if now - signup.requested_at < SAME_PRESS
        and signup.language == language
        and {wish.topic_id: wish.frequency or signup.frequency for wish in signup.wishes} == wishes
    ]
    if same or len(recent) >= letters_per_hour:
        return Asked.QUIET
    signup = Signup(
        subscriber_id=subscriber.id,
        wishes=[
            SignupTopic(topic_id=topic_id, frequency=often if often != frequency else None)
            for topic_id, often in wishes.items()
        ],
        frequency=frequency,
        language=language,
        source=source,
        consent_text=consent_text,
        requested_at=now,
        remind_at=now + REMIND_AFTER,
    )
    session.add(signup)
    session.flush()
    return Asked.LETTER


def _find_or_add(session: Session, address: Address, *, language: str, now: dt.datetime) -> Subscriber:
    """The subscriber with an address, locked: of two presses at the same moment the second one sees the first."""
    by_key = sa.select(Subscriber).where(Subscriber.address_key == address.key).with_for_update(key_share=True)
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


def make_link_token(signup: Signup, *, keys: Sequence[str]) -> str:
    """The signed end of a confirmation link. `keys` are the secrets, newest first.

    It names the sign-up by its number and its time: SQLite gives a number away again once its row is forgotten, and an
    old link must never say yes to somebody else's wish.
    """
    return str(_signer(keys).dumps([signup.id, int(signup.requested_at.timestamp())]))


def find_signup(session: Session, token: str, *, keys: Sequence[str]) -> Signup:
    """The sign-up that a link names. Raises UnknownSignup, and TooOld for one that has been forgotten."""
    try:
        signup_id, requested_at = _signer(keys).loads(token)
    except (BadSignature, UnicodeError, TypeError, ValueError) as error:
        raise UnknownSignup from error
    signup = session.get(Signup, signup_id)
    if signup is None or int(signup.requested_at.timestamp()) != requested_at:
        raise TooOld
    return signup


def is_too_old(signup: Signup, *, now: dt.datetime) -> bool:
    """Whether an unanswered sign-up's link has run out."""
    return signup.confirmed_at is None and now - signup.requested_at > dt.timedelta(days=LINK_DAYS)


def confirm(session: Session, signup: Signup, *, now: dt.datetime) -> bool:
    """Turn a sign-up into subscriptions; false where that was done before. Raises TooOld.

    What the subscriber already follows, and this sign-up doesn't name, stays as it is.
    """
    if is_too_old(signup, now=now):
        raise TooOld
    waiting = sa.update(Signup).where(Signup.id == signup.id, Signup.confirmed_at.is_(None))
    if changed(session, waiting.values(confirmed_at=now, remind_at=None)) == 0:
        return False  # Pressed twice; the first press did it.
    session.refresh(signup)
    subscriber = signup.subscriber
    session.refresh(subscriber, with_for_update=True)  # Two answers at once would begin the same subscription twice.
    subscriber.confirmed_at = subscriber.confirmed_at or now
    subscriber.language = signup.language
    subscriber.refusals = 0  # Somebody reads what comes there.
    for frequency, topics in signup.by_frequency():
        follow(session, subscriber, topics, frequency=frequency, source=signup.source, now=now)
        session.add(
            ConsentEvent(
                subscriber_id=subscriber.id,
                kind="given",
                text=signup.consent_text,
                topics=[topic.slug for topic in topics],
                frequency=frequency,
                source=signup.source,
                happened_at=now,
            )
        )
    return True


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
