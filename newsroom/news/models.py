"""Topics and items. No rules beyond what the tables themselves promise."""

import datetime as dt

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column, relationship

from newsroom.extensions import Base

LANGUAGES = ("sv", "en")


class Topic(Base):
    """What a reader can follow. Topics form a tree two levels deep: a child never has children."""

    __tablename__ = "topic"

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(unique=True)
    name_en: Mapped[str]
    about: Mapped[str] = mapped_column(default="", server_default="")
    about_en: Mapped[str] = mapped_column(default="", server_default="")
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("topic.id"), index=True)
    position: Mapped[int] = mapped_column(default=0)

    parent: Mapped["Topic | None"] = relationship(remote_side=[id], lazy="joined", join_depth=1)

    def name_in(self, language: str) -> str:
        """The topic's name in one of LANGUAGES."""
        return self.name_en if language == "en" else self.name

    def about_in(self, language: str) -> str:
        """What the topic covers, in a sentence or two, in one of LANGUAGES; empty where nobody has written it."""
        return self.about_en if language == "en" else self.about


class ItemTopic(Base):
    """An item's topics, in the editor's order: the first is the one it stands under."""

    __tablename__ = "item_topic"
    __table_args__ = (sa.Index(None, "topic_id", "item_id"),)

    item_id: Mapped[int] = mapped_column(sa.ForeignKey("item.id", ondelete="CASCADE"), primary_key=True)
    topic_id: Mapped[int] = mapped_column(sa.ForeignKey("topic.id"), primary_key=True)
    position: Mapped[int] = mapped_column(default=0)


class Item(Base):
    """A news item. It can be read from `published_at` on, unless it has been withdrawn.

    `guid` never changes, whatever happens to the address: feed readers know the item by it (RFC 4151).
    `version` counts the saved changes; a save that began from an older one fails instead of overwriting.
    `announce` says whether letters go out; an archive that is moved in is published without. An `urgent` item
    ("viktigt meddelande") goes at once to everybody who follows its topics, however often they want letters.
    """

    __tablename__ = "item"
    __table_args__ = (
        sa.CheckConstraint("language IN ('sv', 'en')", name="language"),
        sa.Index("ix_item_published_at_id", "published_at", "id"),
        sa.Index(
            "ix_item_readable",
            "published_at",
            "id",
            sqlite_where=sa.text("withdrawn_at IS NULL"),
            postgresql_where=sa.text("withdrawn_at IS NULL"),
        ),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(unique=True)
    guid: Mapped[str] = mapped_column(unique=True)
    headline: Mapped[str]
    lede: Mapped[str] = mapped_column(default="")
    body: Mapped[str] = mapped_column(default="")
    facts: Mapped[str] = mapped_column(default="")
    language: Mapped[str] = mapped_column(default="sv")
    announce: Mapped[bool] = mapped_column(default=True)
    urgent: Mapped[bool] = mapped_column(default=False, server_default=sa.false())
    version: Mapped[int] = mapped_column()
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]
    published_at: Mapped[dt.datetime | None]
    withdrawn_at: Mapped[dt.datetime | None]

    corrections: Mapped[list["Correction"]] = relationship(
        order_by="Correction.id", lazy="select", cascade="all, delete-orphan", passive_deletes=True
    )
    topics: Mapped[list[Topic]] = relationship(
        secondary="item_topic", order_by=ItemTopic.position, lazy="selectin", viewonly=True
    )
    topic_links: Mapped[list[ItemTopic]] = relationship(
        order_by=ItemTopic.position, cascade="all, delete-orphan", passive_deletes=True
    )

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 — SQLAlchemy's own form.


class Correction(Base):
    """What was corrected in a published item, in a line for its readers. With `announce`, those who had it are told."""

    __tablename__ = "correction"

    id: Mapped[int] = mapped_column(primary_key=True)
    item_id: Mapped[int] = mapped_column(sa.ForeignKey("item.id", ondelete="CASCADE"), index=True)
    text: Mapped[str]
    announce: Mapped[bool] = mapped_column(default=False)
    corrected_at: Mapped[dt.datetime]
