"""Publishing changes an item's row: now, later, back, and again."""

import datetime as dt
from collections.abc import Callable

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.news import publishing
from newsroom.news.models import Item
from newsroom.news.reading import published_items
from tests.factories import DAY, HOUR, MINUTE, NOON, make_item, make_topics


@pytest.fixture
def session(session: Session) -> Session:
    """The test's session, with the start topics."""
    make_topics(session)
    return session


@pytest.fixture
def draft(session: Session) -> Item:
    return make_item(session, "stod", published_at=None)


def readable(session: Session, by: dt.datetime) -> list[Item]:
    session.flush()
    return list(session.scalars(published_items(by=by)))


def test_a_published_item_can_be_read_from_that_moment_on(session: Session, draft: Item) -> None:
    publishing.publish(draft, at=NOON, now=NOON)
    assert readable(session, NOON - dt.timedelta(microseconds=1)) == []
    assert readable(session, NOON) == readable(session, NOON + 1000 * DAY) == [draft]


def test_is_published_says_what_the_select_statement_says(session: Session, draft: Item) -> None:
    changes: list[Callable[[], None]] = [
        lambda: publishing.withdraw(draft, now=NOON - HOUR),
        lambda: publishing.publish(draft, at=NOON, now=NOON - HOUR),
        lambda: publishing.withdraw(draft, now=NOON + HOUR),
        lambda: publishing.publish(draft, at=NOON + DAY, now=NOON + 2 * HOUR),
    ]
    for change in changes:
        change()
        for by in (NOON - HOUR, NOON, NOON + MINUTE, NOON + DAY):
            assert publishing.is_published(draft, by=by) == (readable(session, by) == [draft])


def test_a_scheduled_item_waits_and_can_be_given_another_time(session: Session, draft: Item) -> None:
    publishing.publish(draft, at=NOON + DAY, now=NOON)
    assert not publishing.is_published(draft, by=NOON)
    publishing.publish(draft, at=NOON + HOUR, now=NOON)
    assert readable(session, NOON + HOUR) == [draft]


def test_an_item_that_can_be_read_is_not_published_again(draft: Item) -> None:
    publishing.publish(draft, at=NOON, now=NOON)
    with pytest.raises(publishing.AlreadyPublished):
        publishing.publish(draft, at=NOON + HOUR, now=NOON)
    assert draft.published_at == NOON


def test_an_item_that_nobody_could_follow_is_not_published(session: Session) -> None:
    item = make_item(session, published_at=None)
    with pytest.raises(publishing.NotReady):
        publishing.publish(item, at=NOON, now=NOON)
    assert item.published_at is None


def test_a_withdrawn_item_cannot_be_read_and_remembers_when_it_was_out(session: Session, draft: Item) -> None:
    publishing.publish(draft, at=NOON, now=NOON)
    publishing.withdraw(draft, now=NOON + HOUR)
    assert readable(session, NOON + DAY) == []
    assert (draft.published_at, draft.withdrawn_at) == (NOON, NOON + HOUR)


def test_withdrawing_twice_is_as_good_as_once(draft: Item) -> None:
    publishing.publish(draft, at=NOON, now=NOON)
    for hours in (1, 2):
        publishing.withdraw(draft, now=NOON + hours * HOUR)
    assert (draft.published_at, draft.withdrawn_at) == (NOON, NOON + HOUR)


def test_a_waiting_item_that_is_withdrawn_is_a_draft_again(session: Session, draft: Item) -> None:
    publishing.publish(draft, at=NOON + DAY, now=NOON)
    publishing.withdraw(draft, now=NOON + HOUR)
    assert (draft.published_at, draft.withdrawn_at) == (None, None)
    assert readable(session, NOON + 2 * DAY) == []


def test_withdrawing_a_draft_changes_nothing(draft: Item) -> None:
    publishing.withdraw(draft, now=NOON)
    assert (draft.published_at, draft.withdrawn_at) == (None, None)


def test_a_withdrawn_item_can_be_published_again(session: Session, draft: Item) -> None:
    publishing.publish(draft, at=NOON, now=NOON)
    publishing.withdraw(draft, now=NOON + HOUR)
    publishing.publish(draft, at=NOON + DAY, now=NOON + DAY)
    assert readable(session, NOON + DAY) == [draft]
    assert (draft.published_at, draft.withdrawn_at) == (NOON + DAY, None)


def test_a_time_without_its_zone_is_never_saved(session: Session, draft: Item) -> None:
    draft.published_at = dt.datetime(2026, 11, 12, 12, 0)  # noqa: DTZ001 — the very mistake.
    with pytest.raises(sa.exc.StatementError, match="without its zone"):
        session.flush()


def test_a_time_in_another_zone_comes_back_as_the_same_moment_in_utc(session: Session, draft: Item) -> None:
    stockholm = dt.timezone(dt.timedelta(hours=1))
    publishing.publish(draft, at=dt.datetime(2026, 11, 12, 12, 0, tzinfo=stockholm), now=NOON)
    session.commit()
    session.expire_all()
    assert draft.published_at == NOON
    assert draft.published_at.tzinfo is dt.UTC
