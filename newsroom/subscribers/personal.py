"""Letters to one person: asked for here, found by delivery, and what their links mean.

A link is a signed number that works once and for a while; what it does, its door says.
"""

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from itsdangerous import BadSignature, URLSafeSerializer
from sqlalchemy.orm import Session

from newsroom.extensions import changed
from newsroom.subscribers.models import PersonalLetter, Signup, Subscriber

LINK_LIFE = {"login": dt.timedelta(minutes=30), "change": dt.timedelta(hours=24)}


class UnknownLink(Exception):
    """The link names no letter of ours of this kind."""


def ask_for_letter(
    session: Session,
    subscriber: Subscriber,
    kind: str,
    *,
    now: dt.datetime,
    language: str | None = None,
    address: str | None = None,
    signup: Signup | None = None,
) -> PersonalLetter:
    """Ask for a letter of one of PERSONAL_KINDS; to the subscriber's own address, unless another is given."""
    life = LINK_LIFE.get(kind)
    letter = PersonalLetter(
        kind=kind,
        subscriber_id=subscriber.id,
        signup_id=signup.id if signup is not None else None,
        address=address,
        language=language or subscriber.language,
        asked_at=now,
        good_until=now + life if life is not None else None,
    )
    session.add(letter)
    session.flush()
    return letter


def _signer(kind: str, keys: Sequence[str]) -> URLSafeSerializer:
    return URLSafeSerializer(list(reversed(keys)), salt=f"newsroom.{kind}")


def make_link_token(letter: PersonalLetter, *, keys: Sequence[str]) -> str:
    """The signed end of a letter's link. `keys` are the secrets, newest first.

    It names the letter by its number and its time: SQLite gives a number away again once its row was swept.
    """
    return str(_signer(letter.kind, keys).dumps([letter.id, int(letter.asked_at.timestamp())]))


def find_letter(session: Session, kind: str, token: str, *, keys: Sequence[str]) -> PersonalLetter:
    """The letter that a link of this kind came in. Raises UnknownLink."""
    try:
        letter_id, asked_at = _signer(kind, keys).loads(token)
    except (BadSignature, UnicodeError, TypeError, ValueError) as error:
        raise UnknownLink from error
    letter = session.get(PersonalLetter, letter_id)
    if letter is None or letter.kind != kind or int(letter.asked_at.timestamp()) != asked_at:
        raise UnknownLink
    return letter


def is_good(letter: PersonalLetter, *, now: dt.datetime) -> bool:
    """Whether the letter's link still works."""
    return letter.used_at is None and (letter.good_until is None or now < letter.good_until)


def use(session: Session, letter: PersonalLetter, *, now: dt.datetime) -> bool:
    """Take the link's one use; false where it was used before, or its time is over."""
    good = sa.update(PersonalLetter).where(
        PersonalLetter.id == letter.id,
        PersonalLetter.used_at.is_(None),
        sa.or_(PersonalLetter.good_until.is_(None), PersonalLetter.good_until > now),
    )
    if changed(session, good.values(used_at=now)) == 0:
        return False  # Perhaps because the letter has just been forgotten.
    session.refresh(letter)
    return True


def take_back(session: Session, subscriber: Subscriber, kind: str, *, now: dt.datetime) -> None:
    """Let the links in a subscriber's letters of this kind stop working; a letter that hasn't left won't."""
    session.execute(
        sa.update(PersonalLetter)
        .where(
            PersonalLetter.subscriber_id == subscriber.id,
            PersonalLetter.kind == kind,
            PersonalLetter.used_at.is_(None),
        )
        .values(used_at=now)
    )
