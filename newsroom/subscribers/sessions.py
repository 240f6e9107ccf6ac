"""A reader's way in: a letter with a link is asked for, the link begins a session, and sessions end.

A session's name is random and stands in a cookie; here only its SHA-256 is kept.
"""

import datetime as dt
import hashlib

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.extensions import make_token
from newsroom.subscribers import personal
from newsroom.subscribers.addresses import Address
from newsroom.subscribers.models import BlockedAddress, PersonalLetter, ReaderSession, Subscriber


def ask_to_log_in(
    session: Session, address: Address, *, language: str, now: dt.datetime, letters_per_hour: int
) -> None:
    """Ask for a letter with a login link, where the address is a subscriber's who said yes once.

    For any other address, and one that was asked for too often within an hour, the database is given the same kind of
    work, so that the time an answer takes tells nothing.
    """
    subscriber = session.scalar(sa.select(Subscriber).where(Subscriber.address_key == address.key))
    subscriber_id = subscriber.id if subscriber is not None else 0
    recent = sa.select(sa.func.count()).where(
        PersonalLetter.subscriber_id == subscriber_id,
        PersonalLetter.kind == "login",
        PersonalLetter.asked_at > now - dt.timedelta(hours=1),
    )
    count = session.scalar(recent) or 0
    if subscriber is None or subscriber.confirmed_at is None or count >= letters_per_hour:
        write_for_nobody(session, now=now)
        return
    personal.ask_for_letter(session, subscriber, "login", now=now, language=language)


def write_for_nobody(session: Session, *, now: dt.datetime) -> None:
    """Let the database work as it does for a new row, and keep none."""
    stand_in = BlockedAddress(key_hash=make_token(), blocked_at=now)
    session.add(stand_in)
    session.flush()
    session.delete(stand_in)
    session.flush()


def log_in(session: Session, letter: PersonalLetter, *, now: dt.datetime, life: dt.timedelta) -> str | None:
    """Use a login link; gives the new session's name, or none where the link was used before or is too old.

    Other login links of the subscriber stop working: whoever is in needs none of them.
    """
    if not personal.use(session, letter, now=now):
        return None
    subscriber = letter.subscriber
    subscriber.refusals = 0  # Somebody reads what comes there.
    cancel_letters(session, subscriber, now=now)
    return begin(session, subscriber, now=now, life=life)


def cancel_letters(session: Session, subscriber: Subscriber, *, now: dt.datetime) -> None:
    """Let the subscriber's login links stop working; a letter that hasn't left won't."""
    personal.take_back(session, subscriber, "login", now=now)


def begin(session: Session, subscriber: Subscriber, *, now: dt.datetime, life: dt.timedelta) -> str:
    """Begin a session; gives its name, which is kept nowhere here. What has run out goes."""
    session.execute(sa.delete(ReaderSession).where(ReaderSession.ends_at <= now))
    name = make_token()
    session.add(ReaderSession(key_hash=_hash(name), subscriber_id=subscriber.id, began_at=now, ends_at=now + life))
    session.flush()
    return name


def find(session: Session, name: str, *, now: dt.datetime) -> Subscriber | None:
    """Whose session it is; none where it has ended, or never was."""
    return session.scalar(
        sa.select(Subscriber)
        .join(ReaderSession, ReaderSession.subscriber_id == Subscriber.id)
        .where(ReaderSession.key_hash == _hash(name), ReaderSession.ends_at > now, Subscriber.erased_at.is_(None))
    )


def end(session: Session, name: str) -> None:
    """End a session."""
    session.execute(sa.delete(ReaderSession).where(ReaderSession.key_hash == _hash(name)))


def end_all(session: Session, subscriber: Subscriber) -> None:
    """End all of a subscriber's sessions, wherever they are."""
    session.execute(sa.delete(ReaderSession).where(ReaderSession.subscriber_id == subscriber.id))


def _hash(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()
