"""What readers see: which items, in what order, under which topic."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.news import publishing, topics
from newsroom.news.models import Item
from newsroom.news.reading import Within, load_items, published_items, rates_per_week, readable_ids, related_ids, years
from tests.factories import DAY, HOUR, MINUTE, NOON, make_item, make_topics


@pytest.fixture
def session(session: Session) -> Session:
    """The test's session, with the start topics."""
    make_topics(session)
    return session


def headlines(session: Session, topic: str | None = None) -> list[str]:
    found = topics.find_topics(session, [topic])[0] if topic else None
    return [item.headline for item in session.scalars(published_items(by=NOON, topic=found))]


def test_the_newest_item_comes_first_and_drafts_waiting_and_withdrawn_ones_never(session: Session) -> None:
    make_item(session, "stod", headline="I går", published_at=NOON - DAY)
    make_item(session, "stod", headline="Nyss", published_at=NOON - MINUTE)
    make_item(session, "stod", headline="Nu", published_at=NOON)
    make_item(session, "stod", headline="Snart", published_at=NOON + MINUTE)
    make_item(session, "stod", headline="Utkast", published_at=None)
    publishing.withdraw(make_item(session, "stod", headline="Tillbakadragen", published_at=NOON - HOUR), now=NOON)
    session.flush()

    assert headlines(session) == headlines(session, "stod") == ["Nu", "Nyss", "I går"]


def test_pages_of_items_published_at_the_same_moment_neither_overlap_nor_leave_out(session: Session) -> None:
    made = [make_item(session, "stod").id for _ in range(10)]
    pages = [session.scalars(published_items(by=NOON).offset(at).limit(3)).all() for at in (0, 3, 6, 9)]
    assert [item.id for page in pages for item in page] == made[::-1]


def test_under_a_topic_stand_its_own_items_and_its_childrens_each_once(session: Session) -> None:
    make_item(session, "kultur", headline="Förälder")
    make_item(session, "offentlig-konst", headline="Barn")
    make_item(session, "kultur", "offentlig-konst", "kultur-och-halsa", headline="Alla")
    make_item(session, "stod", headline="Annat")

    assert headlines(session, "kultur") == ["Alla", "Barn", "Förälder"]
    assert headlines(session, "offentlig-konst") == ["Alla", "Barn"]
    assert headlines(session, "stod") == ["Annat"]
    assert headlines(session, "bibliotek") == []


def test_related_news_share_a_topic_the_newest_first_and_others_fill_up(session: Session) -> None:
    item = make_item(session, "stod", "kultur")
    newest, other, *_ = [make_item(session, "bibliotek", published_at=NOON - number * MINUTE) for number in range(5)]
    old = make_item(session, "kultur", published_at=NOON - DAY)
    older = make_item(session, "stod", published_at=NOON - 2 * DAY)
    make_item(session, "stod", published_at=NOON + HOUR)

    assert related_ids(session, item, by=NOON) == [old.id, older.id, newest.id]
    assert related_ids(session, item, by=NOON, count=4) == [old.id, older.id, newest.id, other.id]
    oldest = make_item(session, "stod", published_at=NOON - 3 * DAY)
    assert related_ids(session, item, by=NOON) == [old.id, older.id, oldest.id]


def test_ids_are_limited_to_a_time_topics_and_others(session: Session) -> None:
    stod, kultur = topics.find_topics(session, ["stod", "kultur"])
    first, second, third = [make_item(session, "stod", published_at=NOON - number * DAY).id for number in (3, 2, 1)]
    fourth = make_item(session, "kultur", "stod").id
    publishing.withdraw(make_item(session, "stod", published_at=NOON - DAY), now=NOON)
    make_item(session, "stod", published_at=NOON + HOUR)
    session.flush()

    def ids(**within: Any) -> list[int]:
        among = within.pop("among", None)
        return list(session.scalars(readable_ids(Within(NOON, **within), among=among)))

    assert ids() == [fourth, third, second, first]
    assert ids(since=NOON - 2 * DAY, before=NOON) == [third, second]
    assert ids(topic_ids=[kultur.id]) == [fourth]
    assert ids(topic_ids=[kultur.id, stod.id]) == [fourth, third, second, first]
    assert ids(among=sa.select(Item.id).where(Item.id.in_([first, third]))) == [third, first]
    assert [item.id for item in load_items(session, [second, fourth, 999, first])] == [second, fourth, first]


def test_the_years_are_the_readers_calendars(session: Session) -> None:
    zone = ZoneInfo("Europe/Stockholm")
    assert years(session, by=NOON, zone=zone) == []

    make_item(session, "stod", published_at=NOON)
    make_item(session, "stod", published_at=dt.datetime(2023, 12, 31, 23, 30, tzinfo=dt.UTC))  # Already 2024 there.
    make_item(session, "stod", published_at=NOON + 100 * DAY)

    assert years(session, by=NOON, zone=zone) == [2026, 2025, 2024]


def test_a_topics_rate_counts_the_last_thirteen_weeks_and_its_childrens_items(session: Session) -> None:
    for number in range(26):
        make_item(session, "offentlig-konst", "kultur", published_at=NOON - (number * 7 + 1) * DAY / 2)
    make_item(session, "kultur", published_at=NOON - 3 * DAY)
    make_item(session, "offentlig-konst", published_at=NOON - 92 * DAY)
    make_item(session, "kultur", published_at=NOON + HOUR)

    rates = rates_by_slug(session)

    assert rates["offentlig-konst"] == 26 / 13
    assert rates["kultur"] == 27 / 13
    assert "kultur-och-halsa" not in rates


def test_a_young_topics_rate_is_counted_since_its_first_item_but_over_a_week_at_least(session: Session) -> None:
    make_item(session, "stod", published_at=NOON - 14 * DAY)
    for _ in range(5):
        make_item(session, "stod", "bibliotek", published_at=NOON - HOUR)

    assert (rates_by_slug(session)["stod"], rates_by_slug(session)["bibliotek"]) == (3, 5)


def test_a_topic_that_has_fallen_silent_is_told_from_one_that_never_spoke(session: Session) -> None:
    make_item(session, "stod", published_at=NOON - 100 * DAY)
    publishing.withdraw(make_item(session, "bibliotek", published_at=NOON - DAY), now=NOON)
    session.flush()

    assert rates_by_slug(session) == {"stod": 0}


def rates_by_slug(session: Session) -> dict[str, float]:
    rates = rates_per_week(session, by=NOON)
    return {topic.slug: rates[topic.id] for topic in topics.all_topics(session) if topic.id in rates}
