"""Publishing changes an item's row and nothing else: delivery finds what is published."""

import datetime as dt

from newsroom.news.models import Correction, Item
from newsroom.news.writing import check_line

ALARM = dt.timedelta(hours=48)  # For so long an important message is marked on the pages.
CORRECTION_LENGTH = 300


class AlreadyPublished(Exception):
    """The item can be read already; it can be changed or withdrawn, not published again."""


class NotReady(Exception):
    """The item lacks what a published one needs: a topic, so that anybody can follow it."""


class NotPublished(Exception):
    """What nobody has read yet is changed, not corrected."""


def publish(item: Item, *, at: dt.datetime, now: dt.datetime) -> None:
    """Make the item readable from `at` (aware). Raises AlreadyPublished, or NotReady for one without topics.

    An item that still waits for its time is given the new one.
    """
    if is_published(item, by=now):
        raise AlreadyPublished
    if not item.topic_links:
        raise NotReady
    item.published_at = at
    item.withdrawn_at = None


def withdraw(item: Item, *, now: dt.datetime) -> None:
    """Take the item off the site; a waiting one goes back to being a draft. Letters not yet sent are skipped.

    Doing it twice is as good as once: a withdrawn item keeps the times of both.
    """
    if is_published(item, by=now):
        item.withdrawn_at = now
    elif item.withdrawn_at is None:
        item.published_at = None


def is_published(item: Item, *, by: dt.datetime) -> bool:
    """Whether the item can be read at `by`."""
    return item.published_at is not None and item.published_at <= by and item.withdrawn_at is None


def is_alarming(item: Item, *, by: dt.datetime) -> bool:
    """Whether an item is an important message, and fresh at `by`."""
    return item.urgent and item.published_at is not None and by - item.published_at < ALARM


def correct(item: Item, text: str, *, announce: bool, now: dt.datetime) -> Correction:
    """Say in a line what was corrected in a published item; with `announce`, also to those who had it by letter.

    Raises BadText for a line that can't stand, or NotPublished.
    """
    if not is_published(item, by=now):
        raise NotPublished
    line = check_line("correction", text, limit=CORRECTION_LENGTH)
    correction = Correction(text=line, announce=announce, corrected_at=now)
    item.corrections.append(correction)
    item.updated_at = now
    return correction
