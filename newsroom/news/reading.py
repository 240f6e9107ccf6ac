"""What readers see, as select statements: each is a value; the caller pages it."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import Select
from sqlalchemy.orm import Session, aliased, defer

from newsroom.news.models import Item, ItemTopic, Topic

WEEK = dt.timedelta(weeks=1)
FEW = 300  # So many items are looked up one by one; more are met on the way through all of them by date.
RATE_WEEKS = 13  # A quarter of a year: long enough for a summer's silence, short enough to follow a change.
# An item's id as an expression that no index answers. By the index of ids SQLite would look up every one of many items
# in its long row; this makes it go through the index of dates instead, and end once the page is full.
_ID = Item.id + 0


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


@dataclass(frozen=True)
class Within:
    """What a list is limited to: what can be read at `by`; one of these topics; a time, without its end.

    `wide` says that many items have one of the topics; it changes the way, never what is found.
    """

    by: dt.datetime
    topic_ids: Sequence[int] = ()
    wide: bool = False
    since: dt.datetime | None = None
    before: dt.datetime | None = None


def readable_ids(within: Within, *, among: Select[int] | None = None, few: bool = False) -> Select[int]:
    """The ids of readable items, perhaps only those `among` others, newest first; `few`: the others are few.

    It reads an index of dates and ids alone, so that long lists and deep pages are quick; a page's items are loaded
    afterwards by `load_items`.
    """
    found = (
        sa.select(Item.id)
        .where(Item.published_at <= within.by, Item.withdrawn_at.is_(None))
        .order_by(Item.published_at.desc(), Item.id.desc())
    )
    if within.since is not None:
        found = found.where(Item.published_at >= within.since)
    if within.before is not None:
        found = found.where(Item.published_at < within.before)
    if within.topic_ids:
        under = sa.select(ItemTopic.item_id).where(ItemTopic.topic_id.in_(within.topic_ids))
        # Few items are asked for their topics one by one; so are many where most have them, and the page is full soon.
        asked = under.where(ItemTopic.item_id == Item.id).exists() if few or within.wide else _ID.in_(under)
        found = found.where(asked)
    return found if among is None else found.where((Item.id if few else _ID).in_(among))


def are_wide(session: Session, topic_ids: Sequence[int]) -> bool:
    """Whether more than FEW items have one of these topics, drafts too."""
    under = sa.select(ItemTopic.item_id).where(ItemTopic.topic_id.in_(topic_ids))
    return len(session.scalars(under.limit(FEW + 1)).all()) > FEW


def load_items(session: Session, ids: Sequence[int], *, whole: bool = False) -> list[Item]:
    """The items with these ids in this order; without `whole`, what a list doesn't show stays in the database."""
    wanted = sa.select(Item).where(Item.id.in_(ids))
    if not whole:
        wanted = wanted.options(defer(Item.body), defer(Item.facts))
    found = {item.id: item for item in session.scalars(wanted)}
    return [found[one] for one in ids if one in found]


def years(session: Session, *, by: dt.datetime, zone: dt.tzinfo) -> list[int]:
    """The years from the newest readable item's back to the oldest's, as a zone's calendar has them."""
    readable = sa.select(Item.published_at).where(Item.published_at <= by, Item.withdrawn_at.is_(None)).limit(1)
    newest = session.scalar(readable.order_by(Item.published_at.desc(), Item.id.desc()))
    oldest = session.scalar(readable.order_by(Item.published_at, Item.id))
    if newest is None or oldest is None:
        return []
    return list(range(newest.astimezone(zone).year, oldest.astimezone(zone).year - 1, -1))


def related_ids(session: Session, item: Item, *, by: dt.datetime, count: int = 3) -> list[int]:
    """The newest others that share a topic with an item; where they are too few, the newest of all fill up."""
    others = readable_ids(Within(by)).where(Item.id != item.id)
    topic_ids = [link.topic_id for link in item.topic_links]
    sharing = others
    if topic_ids:
        sharing = readable_ids(Within(by, topic_ids, are_wide(session, topic_ids))).where(Item.id != item.id)
    found = list(session.scalars(sharing.limit(count)))
    if len(found) < count:
        found = list(dict.fromkeys([*found, *session.scalars(others.limit(2 * count))]))
    return found[:count]


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


def rates_per_week(session: Session, *, by: dt.datetime) -> dict[int, float]:
    """How many items a week each topic's page has got lately, its children's too, by topic id.

    Counted over the last 13 weeks, or since the topic's first item where that came later, but at least over a week.
    A topic that never had an item isn't there; one that had none lately stands at 0.
    """
    since = by - RATE_WEEKS * WEEK
    readable = sa.and_(Item.published_at <= by, Item.withdrawn_at.is_(None))
    new = sa.select(Item.id, Item.published_at).where(readable, Item.published_at > since).cte("new")
    listed = sa.union(  # Once for a topic, however many of its children an item stands under.
        sa.select(new, ItemTopic.topic_id).join(ItemTopic, ItemTopic.item_id == new.c.id),
        sa.select(new, Topic.parent_id)
        .join(ItemTopic, ItemTopic.item_id == new.c.id)
        .join(Topic, Topic.id == ItemTopic.topic_id)
        .where(Topic.parent_id.is_not(None)),
    ).subquery()
    counting = sa.select(listed.c.topic_id, sa.func.count(), sa.func.min(listed.c.published_at))
    lately = {row[0]: (row[1], row[2]) for row in session.execute(counting.group_by(listed.c.topic_id))}
    below = aliased(Topic)
    older = (
        sa.select(ItemTopic.item_id)
        .join(below, below.id == ItemTopic.topic_id)
        .join(Item, Item.id == ItemTopic.item_id)
        .where(sa.or_(below.id == Topic.id, below.parent_id == Topic.id), readable, Item.published_at <= since)
        .correlate(Topic)
        .exists()
    )
    rates: dict[int, float] = {}
    for topic_id, is_old in session.execute(sa.select(Topic.id, older)):
        count, first = lately.get(topic_id, (0, None))
        if is_old:
            rates[topic_id] = count / RATE_WEEKS
        elif first is not None:
            rates[topic_id] = count / max(1.0, (by - first) / WEEK)
    return rates
