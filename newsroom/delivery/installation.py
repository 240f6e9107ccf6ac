"""Whether this installation may send from this database at all: not from a restored backup, not from a clone.

An installation has a name of its own, kept in a file beside the program; the database knows which ones a person has
accepted. Both count on together, so a database that went back in time shows. The caller commits nothing here: a check
is a step of its own.
"""

import contextlib
import datetime as dt
import hashlib
import json
import os
import secrets
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.delivery.models import Installation
from newsroom.extensions import changed

BEAT = dt.timedelta(seconds=5)


@dataclass(frozen=True)
class Identity:
    """Who wants to send. `only_to` are the patterns of the addresses that may get letters, empty for all of them.

    Outside production such a list is part of the identity: a person says yes to each list once.
    """

    folder: Path
    given_name: str | None
    only_to: tuple[str, ...]
    production: bool

    @property
    def needs_a_yes(self) -> bool:
        return bool(self.only_to) and not self.production


def may_send(session: Session, identity: Identity, *, now: dt.datetime) -> bool:
    """Whether letters may leave through this installation. Makes itself known to the database where it isn't.

    The first installation that a database ever meets is accepted by itself. Commits.
    """
    fingerprint, remembered = _remember(identity)
    row = session.get(Installation, fingerprint, populate_existing=True)
    if row is None:
        _make_known(session, identity, fingerprint, now=now)
        return may_send(session, identity, now=now)
    if row.accepted_at is not None and remembered > row.beats:
        row.accepted_at, row.problem = None, "restored"
    elif not dt.timedelta(0) <= now - row.seen_at < BEAT:
        row.beats, row.seen_at = Installation.beats + 1, now
    session.commit()
    accepted, beats = row.accepted_at is not None, row.beats
    session.rollback()
    if beats != remembered:
        _write(identity, fingerprint, beats)  # After the commit: the file never runs ahead of the database.
    return accepted


def _make_known(session: Session, identity: Identity, fingerprint: str, *, now: dt.datetime) -> None:
    first = session.scalar(sa.select(Installation.fingerprint).limit(1)) is None
    accepted = first and not identity.needs_a_yes
    try:
        session.add(
            Installation(
                fingerprint=fingerprint,
                name=identity.given_name or socket.gethostname(),
                first_seen_at=now,
                seen_at=now,
                accepted_at=now if accepted else None,
                problem=None if accepted else "unknown",
            )
        )
        session.commit()
    except sa.exc.IntegrityError:
        session.rollback()  # Another process of the same installation was faster; that is a normal day.


def pending(session: Session) -> Sequence[Installation]:
    """The installations that wait for a person's yes."""
    return session.scalars(
        sa.select(Installation).where(Installation.accepted_at.is_(None)).order_by(Installation.first_seen_at)
    ).all()


def accept(session: Session, *, now: dt.datetime) -> int:
    """Say yes to every installation that waits; says how many. The caller commits."""
    waiting = sa.update(Installation).where(Installation.accepted_at.is_(None))
    return changed(session, waiting.values(accepted_at=now, problem=None))


def _path(identity: Identity) -> Path:
    return identity.folder / "installation.json"


def _remember(identity: Identity) -> tuple[str, int]:
    """This installation's name in the database, and how far it had counted with it."""
    try:
        kept = json.loads(_path(identity).read_text())
    except FileNotFoundError:
        _begin(identity)
        kept = json.loads(_path(identity).read_text())
    fingerprint = identity.given_name or kept["name"]
    if identity.needs_a_yes:
        fingerprint += "+" + hashlib.sha256("\n".join(sorted(identity.only_to)).encode()).hexdigest()[:12]
    return fingerprint, int(kept["beats"].get(fingerprint, 0))


def _write(identity: Identity, fingerprint: str, beats: int) -> None:
    kept = json.loads(_path(identity).read_text())
    kept["beats"][fingerprint] = beats
    _save(identity, kept)


def _begin(identity: Identity) -> None:
    """Make the file with a new name in it, unless another process or thread has just made one."""
    temporary = _write_beside(identity, {"name": secrets.token_urlsafe(16), "beats": {}})
    with contextlib.suppress(FileExistsError):
        os.link(temporary, _path(identity))
    temporary.unlink()


def _save(identity: Identity, kept: dict[str, object]) -> None:
    _write_beside(identity, kept).replace(_path(identity))


def _write_beside(identity: Identity, kept: dict[str, object]) -> Path:
    identity.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = _path(identity).with_suffix(f".{os.getpid()}.{secrets.token_hex(4)}")
    temporary.write_text(json.dumps(kept))
    return temporary
