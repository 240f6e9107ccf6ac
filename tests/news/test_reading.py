"""What readers see: which items, in what order, under which topic."""

import pytest
from sqlalchemy.orm import Session

from newsroom.news import publishing, topics
from newsroom.news.reading import count_items_by_topic, more_items, published_items
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


def test_more_news_are_the_newest_others(session: Session) -> None:
    items = [make_item(session, "stod", published_at=NOON - number * HOUR) for number in range(6)]
    make_item(session, "stod", published_at=NOON + HOUR)

    assert session.scalars(more_items(items[1], by=NOON)).all() == [items[0], items[2], items[3]]
    assert session.scalars(more_items(items[0], by=NOON, count=1)).all() == [items[1]]


def test_a_topics_number_is_how_many_items_its_page_lists(session: Session) -> None:
    make_item(session, "kultur")
    make_item(session, "offentlig-konst", "kultur-och-halsa")
    make_item(session, "kultur", "offentlig-konst", "stod")
    make_item(session, "stod", published_at=NOON + HOUR)
    publishing.withdraw(make_item(session, "bibliotek"), now=NOON)
    session.flush()

    counted = {row[0]: row[1] for row in session.execute(count_items_by_topic(by=NOON))}
    for topic in topics.all_topics(session):
        assert counted.get(topic.id, 0) == len(headlines(session, topic.slug)), topic.slug
    assert counted[topics.find_topics(session, ["kultur"])[0].id] == 3
