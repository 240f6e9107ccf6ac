"""The topic tree: two levels, no doubles, and what follows what."""

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.news import topics
from newsroom.news.models import Topic
from newsroom.news.topics import BadTopic, UnknownTopic
from tests.factories import make_topics


def test_the_start_topics_are_the_ones_that_were_asked_for_in_their_order(session: Session) -> None:
    assert topics.add_start_topics(session) == 13
    assert [("  " if topic.parent else "") + topic.name for topic in topics.all_topics(session)] == [
        "Hälso- och sjukvård",
        "Kollektivtrafik",
        "Regional utveckling",
        "Kultur",
        "  Kultur och hälsa",
        "  Offentlig konst",
        "  Konstnär och kulturutövare",
        "Hållbarhet",
        "Forskning och innovation",
        "Organisation och styrning",
        "Ekonomi och budget",
        "Bibliotek",
        "Stöd",
    ]


def test_start_topics_are_added_only_where_there_are_none(session: Session) -> None:
    topics.add_topic(session, name="Vatten")
    assert topics.add_start_topics(session) == 0
    assert [topic.slug for topic in topics.all_topics(session)] == ["vatten"]


def test_a_topic_has_a_name_in_each_language(session: Session) -> None:
    found = make_topics(session)
    assert (found["stod"].name_in("sv"), found["stod"].name_in("en")) == ("Stöd", "Grants and support")
    assert topics.add_topic(session, name="Vatten").name_in("en") == "Vatten"


def test_a_new_topic_stands_last_among_its_siblings(session: Session) -> None:
    found = make_topics(session)
    topics.add_topic(session, name="Film", parent=found["kultur"])
    topics.add_topic(session, name="Vatten")
    slugs = [topic.slug for topic in topics.all_topics(session)]
    assert slugs[slugs.index("konstnar-och-kulturutovare") + 1] == "film"
    assert slugs[-1] == "vatten"


def test_a_third_level_is_refused(session: Session) -> None:
    found = make_topics(session)
    with pytest.raises(BadTopic, match="two levels"):
        topics.add_topic(session, name="Statyer", parent=found["offentlig-konst"])


@pytest.mark.parametrize("name", ["Stöd", "stöd", "STOD", " Stöd ", "Stöd!", "Kultur  och hälsa", "Stod"])
def test_a_double_is_refused_whatever_level_it_would_stand_on(session: Session, name: str) -> None:
    found = make_topics(session)
    for parent in (None, found["kultur"]):
        with pytest.raises(BadTopic, match="already"):
            topics.add_topic(session, name=name, parent=parent)


@pytest.mark.parametrize("name", ["", " ", "–", "新闻", "\x00"])
def test_a_name_without_letters_or_digits_is_refused(session: Session, name: str) -> None:
    with pytest.raises(BadTopic):
        topics.add_topic(session, name=name)


@pytest.mark.parametrize("name", ["a\x00b", "a\x1bb", "\ud800abc", "x" * 101])
def test_a_name_that_no_page_or_letter_could_carry_is_refused_in_either_language(session: Session, name: str) -> None:
    with pytest.raises(BadTopic):
        topics.add_topic(session, name=name)
    with pytest.raises(BadTopic):
        topics.add_topic(session, name="Vatten", name_en=name)
    assert session.scalars(sa.select(Topic)).all() == []


@pytest.mark.parametrize("name", ["All", "all", "ALL!"])
def test_no_topic_takes_the_address_of_the_feed_of_everything(session: Session, name: str) -> None:
    with pytest.raises(BadTopic, match="all"):
        topics.add_topic(session, name=name)


def test_line_ends_and_spaces_in_a_name_become_one_space(session: Session) -> None:
    topic = topics.add_topic(session, name=" Mark \r\n och  vatten", name_en="Land\tand\nwater ")
    assert (topic.name, topic.name_en) == ("Mark och vatten", "Land and water")


def test_the_tables_themselves_refuse_a_double(session: Session) -> None:
    make_topics(session)
    session.add(Topic(slug="stod", name="Annat", name_en="Other"))
    with pytest.raises(sa.exc.IntegrityError):
        session.flush()


def test_topics_are_found_by_slug_each_once_in_the_order_given(session: Session) -> None:
    make_topics(session)
    found = topics.find_topics(session, ["stod", "kultur", "stod"])
    assert [topic.slug for topic in found] == ["stod", "kultur"]
    assert topics.find_topics(session, []) == []


@pytest.mark.parametrize("slug", ["finns-inte", "", "Stöd", "stod ", "\ud800", "\x00", "x" * 100_000])
def test_an_unknown_slug_is_named(session: Session, slug: str) -> None:
    make_topics(session)
    with pytest.raises(UnknownTopic) as caught:
        topics.find_topics(session, ["stod", slug, "annan"])
    assert str(caught.value) == slug


def test_an_item_reaches_the_followers_of_its_topics_and_of_their_parents_only(session: Session) -> None:
    found = make_topics(session)

    def reached(*slugs: str) -> list[str]:
        return [topic.slug for topic in topics.reaching(found[slug] for slug in slugs)]

    assert reached("offentlig-konst") == ["offentlig-konst", "kultur"]
    assert reached("kultur") == ["kultur"]
    assert reached("offentlig-konst", "kultur-och-halsa", "stod") == [
        "offentlig-konst",
        "kultur",
        "kultur-och-halsa",
        "stod",
    ]
    assert reached() == []


def test_the_children_of_a_topic_are_found_among_those_given(session: Session) -> None:
    found = make_topics(session)
    children = topics.children_of(found["kultur"], topics.all_topics(session))
    assert [topic.slug for topic in children] == ["kultur-och-halsa", "offentlig-konst", "konstnar-och-kulturutovare"]
    assert topics.children_of(found["offentlig-konst"], found.values()) == []
