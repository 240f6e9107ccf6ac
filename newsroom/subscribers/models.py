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
    random, lasting, and good for leaving only.
    """

    __tablename__ = "subscriber"
    __table_args__ = (sa.CheckConstraint("language IN ('sv', 'en')", name="language"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str]
    address_key: Mapped[str] = mapped_column(unique=True)
    token: Mapped[str] = mapped_column(unique=True, default=make_token)
    language: Mapped[str] = mapped_column(default="sv")
    created_at: Mapped[dt.datetime]
    confirmed_at: Mapped[dt.datetime | None]


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
    """A topic that a sign-up asks for."""

    __tablename__ = "signup_topic"

    signup_id: Mapped[int] = mapped_column(sa.ForeignKey("signup.id", ondelete="CASCADE"), primary_key=True)
    topic_id: Mapped[int] = mapped_column(sa.ForeignKey("topic.id"), primary_key=True)


class Signup(Base):
    """What somebody asked for on behalf of an address; it holds once the address's owner says yes."""

    __tablename__ = "signup"
    __table_args__ = (sa.CheckConstraint("frequency IN ('direct', 'daily', 'weekly')", name="frequency"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(sa.ForeignKey("subscriber.id", ondelete="CASCADE"), index=True)
    frequency: Mapped[str]
    language: Mapped[str]
    source: Mapped[str]
    consent_text: Mapped[str]
    requested_at: Mapped[dt.datetime]
    confirmed_at: Mapped[dt.datetime | None]

    subscriber: Mapped[Subscriber] = relationship(lazy="joined")
    topics: Mapped[list[Topic]] = relationship(
        secondary="signup_topic", order_by=(Topic.position, Topic.id), lazy="selectin"
    )


class ConsentEvent(Base):
    """What was agreed to or taken back: which text, which topics, when, and through which door. No network address."""

    __tablename__ = "consent_event"

    id: Mapped[int] = mapped_column(primary_key=True)
    subscriber_id: Mapped[int] = mapped_column(sa.ForeignKey("subscriber.id", ondelete="CASCADE"), index=True)
    kind: Mapped[str]  # given, taken_back, restored
    text: Mapped[str]
    topics: Mapped[list[Any]] = mapped_column(sa.JSON)  # Slugs.
    frequency: Mapped[str | None]
    source: Mapped[str]
    happened_at: Mapped[dt.datetime]
