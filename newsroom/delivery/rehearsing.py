"""What would happen if an item were published now: who would get a letter, which editions, and how they would look.

The audience is counted by the conditions that matching goes by; nothing is written. The letters are composed and filled
in by the code that writes the real ones, with links to leave that are nobody's.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session, aliased

from newsroom.delivery import composing, matching
from newsroom.delivery.models import MailingItem, MailingTopic
from newsroom.extensions import make_token
from newsroom.news.models import Item, Topic
from newsroom.news.topics import reaching
from newsroom.subscribers.models import Subscriber, Subscription

HEADER = "X-Newsroom-Rehearsal"


@dataclass(frozen=True)
class EditionAhead:
    """A letter that so many would get, in a language and for following these topics."""

    language: str
    topics: Sequence[Topic]
    readers: int


@dataclass(frozen=True)
class Rehearsal:
    """What would happen. `editions` holds those that somebody would get, the largest first.

    `suspended` addresses have been refused too often to get a letter, and `told` have had one about this item. Who
    gets no letter at once finds the item in a daily or a weekly digest, whichever comes first.
    """

    kind: str
    editions: Sequence[EditionAhead]
    suspended: int = 0
    told: int = 0
    in_daily: int = 0
    in_weekly: int = 0

    @property
    def readers(self) -> int:
        """How many would get a letter at once."""
        return sum(edition.readers for edition in self.editions)

    def by_topic(self) -> Sequence[tuple[Topic, int]]:
        """How many letters would name each topic. Who follows two of them counts under both, and gets one letter."""
        found: dict[int, tuple[Topic, int]] = {}
        for edition in self.editions:
            for topic in edition.topics:
                found[topic.id] = (topic, found.get(topic.id, (topic, 0))[1] + edition.readers)
        return sorted(found.values(), key=lambda pair: -pair[1])

    def by_language(self) -> dict[str, int]:
        """How many would get a letter in each language."""
        found: dict[str, int] = {}
        for edition in self.editions:
            found[edition.language] = found.get(edition.language, 0) + edition.readers
        return found


def rehearse(session: Session, item: Item, *, now: dt.datetime, most_refusals: int) -> Rehearsal:
    """Count the item's audience as it is now. Reads only."""
    kind = "urgent" if item.urgent else "news"
    topics = reaching(item.topics)
    if not topics or not item.announce:
        return Rehearsal(kind, [])
    reached = _reached(item, topics)
    reachable = matching.SAID_YES if kind == "urgent" else sa.and_(matching.SAID_YES, matching.is_at_home(now))
    at_once = matching.followers(reached, matching.FREQUENCIES_OF[kind])
    everybody = None
    if session.scalar(sa.select(MailingItem.mailing_id).where(MailingItem.item_id == item.id).limit(1)) is not None:
        everybody = at_once
        at_once = at_once.where(~matching.is_told(sa.literal(item.id)))
    groups = _count_groups(session, at_once, reachable=reachable, most_refusals=most_refusals)
    editions = [
        EditionAhead(language, [topic for bit, topic in enumerate(topics) if mask & 1 << bit], readers - suspended)
        for language, mask, readers, suspended in groups
        if readers > suspended
    ]
    found = sum(readers for _language, _mask, readers, _suspended in groups)
    told = 0
    if everybody is not None:
        told = (
            sum(row[2] for row in _count_groups(session, everybody, reachable=reachable, most_refusals=most_refusals))
            - found
        )
    daily = weekly = 0
    if kind == "news":
        others = [at_once]
        daily = _count_digest(session, item, reached, "daily", others, reachable=reachable, most_refusals=most_refusals)
        others.append(matching.followers(reached, ("daily",)))
        weekly = _count_digest(
            session, item, reached, "weekly", others, reachable=reachable, most_refusals=most_refusals
        )
    return Rehearsal(
        kind,
        sorted(editions, key=lambda one: -one.readers),
        suspended=sum(suspended for _language, _mask, _readers, suspended in groups),
        told=told,
        in_daily=daily,
        in_weekly=weekly,
    )


def _reached(item: Item, topics: Sequence[Topic]) -> Any:
    """The rows of MailingTopic that a mailing of the item would have."""
    bits = {topic.id: sa.literal(1 << bit, sa.BigInteger) for bit, topic in enumerate(topics)}
    rows = sa.select(
        sa.literal(item.id).label("item_id"), Topic.id.label("topic_id"), sa.case(bits, value=Topic.id).label("bit")
    ).where(Topic.id.in_(bits))
    return aliased(MailingTopic, rows.subquery("reached"), adapt_on_names=True)


def _count_groups(
    session: Session, followers: sa.Select[Any], *, reachable: sa.ColumnElement[bool], most_refusals: int
) -> Sequence[tuple[str, int, int, int]]:
    """By language and sum of topic bits: how many there are, and how many of those are suspended."""
    part = followers.subquery("part")
    suspended = sa.func.sum(sa.case((Subscriber.refusals >= most_refusals, 1), else_=0))
    rows = session.execute(
        sa.select(Subscriber.language, part.c.mask, sa.func.count(), suspended)
        .join(part, part.c.subscriber_id == Subscriber.id)
        .where(reachable)
        .group_by(Subscriber.language, part.c.mask)
        .order_by(Subscriber.language, part.c.mask)
    )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


def _count_digest(
    session: Session,
    item: Item,
    reached: Any,
    frequency: str,
    others: Sequence[sa.Select[Any]],
    *,
    reachable: sa.ColumnElement[bool],
    most_refusals: int,
) -> int:
    """How many would find the item in a digest, and are in none of the other audiences."""
    mine = matching.followers(reached, (frequency,)).where(~matching.is_told(sa.literal(item.id)))
    for other in others:
        mine = mine.where(Subscription.subscriber_id.not_in(sa.select(other.subquery().c.subscriber_id)))
    part = mine.subquery("part")
    return (
        session.scalar(
            sa.select(sa.func.count())
            .select_from(part)
            .join(Subscriber, Subscriber.id == part.c.subscriber_id)
            .where(reachable, Subscriber.refusals < most_refusals)
        )
        or 0
    )


@dataclass(frozen=True)
class RehearsedLetter:
    """A whole letter, and the envelope's sender."""

    sender: str
    letter: bytes


def write_letters(
    rehearsal: Rehearsal, item: Item, *, to: str, stationery: composing.Stationery, now: dt.datetime, most: int
) -> Sequence[RehearsedLetter]:
    """Each edition as its readers would get it, but addressed to `to`; at most so many, the largest first.

    Where nobody would get one, there is one all the same to look at. A header says how many readers an edition has.
    """
    editions = rehearsal.editions[:most] or [EditionAhead(item.language, item.topics, 0)]
    return [_write(one, rehearsal.kind, item, to=to, stationery=stationery, now=now) for one in editions]


def _write(
    edition: EditionAhead, kind: str, item: Item, *, to: str, stationery: composing.Stationery, now: dt.datetime
) -> RehearsedLetter:
    key, token = make_token(), make_token()  # Drawn now and kept nowhere: the link to leave is nobody's.
    composed = composing.compose_news(
        [composing.Told(item, edition.topics)],
        kind=kind,
        mailing_key=key,
        language=edition.language,
        stationery=stationery,
        now=now,
    )
    message_id = composing.make_message_id(key, token, stationery.domain)
    letter = composing.Form(composed.letter).fill(to=to, message_id=message_id, token=token)
    return RehearsedLetter(composed.sender, f"{HEADER}: {edition.readers}\r\n".encode() + letter)
