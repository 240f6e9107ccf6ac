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
    parent_id: Mapped[int | None] = mapped_column(sa.ForeignKey("topic.id"), index=True)
    position: Mapped[int] = mapped_column(default=0)

    parent: Mapped["Topic | None"] = relationship(remote_side=[id], lazy="joined", join_depth=1)

    def name_in(self, language: str) -> str:
        """The topic's name in one of LANGUAGES."""
        return self.name_en if language == "en" else self.name


class ItemTopic(Base):
    """An item's topics, in the editor's order: the first is the one it stands under."""

    __tablename__ = "item_topic"

    item_id: Mapped[int] = mapped_column(sa.ForeignKey("item.id", ondelete="CASCADE"), primary_key=True)
    topic_id: Mapped[int] = mapped_column(sa.ForeignKey("topic.id"), primary_key=True, index=True)
    position: Mapped[int] = mapped_column(default=0)


class Item(Base):
    """A news item. It can be read from `published_at` on, unless it has been withdrawn.

    `guid` never changes, whatever happens to the address: feed readers know the item by it (RFC 4151).
    `version` counts the saved changes; a save that began from an older one fails instead of overwriting.
    `announce` says whether letters go out; an archive that is moved in is published without.
    """

    __tablename__ = "item"
    __table_args__ = (
        sa.CheckConstraint("language IN ('sv', 'en')", name="language"),
        sa.Index("ix_item_published_at_id", "published_at", "id"),
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
    version: Mapped[int] = mapped_column()
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]
    published_at: Mapped[dt.datetime | None]
    withdrawn_at: Mapped[dt.datetime | None]

    topics: Mapped[list[Topic]] = relationship(
        secondary="item_topic", order_by=ItemTopic.position, lazy="selectin", viewonly=True
    )
    topic_links: Mapped[list[ItemTopic]] = relationship(
        order_by=ItemTopic.position, cascade="all, delete-orphan", passive_deletes=True
    )

    __mapper_args__ = {"version_id_col": version}  # noqa: RUF012 — SQLAlchemy's own form.
