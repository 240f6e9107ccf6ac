"""The ledger's tables: mailings, editions, batches, deliveries. Their unique keys make doubles impossible."""

import datetime as dt
import enum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from newsroom.extensions import Base, make_token
from newsroom.news.models import Correction, Item, Topic
from newsroom.subscribers.models import PERSONAL_KINDS, PersonalLetter, Signup, Subscriber


class Lane(enum.IntEnum):
    """Order of urgency. Lower goes first."""

    CONFIRMATION = 0
    URGENT = 1
    NEWS = 2
    DIGEST = 3


NEWS_KINDS = ("news", "urgent")
SINGLE_KINDS = ("confirmation", *PERSONAL_KINDS)  # To one person, who asked for it.
DIGEST_KINDS = ("daily", "weekly")
OPEN_STATES = ("held", "new", "matching", "composing", "sending")


class Mailing(Base):
    """One item announced or corrected, one digest period, or one letter that somebody asked for: what is sent.

    state: (`held` →) `new` → `matching` (its deliveries are being written) → `composing` (its editions are) →
    `sending` → `done`. `held` waits for a person's yes. Whether a person paused or cancelled it, or the engine stopped
    it, stands beside the state: what was begun is remembered. `problem` says in one line what it waits for.
    An item's letters leave from its first slice on, while it is `matching` still; `opened_at` says since when.
    `key` stands in unsubscribe links and goes into Message-IDs; it is random, so a restored database never gives
    an old letter's name to a new letter. A digest's items were published in [`period_start`, `period_end`).
    `selected` counts the deliveries that matching wrote; `matched_through` is the last subscriber it has looked at.
    `uncertified` says that it has finished and has no certificate of that yet.
    """

    __tablename__ = "mailing"
    __table_args__ = (
        sa.CheckConstraint(
            "kind IN ('news', 'urgent', 'correction', 'daily', 'weekly', 'confirmation', "
            "'reminder', 'login', 'change', 'changed', 'goodbye')",
            name="kind",
        ),
        sa.CheckConstraint("state IN ('held', 'new', 'matching', 'composing', 'sending', 'done')", name="state"),
        # An item is announced once; it may be corrected several times.
        sa.Index(
            "uq_mailing_kind_item_id",
            "kind",
            "item_id",
            unique=True,
            sqlite_where=sa.text("kind != 'correction'"),
            postgresql_where=sa.text("kind != 'correction'"),
        ),
        sa.UniqueConstraint("kind", "period_end"),
        sa.UniqueConstraint("signup_id"),
        sa.UniqueConstraint("personal_letter_id"),
        sa.UniqueConstraint("correction_id"),
        sa.Index("ix_mailing_state_lane", "state", "lane"),
        sa.Index("ix_mailing_item_id", "item_id"),
        sa.Index(
            "ix_mailing_uncertified",
            "id",
            sqlite_where=sa.text("uncertified"),
            postgresql_where=sa.text("uncertified"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True, default=make_token)
    kind: Mapped[str]
    lane: Mapped[int]
    state: Mapped[str] = mapped_column(default="new")
    item_id: Mapped[int | None] = mapped_column(sa.ForeignKey("item.id"))
    period_start: Mapped[dt.datetime | None]
    period_end: Mapped[dt.datetime | None]
    signup_id: Mapped[int | None] = mapped_column(sa.ForeignKey("signup.id", ondelete="CASCADE"))
    personal_letter_id: Mapped[int | None] = mapped_column(sa.ForeignKey("personal_letter.id", ondelete="CASCADE"))
    correction_id: Mapped[int | None] = mapped_column(sa.ForeignKey("correction.id"))
    created_at: Mapped[dt.datetime]
    matched_through: Mapped[int] = mapped_column(default=0)
    matched_at: Mapped[dt.datetime | None]
    selected: Mapped[int] = mapped_column(default=0)
    opened_at: Mapped[dt.datetime | None]
    paused_at: Mapped[dt.datetime | None]
    cancelled_at: Mapped[dt.datetime | None]
    finished_at: Mapped[dt.datetime | None]
    uncertified: Mapped[bool] = mapped_column(default=False)
    problem: Mapped[str | None]

    item: Mapped[Item | None] = relationship(lazy="joined")
    signup: Mapped[Signup | None] = relationship(lazy="select")
    personal_letter: Mapped[PersonalLetter | None] = relationship(lazy="select")
    correction: Mapped[Correction | None] = relationship(lazy="select")


class MailingItem(Base):
    """An item that a mailing tells of, as it stood when it was matched; the newest has place 0."""

    __tablename__ = "mailing_item"

    mailing_id: Mapped[int] = mapped_column(sa.ForeignKey("mailing.id", ondelete="CASCADE"), primary_key=True)
    item_id: Mapped[int] = mapped_column(sa.ForeignKey("item.id"), primary_key=True, index=True)
    version: Mapped[int]
    place: Mapped[int]

    item: Mapped[Item] = relationship(lazy="joined")


class MailingTopic(Base):
    """A topic whose followers a mailing's item reaches: the item's own, then their parents. `bit` is its place."""

    __tablename__ = "mailing_topic"
    __table_args__ = (sa.UniqueConstraint("mailing_id", "item_id", "bit"),)

    mailing_id: Mapped[int] = mapped_column(sa.ForeignKey("mailing.id", ondelete="CASCADE"), primary_key=True)
    item_id: Mapped[int] = mapped_column(sa.ForeignKey("item.id"), primary_key=True)
    topic_id: Mapped[int] = mapped_column(sa.ForeignKey("topic.id"), primary_key=True, index=True)
    bit: Mapped[int] = mapped_column(sa.BigInteger)

    topic: Mapped[Topic] = relationship(lazy="joined")


class Edition(Base):
    """One rendered form of a mailing: a language, a set of items, and the topics that it names as the reason.

    `reason` writes the set down: `item:topics` with commas between, where `topics` is the sum of the bits that
    MailingTopic gives them. `letter` is a MIME message without its two personal headers, with places of fixed length
    for the personal links. Rendered once, however many get it, so that a change to the item between two letters
    changes neither.
    """

    __tablename__ = "edition"
    __table_args__ = (sa.UniqueConstraint("mailing_id", "language", "reason"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    mailing_id: Mapped[int] = mapped_column(sa.ForeignKey("mailing.id", ondelete="CASCADE"))
    language: Mapped[str]
    reason: Mapped[str]
    sender: Mapped[str | None]
    letter: Mapped[bytes | None]
    sha256: Mapped[str | None]
    composed_at: Mapped[dt.datetime | None]


class EditionItem(Base):
    """An item that an edition tells of."""

    __tablename__ = "edition_item"

    edition_id: Mapped[int] = mapped_column(sa.ForeignKey("edition.id", ondelete="CASCADE"), primary_key=True)
    item_id: Mapped[int] = mapped_column(sa.ForeignKey("item.id"), primary_key=True, index=True)


class Batch(Base):
    """Some of a mailing's deliveries: what one worker takes on at a time. A doorbell carries its id, nothing more.

    It is claimed by one conditional UPDATE that sets `worker` and `lease_until`; a lease that ran out is free again.
    `waits_for` names the domain whose limit holds back what is left of it (see Pace).
    """

    __tablename__ = "batch"
    __table_args__ = (
        sa.CheckConstraint("state IN ('open', 'done')", name="state"),
        sa.UniqueConstraint("mailing_id", "number"),
        sa.Index("ix_batch_due", "state", "lane", "due_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    mailing_id: Mapped[int] = mapped_column(sa.ForeignKey("mailing.id", ondelete="CASCADE"))
    number: Mapped[int]
    lane: Mapped[int]
    state: Mapped[str] = mapped_column(default="open")
    due_at: Mapped[dt.datetime]
    waits_for: Mapped[str | None]
    rung_at: Mapped[dt.datetime | None]
    worker: Mapped[str | None]
    lease_until: Mapped[dt.datetime | None]
    failures: Mapped[int] = mapped_column(default=0)  # In a row, without a connection that worked.


class Delivery(Base):
    """One mailing to one subscriber, and what became of it.

    waiting → accepted | refused | waiting (later) | skipped | uncertain. Which letters are on a wire right now stands
    in their worker's journal. `lost` counts the answers that never came after a whole letter had left; such a letter
    is `uncertain`.
    """

    __tablename__ = "delivery"
    __table_args__ = (
        sa.CheckConstraint("state IN ('waiting', 'accepted', 'refused', 'skipped', 'uncertain')", name="state"),
        sa.UniqueConstraint("mailing_id", "subscriber_id"),
        # Without the state, which changes with each letter: an index of it would have to be written for each, too.
        sa.Index("ix_delivery_batch_id", "batch_id"),
    )

    id: Mapped[int] = mapped_column(sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)
    mailing_id: Mapped[int] = mapped_column(sa.ForeignKey("mailing.id", ondelete="CASCADE"))
    # Matching writes or reads all three in the same transaction. The database checking them, a row at a time, took a
    # third of it and more, and on PostgreSQL locked every subscriber. Who was ever matched is never deleted: an erased
    # subscriber stays as a number, and a sign-up that is forgotten takes its mailing along.
    subscriber_id: Mapped[int] = mapped_column(index=True)
    edition_id: Mapped[int]
    batch_id: Mapped[int]
    state: Mapped[str] = mapped_column(default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)
    lost: Mapped[int] = mapped_column(default=0)
    first_tried_at: Mapped[dt.datetime | None]
    retry_at: Mapped[dt.datetime | None]
    settled_at: Mapped[dt.datetime | None]
    code: Mapped[int | None]
    reply: Mapped[str | None]
    reason: Mapped[str | None]

    subscriber: Mapped[Subscriber] = relationship(
        primaryjoin="foreign(Delivery.subscriber_id) == Subscriber.id", lazy="joined"
    )


class MailingEvent(Base):
    """What a person, or the engine by itself, decided about a mailing. `by` is an editor's address, or a room."""

    __tablename__ = "mailing_event"
    __table_args__ = (
        sa.CheckConstraint(
            "kind IN ('held', 'released', 'paused', 'resumed', 'stopped', 'cancelled', 'retried', 'resent')",
            name="kind",
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    mailing_id: Mapped[int] = mapped_column(sa.ForeignKey("mailing.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    by: Mapped[str]
    happened_at: Mapped[dt.datetime]


class Pace(Base):
    """How fast letters may leave, over all workers: everything together (`name` is empty), or one domain.

    `free_at` is when the next letter may leave, in seconds since 1970 by the database's clock.
    """

    __tablename__ = "pace"

    name: Mapped[str] = mapped_column(primary_key=True)
    free_at: Mapped[float] = mapped_column(sa.Double)


class Certificate(Base):
    """What became of a finished mailing (utskicksprotokoll), chained to the certificate before it by its hash.

    `issue` counts a mailing's certificates: one that was opened again and finished again has several.
    """

    __tablename__ = "certificate"
    __table_args__ = (sa.UniqueConstraint("mailing_id", "issue"),)

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    mailing_id: Mapped[int] = mapped_column(sa.ForeignKey("mailing.id"))
    issue: Mapped[int]
    body: Mapped[str]
    sha256: Mapped[str]
    made_at: Mapped[dt.datetime]


class Installation(Base):
    """An installation that wants to send from this database; nothing leaves through it before `accepted_at`.

    `beats` counts on while it runs, here and in a file beside the program: where the database's number is the smaller,
    it was restored from a backup, and doesn't know what has left since.
    """

    __tablename__ = "installation"

    fingerprint: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    beats: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    first_seen_at: Mapped[dt.datetime]
    seen_at: Mapped[dt.datetime]
    accepted_at: Mapped[dt.datetime | None]
    problem: Mapped[str | None]  # unknown or restored, until it is accepted.
