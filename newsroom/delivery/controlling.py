"""What a person decides about a mailing: release, pause, resume, cancel, try again. The caller commits."""

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.delivery.models import OPEN_STATES, Batch, Delivery, Mailing, MailingEvent
from newsroom.extensions import changed


class NotPossible(Exception):
    """The mailing is no longer as the person saw it, so what they asked for can't be done."""


def note_event(session: Session, mailing_id: int, kind: str, *, by: str, now: dt.datetime) -> None:
    """Keep what was decided."""
    session.add(MailingEvent(mailing_id=mailing_id, kind=kind, by=by, happened_at=now))


def _set(session: Session, mailing_id: int, *when: sa.ColumnElement[bool], **values: object) -> None:
    found = sa.update(Mailing).where(Mailing.id == mailing_id, Mailing.cancelled_at.is_(None), *when)
    if changed(session, found.values(**values)) == 0:
        raise NotPossible


def release(session: Session, mailing_id: int, *, by: str, now: dt.datetime) -> None:
    """Say yes to a mailing that was held. Raises NotPossible."""
    _set(session, mailing_id, Mailing.state == "held", state="new", problem=None)
    note_event(session, mailing_id, "released", by=by, now=now)


def pause(session: Session, mailing_id: int, *, by: str, now: dt.datetime) -> None:
    """Let no further letter leave. Workers that are busy with the mailing stop within about a second."""
    _set(session, mailing_id, Mailing.state.in_(OPEN_STATES), Mailing.paused_at.is_(None), paused_at=now)
    note_event(session, mailing_id, "paused", by=by, now=now)


def stop(session: Session, mailing_id: int, problem: str, *, now: dt.datetime) -> None:
    """Pause a mailing for a fault of our own, which only a person can mend; `problem` says which, in one line."""
    try:
        _set(session, mailing_id, Mailing.paused_at.is_(None), paused_at=now, problem=problem[:500])
    except NotPossible:
        return  # Another worker met the same fault, or a person was faster.
    note_event(session, mailing_id, "stopped", by="engine", now=now)


def resume(session: Session, mailing_id: int, *, by: str, now: dt.datetime) -> None:
    """Let a paused or stopped mailing go on. Raises NotPossible."""
    _set(session, mailing_id, Mailing.paused_at.is_not(None), paused_at=None, problem=None)
    note_event(session, mailing_id, "resumed", by=by, now=now)


def cancel(session: Session, mailing_id: int, *, by: str, now: dt.datetime) -> None:
    """End a mailing for good: what has not left is skipped. Raises NotPossible."""
    _set(session, mailing_id, Mailing.state.in_(OPEN_STATES), cancelled_at=now, problem=None)
    note_event(session, mailing_id, "cancelled", by=by, now=now)


def try_refused_again(session: Session, mailing_id: int, *, by: str, now: dt.datetime) -> int:
    """Put a mailing's refused letters back into its batches; says how many. Raises NotPossible where there are none.

    Those in a batch that a worker is busy with stay as they are; they can be tried when it is done.
    """
    return _send_again(session, mailing_id, "refused", event="retried", by=by, now=now)


def send_uncertain_again(session: Session, mailing_id: int, *, by: str, now: dt.datetime) -> int:
    """Put letters whose answer was lost back into their batches, under the same Message-ID: for where they are held.

    Says how many. Raises NotPossible where there are none.
    """
    return _send_again(session, mailing_id, "uncertain", event="resent", by=by, now=now)


def _send_again(session: Session, mailing_id: int, state: str, *, event: str, by: str, now: dt.datetime) -> int:
    chosen = sa.and_(Delivery.mailing_id == mailing_id, Delivery.state == state)
    _set(session, mailing_id, Mailing.state.in_(("sending", "done")), state="sending", finished_at=None)
    reopened = (
        sa.update(Batch)
        .where(Batch.id.in_(sa.select(Delivery.batch_id).where(chosen)), Batch.worker.is_(None))
        .values(state="open", due_at=now, waits_for=None, failures=0, rung_at=None)
        .returning(Batch.id)
    )
    batches = session.scalars(reopened, execution_options={"synchronize_session": False}).all()
    count = changed(
        session,
        sa.update(Delivery)
        .where(chosen, Delivery.batch_id.in_(batches))
        .values(state="waiting", attempts=0, first_tried_at=None, settled_at=None, retry_at=None),
    )
    if count == 0:
        raise NotPossible
    note_event(session, mailing_id, event, by=by, now=now)
    return count
