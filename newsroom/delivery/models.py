"""The ledger's tables: mailings, editions, batches, deliveries. Their unique keys make doubles impossible."""

import datetime as dt
import enum

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from newsroom.extensions import Base, make_token
from newsroom.news.models import Item, Topic
from newsroom.subscribers.models import Signup, Subscriber


class Lane(enum.IntEnum):
    """Order of urgency. Lower goes first."""

    CONFIRMATION = 0
    URGENT = 1
    NEWS = 2
    DIGEST = 3


class Mailing(Base):
    """One item announced, or one confirmation asked for: the thing that is sent.

    state: `new` → `composing` (its deliveries are written) → `sending` (its editions are) → `done`.
    `key` stands in unsubscribe links and goes into Message-IDs; it is random, so a restored database never gives
    an old letter's name to a new letter.
    """

    __tablename__ = "mailing"
    __table_args__ = (
        sa.CheckConstraint("kind IN ('news', 'confirmation')", name="kind"),
        sa.CheckConstraint("state IN ('new', 'composing', 'sending', 'done')", name="state"),
        sa.UniqueConstraint("kind", "item_id"),
        sa.UniqueConstraint("signup_id"),
        sa.Index("ix_mailing_state_lane", "state", "lane"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True, default=make_token)
    kind: Mapped[str]
    lane: Mapped[int]
    state: Mapped[str] = mapped_column(default="new")
    item_id: Mapped[int | None] = mapped_column(sa.ForeignKey("item.id"))
    item_version: Mapped[int | None]
    signup_id: Mapped[int | None] = mapped_column(sa.ForeignKey("signup.id", ondelete="CASCADE"))
    created_at: Mapped[dt.datetime]
    matched_at: Mapped[dt.datetime | None]
    finished_at: Mapped[dt.datetime | None]
    problem: Mapped[str | None]  # What keeps it from going on, in one line.

    item: Mapped[Item | None] = relationship(lazy="joined")
    signup: Mapped[Signup | None] = relationship(lazy="select")


class MailingTopic(Base):
    """A topic whose followers a mailing reaches: the item's, then their parents. `bit` is its place in a mask."""

    __tablename__ = "mailing_topic"
    __table_args__ = (sa.UniqueConstraint("mailing_id", "bit"),)

    mailing_id: Mapped[int] = mapped_column(sa.ForeignKey("mailing.id", ondelete="CASCADE"), primary_key=True)
    topic_id: Mapped[int] = mapped_column(sa.ForeignKey("topic.id"), primary_key=True, index=True)
    bit: Mapped[int] = mapped_column(sa.BigInteger)

    topic: Mapped[Topic] = relationship(lazy="joined")


class Edition(Base):
    """One rendered form of a mailing: a language, a set of items, and the topics that it names as the reason.

    `letter` is a MIME message without its two personal headers, with places of fixed length for the personal links.
    Rendered once, however many get it, so that a change to the item between two letters changes neither.
    """

    __tablename__ = "edition"
    __table_args__ = (sa.UniqueConstraint("mailing_id", "language", "items_key", "topics_mask"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    mailing_id: Mapped[int] = mapped_column(sa.ForeignKey("mailing.id", ondelete="CASCADE"))
    language: Mapped[str]
    items_key: Mapped[str]
    topics_mask: Mapped[int] = mapped_column(sa.BigInteger)
    sender: Mapped[str | None]
    letter: Mapped[bytes | None]
    sha256: Mapped[str | None]
    composed_at: Mapped[dt.datetime | None]


class Batch(Base):
    """Some of a mailing's deliveries: what one worker takes on at a time. A doorbell carries its id, nothing more.

    It is claimed by one conditional UPDATE that sets `worker` and `lease_until`; a lease that ran out is free again.
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
        sa.Index("ix_delivery_batch_id_state", "batch_id", "state"),
    )

    id: Mapped[int] = mapped_column(sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True)
    mailing_id: Mapped[int] = mapped_column(sa.ForeignKey("mailing.id", ondelete="CASCADE"))
    subscriber_id: Mapped[int] = mapped_column(sa.ForeignKey("subscriber.id", ondelete="CASCADE"), index=True)
    edition_id: Mapped[int] = mapped_column(sa.ForeignKey("edition.id", ondelete="CASCADE"))
    batch_id: Mapped[int] = mapped_column(sa.ForeignKey("batch.id", ondelete="CASCADE"))
    state: Mapped[str] = mapped_column(default="waiting")
    attempts: Mapped[int] = mapped_column(default=0)
    lost: Mapped[int] = mapped_column(default=0)
    first_tried_at: Mapped[dt.datetime | None]
    retry_at: Mapped[dt.datetime | None]
    settled_at: Mapped[dt.datetime | None]
    code: Mapped[int | None]
    reply: Mapped[str | None]
    reason: Mapped[str | None]

    subscriber: Mapped[Subscriber] = relationship(lazy="joined")
