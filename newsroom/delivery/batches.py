"""The ledger's batches: what can be claimed, who holds it, when it is due again. SQL only; the caller commits.

Whatever decides between two workers is one conditional statement. Who finds no row was the slower one.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.delivery.deliveries import is_sendable
from newsroom.delivery.ledger import LACKS_A_LETTER, LEAVES_EARLY
from newsroom.delivery.models import Batch, Delivery, Lane, Mailing, Pace
from newsroom.extensions import UTCDateTime, changed
from newsroom.subscribers.models import Subscriber

# What runs for each group of letters is built once and runs on the bare connection: building it anew and going through
# the ORM took longer than the database did.
_NOW = sa.bindparam("now", type_=UTCDateTime())
_UNTIL = sa.bindparam("until", type_=UTCDateTime())


@dataclass(frozen=True, slots=True)
class Claim:
    """A batch that this worker holds until its lease runs out."""

    batch_id: int
    mailing_id: int
    mailing_key: str
    kind: str
    worker: str
    since: dt.datetime


# What was begun goes on while the next slice's letters are written; nothing is begun meanwhile.
_GOES_ON = sa.and_(
    sa.or_(Mailing.state == "sending", LEAVES_EARLY), Mailing.paused_at.is_(None), Mailing.cancelled_at.is_(None)
)
_GOING_OUT = sa.and_(_GOES_ON, sa.or_(Mailing.state == "sending", ~LACKS_A_LETTER))
_MAILING_GOES_OUT = sa.select(Mailing.id).where(Mailing.id == Batch.mailing_id, _GOING_OUT).exists()


_EPOCH = sa.bindparam("epoch", type_=sa.Double)  # Now, as Pace counts it.
_HELD_BACK = sa.select(Pace.name).where(Pace.name == Batch.waits_for, Pace.free_at > _EPOCH).exists()
DUE = (
    sa.select(Batch.id)
    .join(Mailing, Mailing.id == Batch.mailing_id)
    .where(
        Batch.state == "open",
        _GOING_OUT,
        Batch.due_at <= _NOW,
        sa.or_(Batch.lease_until.is_(None), Batch.lease_until <= _NOW),
        sa.or_(Batch.waits_for.is_(None), ~_HELD_BACK),
        Batch.lane.in_(sa.bindparam("lanes", expanding=True)),
    )
    .order_by(Batch.lane, Batch.due_at, Batch.id)
)
"""The ids of batches that could be claimed, the most urgent first; its parameters are those of `due_values`."""
_SOME_DUE = DUE.limit(sa.bindparam("most", type_=sa.Integer))


def due_values(*, now: dt.datetime, lanes: Sequence[int] | None) -> dict[str, object]:
    """The parameters of `DUE`: batches that could be claimed at `now`, in these lanes, or in any."""
    return {"now": now, "epoch": now.timestamp(), "lanes": tuple(Lane) if lanes is None else lanes}


def due_batches(
    session: Session, *, now: dt.datetime, lanes: Sequence[int] | None = None, most: int = 16
) -> Sequence[int]:
    """Some of the batches that could be claimed now, the most urgent first."""
    values = {**due_values(now=now, lanes=lanes), "most": most}
    return session.connection().scalars(_SOME_DUE, values).all()


_CLAIM = (
    sa.update(Batch)
    .where(
        Batch.id == sa.bindparam("batch"),
        Batch.state == "open",
        Batch.due_at <= _NOW,
        sa.or_(Batch.lease_until.is_(None), Batch.lease_until <= _NOW),
        _MAILING_GOES_OUT,
    )
    .values(worker=sa.bindparam("holder"), lease_until=_UNTIL, waits_for=None)
)
_CLAIMED = (
    sa.select(Mailing.id, Mailing.key, Mailing.kind)
    .join(Batch, Batch.mailing_id == Mailing.id)
    .where(Batch.id == sa.bindparam("batch"))
)


def claim(session: Session, batch_id: int, *, worker: str, now: dt.datetime, lease: dt.timedelta) -> Claim | None:
    """Take a batch for this worker, until the lease runs out."""
    connection = session.connection()
    taken = {"batch": batch_id, "holder": worker, "now": now, "until": now + lease}
    if connection.execute(_CLAIM, taken).rowcount == 0:
        return None  # Another worker was faster; that is a normal day.
    mailing = connection.execute(_CLAIMED, {"batch": batch_id}).one()
    return Claim(batch_id, *mailing, worker, now)


class LeaseLost(Exception):
    """Another worker holds the batch by now; whoever learns it must send nothing more from it."""


class Halted(Exception):
    """Somebody paused or cancelled the mailing; the batch is still this worker's to give back."""


_RENEW = (
    sa.update(Batch)
    .where(Batch.id == sa.bindparam("batch"), Batch.worker == sa.bindparam("holder"), Batch.lease_until > _NOW)
    .values(lease_until=_UNTIL)
)
_STILL_GOES_ON = sa.select(Mailing.id).where(Mailing.id == sa.bindparam("mailing"), _GOES_ON)


def renew(session: Session, claim: Claim, *, now: dt.datetime, lease: dt.timedelta) -> None:
    """Hold a batch for longer. Raises LeaseLost or Halted."""
    held = {"batch": claim.batch_id, "holder": claim.worker, "now": now, "until": now + lease}
    if session.connection().execute(_RENEW, held).rowcount == 0:
        raise LeaseLost
    if session.connection().scalar(_STILL_GOES_ON, {"mailing": claim.mailing_id}) is None:
        raise Halted


_CLEAR_REFUSALS = (
    sa.update(Subscriber)
    .where(
        Subscriber.refusals > 0,
        Subscriber.id.in_(
            sa.select(Delivery.subscriber_id).where(
                Delivery.batch_id == sa.bindparam("batch"),
                Delivery.state == "accepted",
                Delivery.settled_at >= sa.bindparam("since", type_=UTCDateTime()),
            )
        ),
    )
    .values(refusals=0)
)


def _next_at(resend: bool) -> sa.Select[Any]:
    """When the next of a batch's letters that are left may leave."""
    when = sa.func.coalesce(Delivery.retry_at, _NOW)
    left = sa.and_(Delivery.batch_id == sa.bindparam("batch"), is_sendable(None, resend=resend))
    return sa.select(sa.func.min(when, type_=UTCDateTime())).where(left)


_NEXT_AT = {resend: _next_at(resend) for resend in (False, True)}
_RELEASE = (
    sa.update(Batch)
    .where(Batch.id == sa.bindparam("batch"), Batch.worker == sa.bindparam("holder"))
    .values(
        state=sa.bindparam("becomes"),
        due_at=sa.func.coalesce(_UNTIL, Batch.due_at),
        waits_for=sa.bindparam("behind"),
        failures=sa.case((sa.bindparam("failed", type_=sa.Boolean), Batch.failures + 1), else_=0),
        worker=None,
        lease_until=None,
        rung_at=None,
    )
)


def release(
    session: Session,
    claim: Claim,
    *,
    now: dt.datetime,
    resend: bool,
    failed: bool = False,
    wait_until: dt.datetime | None = None,
    waits_for: str | None = None,
) -> None:
    """Give a batch back: done where nothing in it is left to send, otherwise due when its next letter is.

    `waits_for` names the domain whose limit holds the rest of it back.
    """
    connection, mine = session.connection(), {"batch": claim.batch_id, "holder": claim.worker}
    connection.execute(_CLEAR_REFUSALS, {"batch": claim.batch_id, "since": claim.since})
    next_at = connection.scalar(_NEXT_AT[resend], {"batch": claim.batch_id, "now": now})
    until = max(filter(None, (next_at, wait_until))) if next_at is not None else None
    becomes = {"becomes": "done" if next_at is None else "open", "until": until}
    connection.execute(_RELEASE, {**mine, **becomes, "behind": waits_for, "failed": failed})


def count_failures(session: Session, batch_id: int) -> int:
    """How often in a row a batch met no mail server that worked."""
    return session.scalar(sa.select(Batch.failures).where(Batch.id == batch_id)) or 0


def is_at_work(session: Session, *, now: dt.datetime) -> bool:
    """Whether somebody is busy with a mailing: matching, composing or sending it."""
    preparing = sa.select(Mailing.id).where(
        Mailing.state.in_(("matching", "composing")), Mailing.cancelled_at.is_(None)
    )
    sending = sa.select(Batch.id).where(Batch.state == "open", Batch.lease_until > now)
    return bool(session.scalar(sa.select(sa.or_(preparing.exists(), sending.exists()))))


def free_leases(session: Session, *, worker: str, now: dt.datetime) -> int:
    """Free what a worker held; only for a caller who knows that it is gone."""
    left = sa.update(Batch).where(Batch.worker == worker, Batch.state == "open")
    return changed(session, left.values(lease_until=now, rung_at=None))


def oldest_waiting(session: Session) -> tuple[int, dt.datetime | None]:
    """How many batches are open, and since when the oldest of them could have left."""
    row = session.execute(sa.select(sa.func.count(), sa.func.min(Batch.due_at)).where(Batch.state == "open")).one()
    return row[0], row[1]
