"""How fast letters may leave, over all workers on all machines: kept in the database, so it is exact. SQL only.

A worker takes a few letters' worth of time from a line that all share: whoever moves `free_at` on owns the time between
its old and its new value, and sends its letters evenly within it (the generic cell rate algorithm, ITU-T I.371).
"""

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.delivery.models import Pace

EVERYTHING = ""
AHEAD_SECONDS = 0.25  # How far ahead of time a worker may take letters; the others wait no longer for their turn.


def take(
    session: Session, name: str, *, most: int, per_second: float, ahead: float = AHEAD_SECONDS
) -> tuple[int, float]:
    """Take the right to send up to `most` letters; gives how many, and in how many seconds the first may leave.

    The letters follow each other in steps of 1 / `per_second`. Where the line is taken for longer than `ahead`
    seconds, it gives 0 letters, and when to ask again. The caller commits at once.
    """
    count = max(1, min(most, int(per_second * AHEAD_SECONDS)))
    now = _now(session)
    moved = (
        sa.update(Pace)
        .where(Pace.name == name, Pace.free_at <= now + ahead)
        .values(free_at=sa.case((Pace.free_at > now, Pace.free_at), else_=now) + count / per_second)
        .returning(Pace.free_at)
    )
    free_at = session.scalar(moved)
    if free_at is not None:
        return count, max(0.0, free_at - count / per_second - now)
    free_at = session.scalar(sa.select(Pace.free_at).where(Pace.name == name))
    if free_at is None:
        try:
            with session.begin_nested():
                session.add(Pace(name=name, free_at=0.0))
        except sa.exc.IntegrityError:
            session.expire_all()  # Another worker was faster; that is a normal day.
        return take(session, name, most=most, per_second=per_second, ahead=ahead)
    return 0, max(0.001, free_at - now - ahead)


def _now(session: Session) -> float:
    """Seconds since 1970 by the database's clock; SQLite's is this machine's."""
    if session.get_bind().dialect.name == "postgresql":
        return float(session.scalar(sa.select(sa.func.extract("epoch", sa.func.clock_timestamp()))) or 0.0)
    return dt.datetime.now(dt.UTC).timestamp()
