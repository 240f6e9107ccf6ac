"""Mailings as the desk lists them: what needs a person, what is on its way, what is finished. Reads only."""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.delivery import covering, progress
from newsroom.delivery.digests import Schedule
from newsroom.delivery.models import OPEN_STATES, SINGLE_KINDS, Batch, Certificate, Delivery, Mailing

_IS_SHOWN = Mailing.kind.not_in(SINGLE_KINDS)
_NEEDS_A_PERSON = sa.and_(
    Mailing.cancelled_at.is_(None),
    sa.or_(
        Mailing.state == "held",
        sa.and_(Mailing.state.in_(OPEN_STATES), Mailing.paused_at.is_not(None)),
        # What can't be matched or composed has met a fault that trying again won't mend.
        sa.and_(Mailing.state.in_(("new", "matching", "composing")), Mailing.problem.is_not(None)),
    ),
)


def needing_a_person() -> sa.Select[Mailing]:
    """Mailings that are held, paused, stopped, or can't go on; the most urgent first."""
    return sa.select(Mailing).where(_IS_SHOWN, _NEEDS_A_PERSON).order_by(Mailing.lane, Mailing.id.desc())


def count_needing_a_person(session: Session) -> int:
    """How many there are of those."""
    return session.scalar(sa.select(sa.func.count()).select_from(Mailing).where(_IS_SHOWN, _NEEDS_A_PERSON)) or 0


def on_their_way() -> sa.Select[Mailing]:
    """Mailings that go on by themselves, the most urgent first."""
    going = sa.and_(Mailing.state.in_(OPEN_STATES), ~_NEEDS_A_PERSON)
    return sa.select(Mailing).where(_IS_SHOWN, going).order_by(Mailing.lane, Mailing.id.desc())


def finished() -> sa.Select[Mailing]:
    """Finished mailings, the latest first; the caller pages them. A digest of a day without news isn't one of them."""
    newest = (Mailing.finished_at.desc(), Mailing.id.desc())
    told = sa.or_(Mailing.selected > 0, Mailing.item_id.is_not(None), Mailing.cancelled_at.is_not(None))
    return sa.select(Mailing).where(_IS_SHOWN, Mailing.state == "done", told).order_by(*newest)


def of_item(item_id: int) -> sa.Select[Mailing]:
    """The mailings that announce an item, the newest first."""
    return sa.select(Mailing).where(Mailing.item_id == item_id).order_by(Mailing.id.desc())


def totals_of(session: Session, mailings: Sequence[Mailing]) -> dict[int, dict[str, int]]:
    """Each mailing's totals, by its id. A finished one's stand in its certificate, so that nothing is counted again."""
    finished = [one.id for one in mailings if one.state == "done" and not one.uncertified]
    tail = sa.func.substr(Certificate.body, sa.func.length(Certificate.body) - 400)
    rows = session.execute(
        sa.select(Certificate.mailing_id, tail).where(Certificate.mailing_id.in_(finished)).order_by(Certificate.issue)
    )
    found = {mailing_id: _read_totals(end) for mailing_id, end in rows}
    return {one.id: found.get(one.id) or progress.totals(session, one.id) for one in mailings}


def _read_totals(end: str) -> dict[str, int]:
    """The numbers in a certificate's last line, from the last of its text."""
    line = json.loads(end[end.rindex("{") : end.rindex("}", 0, end.rindex("]")) + 1])
    return {name: line[name] for name in ("selected", *progress.STATES)}


def next_try(session: Session, mailing_id: int) -> dt.datetime | None:
    """When the first of a mailing's open batches may leave; None where none is open."""
    return session.scalar(
        sa.select(sa.func.min(Batch.due_at)).where(Batch.mailing_id == mailing_id, Batch.state == "open")
    )


@dataclass(frozen=True)
class Ahead:
    """What would leave if everything that waits were let go: letters written down, and what no mailing covers yet."""

    mailings: int
    letters: int
    items: int
    late_items: int
    digests: int
    late_digests: int


def look_ahead(session: Session, schedules: Sequence[Schedule], *, now: dt.datetime, lateness: dt.timedelta) -> Ahead:
    """Count what waits to leave. What is later than `lateness` would be held, for a person to say yes to each."""
    going = sa.and_(Mailing.state.in_(OPEN_STATES), Mailing.paused_at.is_(None), Mailing.cancelled_at.is_(None))
    mailings = session.scalar(sa.select(sa.func.count()).select_from(Mailing).where(going, Mailing.state != "held"))
    letters = session.scalar(
        sa.select(sa.func.count())
        .select_from(Mailing)
        .join(Batch, Batch.mailing_id == Mailing.id)
        .join(Delivery, Delivery.batch_id == Batch.id)
        .where(going, Delivery.state == "waiting")
    )
    since = [published_at for _id, _urgent, published_at in covering.items_due(session, now=now)]
    items = [published_at is not None and now - published_at > lateness for published_at in since]
    due = covering.digests_due(session, schedules, now=now)
    digests = [now - period.end > lateness for _kind, period in due if covering.has_news(session, period)]
    return Ahead(mailings or 0, letters or 0, len(items), sum(items), len(digests), sum(digests))
