"""Which batches to ring the doorbell for: a message that says no more than that there is work. SQL only.

A bell that nobody heard costs a minute, never a letter: the batch stays due, and is rung for again.
"""

import datetime as dt
from collections.abc import Collection, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.delivery import batches
from newsroom.delivery.models import Batch
from newsroom.delivery.rules import Rules
from newsroom.extensions import changed

AGAIN_AFTER = dt.timedelta(seconds=60)
MOST_OUTSTANDING = 200
FEWEST_OUTSTANDING = 8


def most_outstanding(rules: Rules) -> int:
    """How many rung batches may wait for a worker: two minutes' worth where a limit holds letters back."""
    if rules.letters_per_second is None:
        return MOST_OUTSTANDING
    per_minute = rules.letters_per_second * AGAIN_AFTER.total_seconds() / rules.batch_size
    return min(MOST_OUTSTANDING, max(FEWEST_OUTSTANDING, int(2 * per_minute)))


def unrung_batches(session: Session, *, now: dt.datetime, lanes: Sequence[int], most: int) -> Sequence[int]:
    """Due batches that nobody was told of within the last minute, the most urgent first.

    No more than bring those that were rung for and still wait up to `most`.
    """
    values = batches.due_values(now=now, lanes=lanes)
    told = Batch.rung_at > now - AGAIN_AFTER
    rung = batches.DUE.where(told).order_by(None).subquery()
    waiting = session.scalar(sa.select(sa.func.count()).select_from(rung), values) or 0
    untold = sa.or_(Batch.rung_at.is_(None), ~told)
    return session.scalars(batches.DUE.where(untold).limit(max(0, most - waiting)), values).all()


def note_rung(session: Session, batch_ids: Collection[int], *, now: dt.datetime) -> int:
    """Remember for whom the bell was rung, but for those that a worker has or had meanwhile; says how many."""
    free = sa.select(Batch.id).where(
        Batch.id.in_(batch_ids),
        Batch.state == "open",
        Batch.due_at <= now,
        sa.or_(Batch.lease_until.is_(None), Batch.lease_until <= now),
    )
    # Who is just being claimed needs no note, and waiting for a row in another order than others do could lock both.
    unlocked = free.order_by(Batch.id).with_for_update(skip_locked=True)
    found = session.scalars(unlocked).all()
    return changed(session, sa.update(Batch).where(Batch.id.in_(found)).values(rung_at=now))
