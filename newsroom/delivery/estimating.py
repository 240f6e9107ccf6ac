"""How many letters a week some choices would bring, from what has been published lately. Reads only."""

import bisect
import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.delivery.digests import Schedule, periods_ended
from newsroom.news.models import Item, ItemTopic, Topic
from newsroom.news.reading import RATE_WEEKS, WEEK, rates_per_week


@dataclass(frozen=True)
class Seen:
    """An item as an estimate needs it: when it came, and whose followers it reaches. All ids are topics'."""

    published_at: dt.datetime
    urgent: bool
    topic_ids: frozenset[int]


def items_lately(session: Session, topic_ids: Collection[int], *, by: dt.datetime) -> list[Seen]:
    """The items of the last 13 weeks that reach followers of these topics, each once."""
    rows = session.execute(
        sa.select(Item.id, Item.published_at, Item.urgent, ItemTopic.topic_id, Topic.parent_id)
        .join(ItemTopic, ItemTopic.item_id == Item.id)
        .join(Topic, Topic.id == ItemTopic.topic_id)
        .where(
            Item.published_at > by - RATE_WEEKS * WEEK,
            Item.published_at <= by,
            Item.withdrawn_at.is_(None),
            sa.or_(Topic.id.in_(topic_ids), Topic.parent_id.in_(topic_ids)),
        )
    )
    found: dict[int, Seen] = {}
    for item_id, published_at, urgent, topic_id, parent_id in rows:
        reached = {one for one in (topic_id, parent_id) if one is not None and one in topic_ids}
        if item_id in found:
            reached |= found[item_id].topic_ids
        if published_at is not None:
            found[item_id] = Seen(published_at, urgent, frozenset(reached))
    return list(found.values())


def letters_per_week(
    wishes: Mapping[int, str],
    items: Collection[Seen],
    rates: Mapping[int, float],
    schedules: Sequence[Schedule],
    *,
    by: dt.datetime,
) -> float | None:
    """The letters a week that `wishes` (frequencies by topic's id) would bring; None where nothing was ever published.

    As matching does it: an item comes once, at once where any of its topics is wanted at once, otherwise in the next
    daily digest, otherwise in the weekly one; a digest with nothing to tell isn't sent. `rates` are the topics' own
    (see rates_per_week): a topic that is newer than 13 weeks counts over its own time.
    """
    if not any(topic_id in rates for topic_id in wishes):
        return None
    counts = {topic_id: sum(topic_id in item.topic_ids for item in items) for topic_id in wishes}
    weeks = {topic_id: counts[topic_id] / rates[topic_id] for topic_id in wishes if rates.get(topic_id)}
    ends = {
        one.kind: [
            period.end for period in periods_ended(one, after=by - RATE_WEEKS * WEEK, by=by + dt.timedelta(days=8))
        ]
        for one in schedules
    }
    letters: dict[str, float] = dict.fromkeys(ends, 0.0) | {"direct": 0.0}
    digests: dict[tuple[str, dt.datetime], float] = {}
    for item in items:
        reached = [topic_id for topic_id in item.topic_ids if topic_id in weeks]
        if not reached:
            continue
        share = 1 / min(weeks[topic_id] for topic_id in reached)
        wanted = {wishes[topic_id] for topic_id in reached}
        if item.urgent or "direct" in wanted:
            letters["direct"] += share
            continue
        kind = "daily" if "daily" in wanted else "weekly"
        place = bisect.bisect_right(ends.get(kind, []), item.published_at)
        if kind in ends and place < len(ends[kind]):
            end = ends[kind][place]
            digests[kind, end] = max(share, digests.get((kind, end), 0.0))
    for (kind, _end), share in digests.items():
        letters[kind] += share
    most = {one.kind: float(len(one.days)) for one in schedules}
    return sum(min(count, most.get(kind, count)) for kind, count in letters.items())


@dataclass(frozen=True)
class Estimate:
    """Letters a week: by the choices as they are, and if all the chosen topics came at the same frequency."""

    chosen: float | None
    each: Mapping[str, float | None]


def estimate(
    session: Session, wishes: Mapping[int, str], schedules: Sequence[Schedule], *, by: dt.datetime
) -> Estimate:
    """What these choices would bring, and what the same topics would at each frequency."""
    items, rates = items_lately(session, list(wishes), by=by), rates_per_week(session, by=by)
    each = {
        frequency: letters_per_week(dict.fromkeys(wishes, frequency), items, rates, schedules, by=by)
        for frequency in ("direct", *(one.kind for one in schedules))
    }
    return Estimate(letters_per_week(wishes, items, rates, schedules, by=by), each)
