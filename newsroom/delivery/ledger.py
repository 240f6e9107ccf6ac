"""The ledger: what is to be sent, to whom, and what became of it. SQL only; the caller commits.

Here are the mailings and their editions, from matched to done; batches.py has what workers hold, deliveries.py each
letter. Whatever decides between two workers is one conditional statement. Who finds no row was the slower one.
"""

import datetime as dt
from collections.abc import Mapping, Sequence

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.delivery.models import (
    OPEN_STATES,
    SINGLE_KINDS,
    Batch,
    Delivery,
    Edition,
    EditionItem,
    Mailing,
    MailingItem,
    MailingTopic,
)
from newsroom.extensions import changed
from newsroom.news.models import Item

# From matched to composed

# An item's letters leave while the rest of its audience is being matched; a digest's order is stricter (decision 0015).
LEAVES_EARLY = sa.and_(Mailing.state == "matching", Mailing.item_id.is_not(None))
LACKS_A_LETTER = (
    sa.select(Edition.id).where(Edition.mailing_id == Mailing.id, Edition.letter.is_(None)).correlate(Mailing).exists()
)


# What is asked every second is built once: building it anew took longer than the database did.
_CANCELLED = sa.and_(Mailing.state.in_(OPEN_STATES), Mailing.cancelled_at.is_not(None))
_CANCELLED_MAILINGS = sa.select(Mailing.id).where(_CANCELLED)
_MOST_URGENT_FIRST = sa.select(Mailing.id).where(Mailing.cancelled_at.is_(None)).order_by(Mailing.lane, Mailing.id)
_TO_MATCH = _MOST_URGENT_FIRST.where(Mailing.state.in_(("new", "matching")))
_TO_COMPOSE = _MOST_URGENT_FIRST.where(sa.or_(Mailing.state == "composing", LEAVES_EARLY))
_UNFINISHED = sa.select(Batch.id).where(Batch.mailing_id == Mailing.id, Batch.state == "open").exists()
_FINISHED = sa.select(Mailing.id).where(Mailing.state == "sending", ~_UNFINISHED)
_OUTDATED = (  # Editions of digests on their way that tell of an item withdrawn meanwhile.
    sa.select(Edition.id)
    .join(Mailing, Mailing.id == Edition.mailing_id)
    .join(EditionItem, EditionItem.edition_id == Edition.id)
    .join(Item, Item.id == EditionItem.item_id)
    .where(
        Mailing.state.in_(("composing", "sending")),
        Mailing.period_end.is_not(None),
        Item.withdrawn_at > Edition.composed_at,
    )
)


def mailings_to_match(session: Session) -> Sequence[int]:
    """The mailings whose readers are still to be found, the most urgent and oldest first."""
    return session.scalars(_TO_MATCH).all()


def mailings_to_compose(session: Session) -> Sequence[int]:
    """The mailings whose editions may be composed now, the most urgent and oldest first.

    An item's letters are written while its audience is still being matched, so that the first can leave.
    """
    return session.scalars(_TO_COMPOSE).all()


def uncomposed_editions(session: Session, mailing_id: int, *, most: int) -> Sequence[Edition]:
    """Some of a mailing's editions that have no letter yet."""
    return session.scalars(
        sa.select(Edition)
        .where(Edition.mailing_id == mailing_id, Edition.letter.is_(None))
        .order_by(Edition.id)
        .limit(most)
    ).all()


def topics_of(session: Session, mailing_id: int) -> Mapping[int, Sequence[MailingTopic]]:
    """The topics whose followers a mailing reaches, by item id; an item's own first, then their parents."""
    found: dict[int, list[MailingTopic]] = {}
    for row in session.scalars(
        sa.select(MailingTopic).where(MailingTopic.mailing_id == mailing_id).order_by(MailingTopic.bit)
    ):
        found.setdefault(row.item_id, []).append(row)
    return found


def items_of(session: Session, mailing_id: int) -> Sequence[Item]:
    """What a mailing tells of, newest first."""
    return session.scalars(
        sa.select(Item)
        .join(MailingItem, MailingItem.item_id == Item.id)
        .where(MailingItem.mailing_id == mailing_id)
        .order_by(MailingItem.place)
    ).all()


def topic_ids_named(session: Session, *, mailing_key: str, subscriber_id: int) -> Sequence[int]:
    """The topics that a subscriber's letter named as its reason: what its unsubscribe link ends."""
    row = session.execute(
        sa.select(Mailing.id, Edition.reason)
        .join(Delivery, Delivery.mailing_id == Mailing.id)
        .join(Edition, Edition.id == Delivery.edition_id)
        .where(Mailing.key == mailing_key, Delivery.subscriber_id == subscriber_id)
    ).one_or_none()
    if row is None:
        return []
    masks = read_reason(row.reason)
    named = [
        one.topic_id
        for item_id, topics in topics_of(session, row.id).items()
        for one in topics
        if one.bit & masks.get(item_id, 0)
    ]
    return list(dict.fromkeys(named))


def read_reason(reason: str) -> dict[int, int]:
    """An edition's reason as what it means: sums of topic bits, by item id, newest item first."""
    words = (word.partition(":") for word in reason.split(",")) if reason else ()
    return {int(item): int(topics) for item, _, topics in words}


def keep_letter(
    session: Session, edition_id: int, *, sender: str, letter: bytes, sha256: str, now: dt.datetime
) -> bool:
    """Store an edition's letter, once; false where it has one already."""
    kept = sa.update(Edition).where(Edition.id == edition_id, Edition.letter.is_(None))
    return changed(session, kept.values(sender=sender, letter=letter, sha256=sha256, composed_at=now)) == 1


def open_for_sending(session: Session, mailing_id: int, *, now: dt.datetime) -> bool:
    """Note that a mailing's batches can be claimed, once all its editions are composed; says whether that is news.

    One that is still being matched stays so: its next slices may bring editions that have no letter yet.
    """
    mine = sa.update(Mailing).where(Mailing.id == mailing_id, ~LACKS_A_LETTER)
    begun = mine.where(LEAVES_EARLY, Mailing.opened_at.is_(None), Mailing.selected > 0)
    if changed(session, begun.values(opened_at=now)) == 1:
        return True
    opened = mine.where(Mailing.state == "composing")
    opened_at = sa.func.coalesce(Mailing.opened_at, sa.literal(now, Mailing.opened_at.type))
    still_stopped = sa.case((Mailing.paused_at.is_not(None), Mailing.problem))
    return changed(session, opened.values(state="sending", opened_at=opened_at, problem=still_stopped)) == 1


def recall_digests(session: Session) -> int:
    """Take back the letters of digests on their way that tell of an item withdrawn meanwhile; says how many.

    They are composed anew without it. An item's own letters need no such thing: they are skipped.
    """
    ids = session.scalars(_OUTDATED).all()
    if not ids:
        return 0
    mailings = sa.select(Edition.mailing_id).where(Edition.id.in_(ids))
    changed(session, sa.update(Mailing).where(Mailing.id.in_(mailings)).values(state="composing"))
    recalled = sa.update(Edition).where(Edition.id.in_(ids))
    return changed(session, recalled.values(letter=None, sha256=None, composed_at=None))


def skip_cancelled(session: Session, *, now: dt.datetime) -> int:
    """Skip what a cancelled mailing has left, but for batches that a worker is still busy with; says how many letters.

    Such a worker stops at its next look, and the next call finds its batch free.
    """
    cancelled = session.scalars(_CANCELLED_MAILINGS).all()
    if not cancelled:
        return 0
    free = sa.and_(
        Batch.mailing_id.in_(cancelled),
        Batch.state == "open",
        sa.or_(Batch.lease_until.is_(None), Batch.lease_until <= now),
    )
    batches = session.scalars(sa.select(Batch.id).where(free).limit(1000)).all()
    left = sa.update(Delivery).where(Delivery.batch_id.in_(batches), Delivery.state == "waiting")
    skipped = changed(session, left.values(state="skipped", reason="cancelled", settled_at=now, retry_at=None))
    changed(session, sa.update(Batch).where(Batch.id.in_(batches), free).values(state="done"))
    # Whatever it was to become, it is finished by the query that finishes all.
    changed(session, sa.update(Mailing).where(_CANCELLED).values(state="sending"))
    return skipped


def finished_mailings(session: Session, *, now: dt.datetime) -> Sequence[int]:
    """Close the mailings that have nothing left to do, and say which; "done" is this query, never a guess."""
    return [
        mailing_id
        for mailing_id in session.scalars(_FINISHED).all()
        if changed(
            session,
            sa.update(Mailing)
            .where(Mailing.id == mailing_id, Mailing.state == "sending", ~_UNFINISHED)
            .values(
                state="done",
                finished_at=now,
                problem=None,
                uncertified=sa.and_(Mailing.kind.not_in(SINGLE_KINDS), Mailing.selected > 0),
            ),
        )
    ]


def note_problem(session: Session, mailing_id: int, problem: str) -> None:
    """Write down what keeps a mailing from going on, for the desk to show."""
    session.execute(sa.update(Mailing).where(Mailing.id == mailing_id).values(problem=problem[:500]))


def note_delay(session: Session, mailing_id: int, problem: str) -> None:
    """Write down why letters that are ready can't leave. Before all are, a problem is what keeps them from it."""
    ready = sa.update(Mailing).where(Mailing.id == mailing_id, Mailing.state == "sending")
    changed(session, ready.values(problem=problem[:500]))
