"""What became of a mailing so far, in numbers for people. Reads only."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.delivery.models import Batch, Delivery, Edition, Mailing

STATES = ("accepted", "refused", "skipped", "waiting", "uncertain")


def totals(session: Session, mailing_id: int) -> dict[str, int]:
    """A mailing's deliveries by state, and `selected`: how many matching wrote. One query, so they are of one moment.

    selected = accepted + refused + skipped + waiting + uncertain holds at all times; it grows while matching goes on.
    """
    # By way of the batches, whose deliveries lie together.
    rows = session.execute(
        sa.select(Delivery.state, sa.func.count(), sa.func.max(Mailing.selected))
        .select_from(Mailing)
        .join(Batch, Batch.mailing_id == Mailing.id)
        .join(Delivery, Delivery.batch_id == Batch.id)
        .where(Mailing.id == mailing_id)
        .group_by(Delivery.state)
    ).all()
    return {"selected": rows[0][2] if rows else 0, **dict.fromkeys(STATES, 0), **{row[0]: row[1] for row in rows}}


@dataclass(frozen=True)
class Reason:
    """Why so many letters were refused or skipped, wait or are in doubt: a word of ours, or the server's last words."""

    state: str
    reason: str | None
    code: int | None
    reply: str | None
    count: int


def reasons(session: Session, mailing_id: int, *, most: int = 50) -> Sequence[Reason]:
    """Why deliveries were refused, skipped, put off or are in doubt, the commonest first."""
    told = sa.or_(
        Delivery.state.in_(("refused", "skipped", "uncertain")),
        sa.and_(Delivery.state == "waiting", Delivery.code.is_not(None)),
    )
    words = sa.case((Delivery.state != "skipped", sa.func.substr(Delivery.reply, 1, 120)))
    rows = session.execute(
        sa.select(Delivery.state, Delivery.reason, Delivery.code, words, sa.func.count())
        .join(Batch, Batch.id == Delivery.batch_id)
        .where(Batch.mailing_id == mailing_id, told)
        .group_by(Delivery.state, Delivery.reason, Delivery.code, words)
        .order_by(sa.func.count().desc())
        .limit(most)
    )
    return [Reason(*row) for row in rows]


def span(session: Session, mailing_id: int) -> tuple[dt.datetime | None, dt.datetime | None]:
    """When a mailing's first and last letter were accepted."""
    row = session.execute(
        sa.select(sa.func.min(Delivery.settled_at), sa.func.max(Delivery.settled_at)).where(
            Delivery.mailing_id == mailing_id, Delivery.state == "accepted"
        )
    ).one()
    return row[0], row[1]


def editions(session: Session, mailing_id: int) -> Sequence[tuple[str, str, str | None, int]]:
    """A mailing's editions, oldest first: language, reason, the letter's hash, and how many deliveries are of each."""
    rows = session.execute(
        sa.select(Edition.language, Edition.reason, Edition.sha256, sa.func.count(Delivery.id))
        .outerjoin(Delivery, sa.and_(Delivery.edition_id == Edition.id, Delivery.mailing_id == mailing_id))
        .where(Edition.mailing_id == mailing_id)
        .group_by(Edition.id)
        .order_by(Edition.id)
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]
