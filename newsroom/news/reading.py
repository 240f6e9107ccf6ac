"""What readers see, as select statements: each is a value; the caller pages it."""

import datetime as dt

import sqlalchemy as sa
from sqlalchemy import Select
from sqlalchemy.orm import Session

from newsroom.news.models import Item, ItemTopic, Topic


def published_items(*, by: dt.datetime, topic: Topic | None = None) -> Select[Item]:
    """Items readable at `by`, newest first; ties broken by id so that pages never overlap.

    Under a topic stand its own items and its children's.
    """
    found = (
        sa.select(Item)
        .where(Item.published_at <= by, Item.withdrawn_at.is_(None))
        .order_by(Item.published_at.desc(), Item.id.desc())
    )
    if topic is not None:
        below = sa.select(Topic.id).where(sa.or_(Topic.id == topic.id, Topic.parent_id == topic.id))
        found = found.where(Item.id.in_(sa.select(ItemTopic.item_id).where(ItemTopic.topic_id.in_(below))))
    return found


def last_change(session: Session, *, by: dt.datetime) -> dt.datetime | None:
    """When anything that readers see last changed: an item came, was rewritten or was withdrawn.

    It counts the whole site. A list can't tell by the items still on it that one has left.
    """
    found = session.execute(
        sa.select(sa.func.max(Item.published_at), sa.func.max(Item.updated_at), sa.func.max(Item.withdrawn_at)).where(
            Item.published_at <= by
        )
    ).one()
    return max((moment for moment in found if moment is not None), default=None)


def more_items(item: Item, *, by: dt.datetime, count: int = 3) -> Select[Item]:
    """The newest other items, for "Fler nyheter"."""
    return published_items(by=by).where(Item.id != item.id).limit(count)


def count_items_by_topic(*, by: dt.datetime) -> Select[int, int]:
    """Pairs of topic id and the number of readable items that its page lists: its own and its children's."""
    reach = sa.union(
        sa.select(ItemTopic.item_id, ItemTopic.topic_id),
        sa.select(ItemTopic.item_id, Topic.parent_id)
        .join(Topic, Topic.id == ItemTopic.topic_id)
        .where(Topic.parent_id.is_not(None)),
    ).subquery("reach")
    return (
        sa.select(reach.c.topic_id, sa.func.count())
        .join(Item, Item.id == reach.c.item_id)
        .where(Item.published_at <= by, Item.withdrawn_at.is_(None))
        .group_by(reach.c.topic_id)
    )
