"""Which letters went to one subscriber, and what became of each. Reads only."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.delivery.models import Delivery, Edition, EditionItem, Mailing
from newsroom.news.models import Item


@dataclass(frozen=True)
class SentLetter:
    """A letter to one subscriber. `at` is when it left, or else when it was written down; `items` the newest first."""

    kind: str
    at: dt.datetime
    period_start: dt.datetime | None
    period_end: dt.datetime | None
    state: str
    reason: str | None
    tried: bool
    key: str
    language: str | None
    items: Sequence[Item] = field(default_factory=list)


def letters_of(session: Session, subscriber_id: int, *, skip: int = 0, most: int | None = None) -> Sequence[SentLetter]:
    """A subscriber's letters, the latest first."""
    rows = session.execute(
        sa.select(Delivery, Mailing, Edition.language)
        .join(Mailing, Mailing.id == Delivery.mailing_id)
        .outerjoin(Edition, Edition.id == Delivery.edition_id)
        .where(Delivery.subscriber_id == subscriber_id)
        .order_by(Delivery.id.desc())
        .offset(skip)
        .limit(most)
    ).all()
    items = _items_of(session, [row[0].edition_id for row in rows])
    return [
        SentLetter(
            kind=mailing.kind,
            at=delivery.settled_at or mailing.created_at,
            period_start=mailing.period_start,
            period_end=mailing.period_end,
            state=delivery.state,
            reason=delivery.reason,
            tried=delivery.first_tried_at is not None,
            key=mailing.key,
            language=language,
            items=items.get(delivery.edition_id, []),
        )
        for delivery, mailing, language in rows
    ]


def _items_of(session: Session, edition_ids: Sequence[int]) -> dict[int, list[Item]]:
    found: dict[int, list[Item]] = {}
    rows = session.execute(
        sa.select(EditionItem.edition_id, Item)
        .join(Item, Item.id == EditionItem.item_id)
        .where(EditionItem.edition_id.in_(edition_ids))
        .order_by(Item.published_at.desc(), Item.id.desc())
    )
    for edition_id, item in rows:
        found.setdefault(edition_id, []).append(item)
    return found
