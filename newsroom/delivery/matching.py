"""Writes down everybody a mailing goes to: one row per subscriber, however many topics and items they share with it.

Set-based SQL, a slice of the subscribers at a time, each in a transaction of its own: no lock is held for long, memory
doesn't grow with the audience, and who dies in the middle is taken up where the last slice ended. The caller commits.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import InstrumentedAttribute, Session

from newsroom.delivery.ledger import open_for_sending, read_reason
from newsroom.delivery.models import (
    DIGEST_KINDS,
    NEWS_KINDS,
    Batch,
    Delivery,
    Edition,
    EditionItem,
    Mailing,
    MailingItem,
    MailingTopic,
)
from newsroom.delivery.rules import Rules
from newsroom.extensions import changed
from newsroom.news.models import Correction, Item
from newsroom.news.topics import reaching
from newsroom.subscribers.models import FREQUENCIES, Subscriber, Subscription

SAVING = dt.timedelta(minutes=1)  # An editor's save takes no longer.
SUSPENDED = "address refused before"
_ONE_AT_A_TIME = 0x6E657773  # A lock's number, ours by agreement alone: "news" in ASCII.

# A slice's audience, seen once, so that its editions, batches and deliveries are of the same people.
_MATCHED = sa.Table(
    "matched",
    sa.MetaData(),
    sa.Column("subscriber_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("language", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("suspended", sa.Boolean, nullable=False),
    prefixes=["TEMPORARY"],
)


def match_slice(session: Session, rules: Rules, mailing_id: int, *, now: dt.datetime) -> bool:
    """Match the next slice of a new mailing's audience; says whether this mailing can be taken further right now.

    Slices grow, so that letters leave from the first on, and no later one takes long to follow. An address that was
    refused `most_refusals` times in a row gets no more letters; its row says so.
    """
    one_at_a_time(session)
    if session.get_bind().dialect.name == "postgresql":
        # A crash may cost the last slices: they are then matched again. Nothing of them has left before they are on the
        # disk, since a batch's claim is, and comes after them.
        session.execute(sa.text("SET LOCAL synchronous_commit = off"))
    mailing = session.get_one(Mailing, mailing_id, populate_existing=True)
    if mailing.cancelled_at is not None or mailing.state not in ("new", "matching"):
        return False
    if mailing.state == "new":
        return _begin(session, mailing, now=now)
    start = mailing.matched_through
    size = min(rules.slice_size, max(rules.first_slice, 2 * start))  # `start` bounds how many came before.
    end = session.scalar(
        sa.select(Subscriber.id).where(Subscriber.id > start).order_by(Subscriber.id).offset(size - 1).limit(1)
    )
    if end is None:
        end = session.scalar(sa.select(sa.func.max(Subscriber.id)).where(Subscriber.id > start))
    mine = sa.update(Mailing).where(
        Mailing.id == mailing_id, Mailing.state == "matching", Mailing.matched_through == start
    )
    if end is None:
        return _finish(session, mailing_id, mine, now=now)
    if changed(session, mine.values(matched_through=end)) == 0:
        return False  # Another tick was faster; that is a normal day.
    found = _find_audience(session, mailing, now=now, start=start, end=end, most_refusals=rules.most_refusals)
    if found:
        _add_editions(session, mailing_id)
        _add_deliveries(session, mailing, found, now=now, batch_size=rules.batch_size)
        session.execute(
            sa.update(Mailing).where(Mailing.id == mailing_id).values(selected=Mailing.selected + found),
            execution_options={"synchronize_session": False},
        )
    return True


def one_at_a_time(session: Session) -> None:
    """Until the transaction ends, let nobody on any machine match a slice: whom one mailing tells is known to the next.

    SQLite has one writer at a time anyway.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.select(sa.func.pg_advisory_xact_lock(_ONE_AT_A_TIME)))


def _begin(session: Session, mailing: Mailing, *, now: dt.datetime) -> bool:
    """Fix what the mailing tells of, and which topics' followers that reaches. With nothing to tell it is over."""
    if mailing.kind in DIGEST_KINDS and _must_wait(session, mailing):
        return False
    if mailing.correction is not None and _is_being_told(session, mailing.correction):
        return False
    claimed = sa.update(Mailing).where(Mailing.id == mailing.id, Mailing.state == "new")
    if changed(session, claimed.values(state="matching")) == 0:
        return False
    items = [mailing.item] if mailing.item is not None else session.scalars(_digest_items(mailing)).all()
    if not items:
        return _finish(session, mailing.id, sa.update(Mailing).where(Mailing.id == mailing.id), now=now)
    for place, item in enumerate(items):
        session.add(MailingItem(mailing_id=mailing.id, item_id=item.id, version=item.version, place=place))
        session.add_all(
            MailingTopic(mailing_id=mailing.id, item_id=item.id, topic_id=topic.id, bit=1 << bit)
            for bit, topic in enumerate(reaching(item.topics))
        )
    session.flush()
    return True


def _finish(session: Session, mailing_id: int, mine: sa.Update, *, now: dt.datetime) -> bool:
    """Write down, in the row that is still mine, that all of a mailing's readers are found."""
    changed(session, mine.values(state="composing", matched_at=now))
    open_for_sending(session, mailing_id, now=now)  # At once, so that what is leaving already isn't halted.
    return False


def _must_wait(session: Session, digest: Mailing) -> bool:
    """Whether somebody could still be told of one of the digest's items by a mailing that isn't matched yet.

    What was published within the period is announced first, and the daily digest stands before the weekly one; only
    then is it known who has been told already.
    """
    other = sa.orm.aliased(Mailing)
    unmatched = sa.and_(other.state.in_(("new", "matching")), other.cancelled_at.is_(None))
    within = sa.and_(Item.published_at < digest.period_end, Item.announce, Item.withdrawn_at.is_(None))
    announced_later = (
        sa.select(other.id).join(Item, Item.id == other.item_id).where(unmatched, within, other.kind.in_(NEWS_KINDS))
    )
    uncovered = sa.select(Item.id).where(
        within,
        Item.published_at >= digest.period_start,
        ~sa.select(other.id).where(other.item_id == Item.id, other.kind.in_(NEWS_KINDS)).exists(),
    )
    goes_first = sa.select(other.id).where(unmatched, other.kind == "daily")
    first = [announced_later.exists(), uncovered.exists()]
    if digest.kind == "weekly":
        first.append(goes_first.exists())
    return bool(session.scalar(sa.select(sa.or_(*first))))


def _told_uncorrected(correction: Correction) -> sa.ColumnElement[bool]:
    """Whether an edition tells of a correction's item as it stood before, or a delivery of it left before."""
    at = correction.corrected_at
    return sa.and_(
        EditionItem.item_id == correction.item_id,
        # What was composed while the correction was being saved may have been read before it was.
        sa.or_(Edition.composed_at <= at + SAVING, Delivery.settled_at <= at),
    )


def _is_being_told(session: Session, correction: Correction) -> bool:
    """Whether letters that tell of the item as it stood before are still about to leave for the first time.

    A correction comes after the letter that it corrects, and to nobody whose letter will never leave.
    """
    leaving = (
        sa.select(Delivery.id)
        .join(Batch, Batch.id == Delivery.batch_id)
        .join(Mailing, Mailing.id == Batch.mailing_id)
        .join(Edition, Edition.id == Delivery.edition_id)
        .join(EditionItem, EditionItem.edition_id == Edition.id)
        .where(
            Mailing.state.in_(("composing", "sending")),
            Mailing.cancelled_at.is_(None),
            Mailing.kind != "correction",
            Batch.state == "open",
            Delivery.state == "waiting",
            Delivery.attempts == 0,
            _told_uncorrected(correction),
        )
    )
    # Whom its next slices find gets the edition that the first ones got.
    matching = sa.select(Mailing.id).where(
        Mailing.item_id == correction.item_id,
        Mailing.kind != "correction",
        Mailing.state == "matching",
        Mailing.cancelled_at.is_(None),
    )
    return bool(session.scalar(sa.select(sa.or_(leaving.exists(), matching.exists()))))


def _had_before(correction: Correction) -> sa.Exists:
    """Whether a subscriber was told of a correction's item as it stood before, or still will be by a letter put off."""
    return (
        sa.select(Delivery.id)
        .join(Edition, Edition.id == Delivery.edition_id)
        .join(EditionItem, EditionItem.edition_id == Edition.id)
        .where(
            Delivery.subscriber_id == Subscription.subscriber_id,
            Delivery.state.in_(("waiting", "accepted", "uncertain")),
            _told_uncorrected(correction),
        )
        .correlate(Subscription)
        .exists()
    )


def _digest_items(digest: Mailing) -> sa.Select[Item]:
    """What a digest tells of, newest first: what was published in its period and stood in no digest of its kind.

    An item that came into the database only after its own period's digest had been matched, because a clock or a
    commit was late, stands in the next one.
    """
    other = sa.orm.aliased(Mailing)
    stood = (
        sa.select(MailingItem.item_id)
        .join(other, other.id == MailingItem.mailing_id)
        .where(MailingItem.item_id == Item.id, other.kind == digest.kind)
        .exists()
    )
    came_late = (
        sa.select(other.id)
        .where(
            other.kind == digest.kind,
            other.id != digest.id,
            other.matched_at.is_not(None),
            other.period_start <= Item.published_at,
            other.period_end > Item.published_at,
        )
        .exists()
    )
    return (
        sa.select(Item)
        .where(
            Item.announce,
            Item.withdrawn_at.is_(None),
            Item.published_at < digest.period_end,
            sa.or_(Item.published_at >= digest.period_start, came_late),
            ~stood,
        )
        .order_by(Item.published_at.desc(), Item.id.desc())
    )


def _find_audience(
    session: Session, mailing: Mailing, *, now: dt.datetime, start: int, end: int, most_refusals: int
) -> int:
    """Fill the table of who is matched in this slice; gives how many."""
    connection = session.connection()
    _MATCHED.create(connection, checkfirst=True)
    connection.execute(sa.delete(_MATCHED))
    pairs = followers(MailingTopic, _frequencies(mailing)).where(
        MailingTopic.mailing_id == mailing.id,
        Subscription.subscriber_id > start,
        Subscription.subscriber_id <= end,
    )
    if mailing.period_end is not None:
        pairs = pairs.where(Subscription.began_at <= mailing.period_end)
    if mailing.correction is not None:
        pairs = pairs.where(_had_before(mailing.correction))
    elif _others_tell(session, mailing):
        pairs = pairs.where(~is_told(MailingTopic.item_id, by_others_than=mailing.id))
    part = pairs.subquery("part")
    word = sa.cast(part.c.item_id, sa.Text) + ":" + sa.cast(part.c.mask, sa.Text)
    if mailing.item_id is not None:
        wanted = sa.select(part.c.subscriber_id, word.label("reason"))
    else:
        wanted = _join_words(connection.dialect.name, mailing.id, part, word)
    one = wanted.subquery("one")
    rows = (
        sa.select(one.c.subscriber_id, Subscriber.language, one.c.reason, Subscriber.refusals >= most_refusals)
        .join(Subscriber, Subscriber.id == one.c.subscriber_id)
        .where(SAID_YES)
    )
    if mailing.kind != "urgent":
        rows = rows.where(is_at_home(now))
    if session.scalar(_matched_before(mailing.id, start).limit(1)) is not None:
        rows = rows.where(~_matched_before(mailing.id, start).where(Delivery.subscriber_id == Subscriber.id).exists())
    connection.execute(sa.insert(_MATCHED).from_select(["subscriber_id", "language", "reason", "suspended"], rows))
    return connection.scalar(sa.select(sa.func.count()).select_from(_MATCHED)) or 0


def _matched_before(mailing_id: int, start: int) -> sa.Select[int]:
    """Deliveries that a mailing has already to those who come only now: of subscribers who were merged into them."""
    return sa.select(Delivery.id).where(Delivery.mailing_id == mailing_id, Delivery.subscriber_id > start)


def followers(reached: Any, frequencies: Sequence[str]) -> sa.Select[Any]:
    """Who follows, at one of these frequencies, what each item reaches: subscriber, item, and the topics' sum of bits.

    `reached` has the columns item_id, topic_id and bit, as MailingTopic has them.
    """
    return (
        sa.select(
            Subscription.subscriber_id,
            reached.item_id,
            sa.cast(sa.func.sum(reached.bit), sa.BigInteger).label("mask"),
        )
        .join(reached, reached.topic_id == Subscription.topic_id)
        .where(Subscription.ended_at.is_(None), Subscription.frequency.in_(frequencies))
        .group_by(Subscription.subscriber_id, reached.item_id)
    )


SAID_YES = Subscriber.confirmed_at.is_not(None)
FREQUENCIES_OF = {"news": ("direct",), "urgent": FREQUENCIES, "correction": FREQUENCIES}


def is_at_home(now: dt.datetime) -> sa.ColumnElement[bool]:
    """Whether a subscriber gets letters at `now`, and hasn't paused them for a while."""
    return sa.or_(Subscriber.paused_until.is_(None), Subscriber.paused_until <= now)


def _frequencies(mailing: Mailing) -> Sequence[str]:
    return FREQUENCIES_OF.get(mailing.kind, (mailing.kind,))


def _join_words(dialect: str, mailing_id: int, part: sa.Subquery, word: sa.ColumnElement[str]) -> sa.Select[Any]:
    """Each subscriber's items as one text, newest first."""
    placed = (
        sa.select(part.c.subscriber_id, word.label("word"), MailingItem.place)
        .join(MailingItem, sa.and_(MailingItem.item_id == part.c.item_id, MailingItem.mailing_id == mailing_id))
        .order_by(part.c.subscriber_id, MailingItem.place)
        .subquery("placed")
    )
    joined: sa.ColumnElement[str]
    if dialect == "postgresql":
        joined = sa.func.string_agg(placed.c.word, postgresql.aggregate_order_by(sa.literal(","), placed.c.place))
    else:
        # SQLite takes the rows in the subquery's order. Were it another, there would be more editions than need be,
        # and each would still tell of the same items.
        joined = sa.func.group_concat(placed.c.word, ",")
    return sa.select(placed.c.subscriber_id, joined.label("reason")).group_by(placed.c.subscriber_id)


def _others_tell(session: Session, mailing: Mailing) -> bool:
    mine = sa.select(MailingItem.item_id).where(MailingItem.mailing_id == mailing.id)
    others = sa.select(MailingItem.item_id).where(MailingItem.mailing_id != mailing.id, MailingItem.item_id.in_(mine))
    return session.scalar(others.limit(1)) is not None


def is_told(item_id: sa.ColumnElement[int] | InstrumentedAttribute[int], *, by_others_than: int = 0) -> sa.Exists:
    """Whether another mailing told, or is about to tell, this subscriber of this item."""
    other = sa.orm.aliased(MailingItem)
    return (
        sa.select(Delivery.id)
        .join(other, other.mailing_id == Delivery.mailing_id)
        .join(EditionItem, EditionItem.edition_id == Delivery.edition_id)
        .where(
            other.item_id == item_id,
            other.mailing_id != by_others_than,
            Delivery.subscriber_id == Subscription.subscriber_id,
            Delivery.state.in_(("waiting", "accepted", "uncertain")),
            EditionItem.item_id == item_id,
        )
        .correlate(MailingTopic, Subscription)
        .exists()
    )


def _add_editions(session: Session, mailing_id: int) -> None:
    known = sa.select(Edition.id).where(
        Edition.mailing_id == mailing_id,
        Edition.language == _MATCHED.c.language,
        Edition.reason == _MATCHED.c.reason,
    )
    session.execute(
        sa.insert(Edition).from_select(
            ["mailing_id", "language", "reason"],
            sa.select(sa.literal(mailing_id), _MATCHED.c.language, _MATCHED.c.reason).where(~known.exists()).distinct(),
        )
    )
    listed = sa.select(EditionItem.edition_id).where(EditionItem.edition_id == Edition.id).exists()
    fresh = session.execute(sa.select(Edition.id, Edition.reason).where(Edition.mailing_id == mailing_id, ~listed))
    rows = [{"edition_id": edition, "item_id": item} for edition, reason in fresh for item in read_reason(reason)]
    if rows:
        session.execute(sa.insert(EditionItem), rows)


def _add_deliveries(session: Session, mailing: Mailing, found: int, *, now: dt.datetime, batch_size: int) -> None:
    last = session.scalar(sa.select(sa.func.max(Batch.number)).where(Batch.mailing_id == mailing.id))
    first = 0 if last is None else last + 1
    session.execute(
        sa.insert(Batch),
        [
            {"mailing_id": mailing.id, "number": first + number, "lane": mailing.lane, "due_at": now}
            for number in range(-(-found // batch_size))
        ],
    )
    on_postgresql = session.get_bind().dialect.name == "postgresql"
    if on_postgresql:
        # It doesn't know yet how many editions and batches have just been added, and would compare each with each.
        session.execute(sa.text("SET LOCAL enable_nestloop = off"))
    place = sa.func.row_number().over(order_by=_MATCHED.c.subscriber_id) - 1
    number = sa.cast((place - place % batch_size) / batch_size + first, sa.Integer)
    numbered = sa.select(_MATCHED, number.label("number")).subquery("numbered")
    skipped = numbered.c.suspended
    session.execute(
        sa.insert(Delivery).from_select(
            [
                "mailing_id",
                "subscriber_id",
                "edition_id",
                "batch_id",
                "state",
                "reason",
                "settled_at",
                "attempts",
                "lost",
            ],
            sa.select(
                sa.literal(mailing.id),
                numbered.c.subscriber_id,
                Edition.id,
                Batch.id,
                sa.case((skipped, "skipped"), else_="waiting"),
                sa.case((skipped, SUSPENDED)),
                sa.case((skipped, sa.literal(now, Delivery.settled_at.type))),
                sa.literal(0),
                sa.literal(0),
            )
            .join(
                Edition,
                sa.and_(
                    Edition.mailing_id == mailing.id,
                    Edition.language == numbered.c.language,
                    Edition.reason == numbered.c.reason,
                ),
            )
            .join(Batch, sa.and_(Batch.mailing_id == mailing.id, Batch.number == numbered.c.number))
            .order_by(numbered.c.subscriber_id),
        )
    )
    if on_postgresql:
        session.execute(sa.text("SET LOCAL enable_nestloop = on"))
