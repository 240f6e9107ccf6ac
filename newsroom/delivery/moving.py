"""The letters of a subscriber who was merged into another. SQL only; the caller commits."""

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from newsroom.delivery import erasing, matching
from newsroom.delivery.models import Delivery
from newsroom.extensions import changed


def move_letters(session: Session, subscriber_id: int, *, into: int, now: dt.datetime) -> None:
    """Make a subscriber's letters those of the one that it was merged into.

    Letters that wait leave to the new address, and nobody is told twice of what either was told. Where both had the
    same mailing's letter, the new one's counts, and the other stays behind, as that of an erased subscriber.
    """
    matching.one_at_a_time(session)  # What is being matched at this moment is seen, and moves along.
    same = aliased(Delivery)
    both = sa.select(same.id).where(same.mailing_id == Delivery.mailing_id, same.subscriber_id == into).exists()
    moving = sa.update(Delivery).where(Delivery.subscriber_id == subscriber_id, ~both)
    changed(session, moving.values(subscriber_id=into))
    erasing.forget_subscriber(session, subscriber_id, now=now)
