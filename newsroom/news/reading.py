"""What readers see, as select statements: each is a value; the caller pages it."""

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import ColumnElement, Select
from sqlalchemy.orm import Session, aliased, defer

from newsroom.news.models import Item, ItemTopic, Topic

WEEK = dt.timedelta(weeks=1)
LOOKUP = 6  # Looking for an item's topics takes so many times as long as putting one more item into a table.
RATE_WEEKS = 13  # A quarter of a year: long enough for a summer's silence, short enough to follow a change.
ROOM = "64MB"  # For two million ids. PostgreSQL takes of it what it needs.
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

    `wide` says that many items have one of the topics (`are_wide`); it changes the way, never what is found.
    """

    by: dt.datetime
    topic_ids: Sequence[int] = ()
    wide: bool = False
    since: dt.datetime | None = None
    before: dt.datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether a large share of all items is within."""
        return self.since is None and self.before is None and (self.wide or not self.topic_ids)


def readable_ids(within: Within, *, among: Select[int] | None = None) -> Select[int]:
    """The ids of readable items, perhaps only those `among` others, newest first.

    It reads an index of dates and ids alone, so that long lists and deep pages are quick; a page's items are loaded
    afterwards by `load_items`.
    """
    found = sa.select(Item.id).where(*_conditions(within))
    if among is not None:
        found = found.where(_met_on_the_way(among))
    if within.topic_ids:
        found = found.where(_is_under(within) if within.wide else _met_on_the_way(_under(within)))
    return found.order_by(Item.published_at.desc(), Item.id.desc())


def any_readable_ids(within: Within, among: Select[int], count: int) -> Select[int]:
    """So many ids of the readable ones among others, whichever come first, then ordered with the newest first.

    Each is looked up by itself: quick where the others are few, or so many readable ones are soon found.
    """
    others = among.subquery()
    found = sa.select(Item.id, Item.published_at).join(others, Item.id == others.c[0]).where(*_conditions(within))
    if within.topic_ids:
        found = found.where(_is_under(within))
    any_of_them = found.limit(count).subquery()
    return sa.select(any_of_them.c.id).order_by(any_of_them.c.published_at.desc(), any_of_them.c.id.desc())


def _conditions(within: Within) -> Iterator[ColumnElement[bool]]:
    yield Item.published_at <= within.by
    yield Item.withdrawn_at.is_(None)
    if within.since is not None:
        yield Item.published_at >= within.since
    if within.before is not None:
        yield Item.published_at < within.before


def _under(within: Within) -> Select[int]:
    return sa.select(ItemTopic.item_id).where(ItemTopic.topic_id.in_(within.topic_ids))


def _is_under(within: Within) -> ColumnElement[bool]:
    """Whether an item has one of the topics, asked of each by itself; the offset keeps PostgreSQL from a join."""
    return _under(within).where(ItemTopic.item_id == Item.id).offset(0).exists()


def _met_on_the_way(among: Select[int]) -> ColumnElement[bool]:
    """Whether an item is among others, asked on the way through all items by date, which ends once the page is full.

    As a condition of its own, "… IS true", PostgreSQL doesn't make a join of it: that would bring all the others
    together with all items before the first is known. It looks each item up in a table made of the others, if
    `planned` gives that enough room.
    """
    return _ID.in_(among).is_(True)


@contextmanager
def planned(session: Session) -> Iterator[None]:
    """Let PostgreSQL go the way that `readable_ids` means, whatever it believes about the numbers.

    It doesn't know how dear it is to fetch a long row's words again, and so would read all rows instead of the index;
    it would look up one by one what it fears not to fit into memory; and workers side by side would each make the same
    table of what was found. SQLite needs nothing.
    """
    if session.get_bind().dialect.name == "sqlite":
        yield
        return
    settings = {"enable_seqscan": "0", "max_parallel_workers_per_gather": "0", "work_mem": ROOM}
    switch = sa.select(*(sa.func.set_config(name, sa.bindparam(name), True) for name in settings))
    session.execute(switch, settings)
    yield
    session.execute(switch, dict.fromkeys(settings))


def are_wide(session: Session, topic_ids: Sequence[int], *, wanted: int) -> bool:
    """Whether so many items have one of these topics that `wanted` of them are found soonest by asking item for item.

    Asking goes through wanted / share items; the other way makes a table of share * all items, at LOOKUP times less
    for each. Both take as long where the topics' items are the root of LOOKUP * wanted * all. A topic with less than
    a quarter of all items may have fallen silent; then asking would go through all that came since.
    """
    highest = session.scalar(sa.select(sa.func.max(Item.id))) or 0
    enough = max(math.isqrt(LOOKUP * wanted * highest), highest // 4)
    if enough >= highest:
        return False
    under = sa.select(sa.literal(1)).where(ItemTopic.topic_id.in_(topic_ids)).limit(enough + 1)
    return (session.scalar(sa.select(sa.func.count()).select_from(under.subquery())) or 0) > enough


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
        within = Within(by, topic_ids, wide=are_wide(session, topic_ids, wanted=count))
        sharing = readable_ids(within).where(Item.id != item.id)
    with planned(session):
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
