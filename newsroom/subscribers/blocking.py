"""Addresses that nobody may sign up again, as their owners wished. Only keyed hashes are kept.

A hash is an HMAC under a key made from the secret, so that whoever has the database alone can't try addresses out. An
address that was blocked under an earlier secret stays so for as long as that secret is among the fallbacks.
"""

import datetime as dt
import hashlib
import hmac
from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.subscribers.addresses import Address
from newsroom.subscribers.models import BlockedAddress


def hash_address(address: Address, *, secret: str) -> str:
    """The one name under which a blocked address is known, in hexadecimal."""
    key = hmac.digest(secret.encode(), b"newsroom.blocked-address", hashlib.sha256)
    return hmac.new(key, address.key.encode(), hashlib.sha256).hexdigest()


def _hashes(address: Address, keys: Sequence[str]) -> list[str]:
    return [hash_address(address, secret=secret) for secret in keys]


def is_blocked(session: Session, address: Address, *, keys: Sequence[str]) -> bool:
    """Whether the address's owner wished that nobody signs it up. `keys` are the secrets, newest first."""
    known = sa.select(BlockedAddress.key_hash).where(BlockedAddress.key_hash.in_(_hashes(address, keys)))
    return session.scalar(known.limit(1)) is not None


def block(session: Session, address: Address, *, keys: Sequence[str], now: dt.datetime) -> None:
    """Let nobody sign the address up from now on."""
    if not is_blocked(session, address, keys=keys):
        session.add(BlockedAddress(key_hash=hash_address(address, secret=keys[0]), blocked_at=now))
        session.flush()


def unblock(session: Session, address: Address, *, keys: Sequence[str]) -> bool:
    """Let the address be signed up again; false where it wasn't blocked."""
    found = session.scalars(sa.select(BlockedAddress).where(BlockedAddress.key_hash.in_(_hashes(address, keys)))).all()
    for one in found:
        session.delete(one)
    session.flush()
    return bool(found)
