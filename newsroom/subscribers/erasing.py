"""Erasing a subscriber: everything that is about the person goes; a row that is a number stays for the ledger's counts.

What the ledger itself holds of a person is delivery's to forget.
"""

import datetime as dt
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.extensions import make_token
from newsroom.subscribers import blocking, personal, sessions
from newsroom.subscribers.addresses import Address, BadAddress, read_address
from newsroom.subscribers.models import ConsentEvent, PersonalLetter, Signup, Subscriber, Subscription


def erase(session: Session, subscriber: Subscriber, *, block: bool, keys: Sequence[str], now: dt.datetime) -> None:
    """Erase all that is about a subscriber, and ask for one last letter, whose address is forgotten when it has left.

    With `block` nobody can sign the address up again. A second time nothing is left to erase.
    """
    session.refresh(subscriber, with_for_update=True)
    if subscriber.erased_at is not None:
        return
    address = Address(shown=subscriber.address, key=subscriber.address_key)
    language = subscriber.language
    for table in (PersonalLetter, Signup, Subscription, ConsentEvent):
        session.execute(sa.delete(table).where(table.subscriber_id == subscriber.id))
    _forget_in_letters_of_others(session, address)
    sessions.end_all(session, subscriber)
    make_nobody(subscriber, now=now)
    for one in (subscriber, *session.scalars(sa.select(Subscriber).where(Subscriber.moved_to_id == subscriber.id))):
        one.token, one.moved_to_id = make_token(), None
    subscriber.created_at = now
    subscriber.language = "sv"
    if block:
        blocking.block(session, address, keys=keys, now=now)
    personal.ask_for_letter(session, subscriber, "goodbye", now=now, language=language, address=address.shown)


def make_nobody(subscriber: Subscriber, *, now: dt.datetime) -> None:
    """Take from a subscriber's row what says whose it is. What stands in the address's place can't be an address."""
    subscriber.address = subscriber.address_key = f"erased {subscriber.id}"
    subscriber.confirmed_at = subscriber.paused_until = None
    subscriber.refusals = 0
    subscriber.erased_at = now


def _forget_in_letters_of_others(session: Session, address: Address) -> None:
    """Take back letters by which somebody else wanted to have this address for theirs."""
    for letter in session.scalars(sa.select(PersonalLetter).where(PersonalLetter.address.is_not(None))).all():
        if _key_of(letter.address or "") == address.key:
            session.delete(letter)
    session.flush()


def _key_of(shown: str) -> str | None:
    try:
        return read_address(shown).key
    except BadAddress:
        return None
