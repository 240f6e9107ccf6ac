"""Subscribers, their subscriptions, the sign-ups that wait for a yes, and what was consented to."""

import datetime as dt
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from newsroom.extensions import Base, make_token
from newsroom.news.models import Topic

FREQUENCIES = ("direct", "daily", "weekly")


class Subscriber(Base):
    """A reader who gave an address. Gets nothing but confirmation letters before `confirmed_at`.

    `address_key` is the one normal form in which addresses are compared. `token` stands in every unsubscribe link:
    random, lasting, and good for leaving only. `refusals` counts how often in a row the address was refused as such.
    Until `paused_until` only important messages come. An erased subscriber is a number without a person: no address, no
    subscriptions, a new token; only the ledger's counts still need the row. One that was merged into another is such a
    number, too, but keeps its token: links in its letters go on to `moved_to_id`, which has not been merged itself.
    """

    __tablename__ = "subscriber"
    __table_args__ = (
        sa.CheckConstraint("language IN ('sv', 'en')", name="language"),
        sa.Index(
            "ix_subscriber_moved_to_id",
            "moved_to_id",
            sqlite_where=sa.text("moved_to_id IS NOT NULL"),
            postgresql_where=sa.text("moved_to_id IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str]
    address_key: Mapped[str] = mapped_column(unique=True)
    token: Mapped[str] = mapped_column(unique=True, default=make_token)
    language: Mapped[str] = mapped_column(default="sv")
    created_at: Mapped[dt.datetime]
    confirmed_at: Mapped[dt.datetime | None]
    refusals: Mapped[int] = mapped_column(default=0, server_default="0")
    paused_until: Mapped[dt.datetime | None]
    erased_at: Mapped[dt.datetime | None]
    moved_to_id: Mapped[int | None]


class Subscription(Base):
    """One subscriber's wish for one topic at one frequency. Ended with a reason, never changed or deleted."""

    __tablename__ = "subscription"
    __table_args__ = (
        sa.CheckConstraint("frequency IN ('direct', 'daily', 'weekly')", name="frequency"),
        sa.CheckConstraint("(ended_at IS NULL) = (end_reason IS NULL)", name="ended_with_reason"),
        # A subscriber follows a topic once at a time.
        sa.Index(
            "uq_subscription_active",
            "subscriber_id",
            "topic_id",
            unique=True,
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        ),
        # What matching walks.
        sa.Index(
            "ix_subscription_audience",
            "topic_id",
            "frequency",
            "subscriber_id",
            sqlite_where=sa.text("ended_at IS NULL"),
            postgresql_where=sa.text("ended_at IS NULL"),
        ),
        # Since when anybody wants digests; asked every second.
        sa.Index(
            "ix_subscription_digests",
            "frequency",
            "began_at",
            sqlite_where=sa.text("ended_at IS NULL AND frequency != 'direct'"),
            postgresql_where=sa.text("ended_at IS NULL AND frequency != 'direct'"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(sa.ForeignKey("subscriber.id", ondelete="CASCADE"), index=True)
    topic_id: Mapped[int] = mapped_column(sa.ForeignKey("topic.id"))
    frequency: Mapped[str]
    source: Mapped[str]
    began_at: Mapped[dt.datetime]
    ended_at: Mapped[dt.datetime | None]
    end_reason: Mapped[str | None]

    topic: Mapped[Topic] = relationship(lazy="joined")


class SignupTopic(Base):
    """A topic that a sign-up asks for; at the sign-up's frequency, unless it has one of its own."""

    __tablename__ = "signup_topic"
    __table_args__ = (sa.CheckConstraint("frequency IN ('direct', 'daily', 'weekly')", name="frequency"),)

    signup_id: Mapped[int] = mapped_column(sa.ForeignKey("signup.id", ondelete="CASCADE"), primary_key=True)
    topic_id: Mapped[int] = mapped_column(sa.ForeignKey("topic.id"), primary_key=True)
    frequency: Mapped[str | None]


class Signup(Base):
    """What somebody asked for on behalf of an address; it holds once the address's owner says yes.

    `remind_at` is when to look whether its owner wants reminding: once, and then it is null.
    """

    __tablename__ = "signup"
    __table_args__ = (
        sa.CheckConstraint("frequency IN ('direct', 'daily', 'weekly')", name="frequency"),
        # What delivery looks for.
        sa.Index(
            "ix_signup_waiting",
            "requested_at",
            sqlite_where=sa.text("confirmed_at IS NULL"),
            postgresql_where=sa.text("confirmed_at IS NULL"),
        ),
        # Asked every second, too: it holds only those whose time for a reminder is still to come.
        sa.Index(
            "ix_signup_remind_at",
            "remind_at",
            sqlite_where=sa.text("remind_at IS NOT NULL"),
            postgresql_where=sa.text("remind_at IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(sa.ForeignKey("subscriber.id", ondelete="CASCADE"), index=True)
    frequency: Mapped[str]
    language: Mapped[str]
    source: Mapped[str]
    consent_text: Mapped[str]
    requested_at: Mapped[dt.datetime]
    remind_at: Mapped[dt.datetime | None]
    confirmed_at: Mapped[dt.datetime | None]

    subscriber: Mapped[Subscriber] = relationship(lazy="joined")
    topics: Mapped[list[Topic]] = relationship(
        secondary="signup_topic", order_by=(Topic.position, Topic.id), lazy="selectin", viewonly=True
    )
    wishes: Mapped[list[SignupTopic]] = relationship(
        lazy="selectin", cascade="all, delete-orphan", passive_deletes=True
    )

    def frequency_of(self, topic: Topic) -> str:
        """How often letters about one of its topics are wanted."""
        own = {wish.topic_id: wish.frequency for wish in self.wishes}
        return own.get(topic.id) or self.frequency

    def by_frequency(self) -> list[tuple[str, list[Topic]]]:
        """Its topics, put together by how often letters are wanted."""
        groups = [(one, [topic for topic in self.topics if self.frequency_of(topic) == one]) for one in FREQUENCIES]
        return [(frequency, topics) for frequency, topics in groups if topics]


class ConsentEvent(Base):
    """What was agreed to or taken back: which text, which topics, when, and through which door. No network address.

    `kind`: given, taken_back, restored; changed (how often); paused, resumed; address_changed, whose text says from
    which address to which.
    """

    __tablename__ = "consent_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(sa.ForeignKey("subscriber.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]
    text: Mapped[str]
    topics: Mapped[list[Any]] = mapped_column(sa.JSON)  # Slugs.
    frequency: Mapped[str | None]
    source: Mapped[str]
    happened_at: Mapped[dt.datetime]


class PersonalLetter(Base):
    """A letter to one person that is no news: it was asked for by what they did, and delivery finds it.

    `kind`: `reminder` of a sign-up that waits for its yes; `login` to one's own topics; `change`, to a new address,
    which asks for a yes; `changed`, to the old one, which tells of that; `goodbye` after everything was erased. It goes
    to `address`, or where that is null to the subscriber's own. Its link works until `good_until`, and once: `used_at`.
    """

    __tablename__ = "personal_letter"
    __table_args__ = (
        sa.CheckConstraint("kind IN ('reminder', 'login', 'change', 'changed', 'goodbye')", name="kind"),
        sa.CheckConstraint("language IN ('sv', 'en')", name="language"),
        sa.Index("ix_personal_letter_asked_at", "asked_at"),
        # Whose addresses are to be forgotten; asked every second.
        sa.Index(
            "ix_personal_letter_addressed",
            "id",
            sqlite_where=sa.text("address IS NOT NULL"),
            postgresql_where=sa.text("address IS NOT NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    kind: Mapped[str]
    subscriber_id: Mapped[int] = mapped_column(sa.ForeignKey("subscriber.id", ondelete="CASCADE"), index=True)
    signup_id: Mapped[int | None] = mapped_column(sa.ForeignKey("signup.id", ondelete="CASCADE"), index=True)
    address: Mapped[str | None]
    language: Mapped[str]
    asked_at: Mapped[dt.datetime]
    good_until: Mapped[dt.datetime | None]
    used_at: Mapped[dt.datetime | None]

    subscriber: Mapped[Subscriber] = relationship(lazy="joined")
    signup: Mapped[Signup | None] = relationship(lazy="select")


PERSONAL_KINDS = ("reminder", "login", "change", "changed", "goodbye")


class ReaderSession(Base):
    """A reader who has come by a login link, until `ends_at`. The cookie's value is known here by its hash alone."""

    __tablename__ = "reader_session"

    key_hash: Mapped[str] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(sa.ForeignKey("subscriber.id", ondelete="CASCADE"), index=True)
    began_at: Mapped[dt.datetime]
    ends_at: Mapped[dt.datetime] = mapped_column(index=True)


class BlockedAddress(Base):
    """An address that nobody may sign up again unasked, as its owner wished. Only a keyed hash of it is kept."""

    __tablename__ = "blocked_address"

    key_hash: Mapped[str] = mapped_column(primary_key=True)
    blocked_at: Mapped[dt.datetime]
