"""Finding items by their words, in both databases alike."""

from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.news import publishing, searching, topics
from newsroom.news.reading import Within
from newsroom.news.searching import find, read_query
from newsroom.news.writing import ItemText, change_item
from tests.factories import DAY, HOUR, NOON, make_item, make_topics


@pytest.fixture
def session(session: Session) -> Session:
    """The test's session, with the start topics."""
    make_topics(session)
    return session


def ids(session: Session, text: str, *, by_relevance: bool = False, any_of: bool = False, **within: Any) -> list[int]:
    query = read_query(text)
    assert query is not None
    limits = Within(within.pop("by", NOON), **within)
    wanted = query.loosened() if any_of else query
    found, count = find(session, wanted, limits, by_relevance=by_relevance, offset=0, limit=20)
    assert count == len(found)
    return found


def test_a_word_finds_its_other_forms_wherever_they_stand(session: Session) -> None:
    item = make_item(
        session,
        "stod",
        headline="Avgifterna höjs",
        lede="Det gäller sjukhuset.",
        body="## Skolorna\n\n- **Bussarnas** tidtabeller",
        facts="Kom till tunnelbanan.",
    ).id
    make_item(session, "stod", headline="Annat", lede="", body="")

    for text in ("avgift", "AVGIFTER", "sjukhus", "skola", "buss", "tidtabell", "tunnelbana", "avgift skola buss"):
        assert (text, ids(session, text)) == (text, [item])
    for text in ("avgiftsfri", "häst", "avgift häst"):
        assert (text, ids(session, text)) == (text, [])


def test_swedish_letters_are_told_apart_and_other_marks_are_not(session: Session) -> None:
    cloud = make_item(session, "stod", headline="Mälaren och kaféet").id
    other = make_item(session, "stod", headline="Malaren").id

    assert ids(session, "mälaren") == [cloud]
    assert ids(session, "malaren") == [other]
    assert ids(session, "kafeet") == ids(session, "KAFÉET") == [cloud]


def test_an_english_item_is_stemmed_as_english(session: Session) -> None:
    item = make_item(session, "stod", headline="Libraries are lending skates", language="en").id

    for text in ("library", "libraries", "lend", "skate"):
        assert (text, ids(session, text)) == (text, [item])


def test_the_last_word_may_be_only_begun(session: Session) -> None:
    item = make_item(session, "stod", headline="Vaccinationsmottagningar öppnar").id

    assert ids(session, "vaccin") == ids(session, "öppnar vaccin") == [item]
    assert ids(session, "vaccin öppnar") == []
    assert ids(session, "va") == []


def test_only_what_can_be_read_is_found(session: Session) -> None:
    make_item(session, "stod", headline="Bron utkast", published_at=None)
    waiting = make_item(session, "stod", headline="Bron väntar", published_at=NOON + HOUR).id
    withdrawn = make_item(session, "stod", headline="Bron tillbaka", published_at=NOON - HOUR)

    assert ids(session, "bro") == [withdrawn.id]
    publishing.withdraw(withdrawn, now=NOON)
    session.flush()
    assert ids(session, "bro") == []
    assert ids(session, "bro", by=NOON + HOUR) == [waiting]


def test_a_changed_item_is_found_by_its_new_words_alone(session: Session) -> None:
    item = make_item(session, "stod", headline="Bron öppnar")
    change_item(item, ItemText("Färjan slutar", language="sv"), item.topics, now=NOON)
    session.commit()
    assert (ids(session, "färja"), ids(session, "bro")) == ([item.id], [])

    change_item(item, ItemText("Ferries are leaving", language="en"), item.topics, now=NOON)
    session.commit()
    assert (ids(session, "ferry"), ids(session, "färja")) == ([item.id], [])


def test_a_change_that_was_taken_back_leaves_the_index_as_it_was(session: Session) -> None:
    item = make_item(session, "stod", headline="Bron öppnar")
    session.commit()
    change_item(item, ItemText("Färjan slutar"), item.topics, now=NOON)
    session.rollback()
    assert (ids(session, "bro"), ids(session, "färja")) == ([item.id], [])


def test_what_has_the_words_in_its_headline_comes_first_and_otherwise_the_newest(session: Session) -> None:
    in_body = make_item(session, "stod", headline="Nyast", body="En bro.").id
    old = make_item(session, "stod", headline="Bron stängs", published_at=NOON - 2 * DAY).id
    new = make_item(session, "stod", headline="Bron öppnar", published_at=NOON - DAY).id

    assert ids(session, "bro", by_relevance=True) == [new, old, in_body]
    assert ids(session, "bro") == [in_body, new, old]


def test_pages_of_hits_neither_overlap_nor_leave_out(session: Session) -> None:
    made = [make_item(session, "stod", headline=f"Bro {number}").id for number in range(7)]
    query = read_query("bro")
    assert query is not None
    pages = [find(session, query, Within(NOON), by_relevance=True, offset=at, limit=3) for at in (0, 3, 6, 9)]
    assert [one for page, _count in pages for one in page] == made[::-1]
    assert {count for _page, count in pages} == {7}


def test_a_search_keeps_to_a_topic_and_a_time(session: Session) -> None:
    stod = topics.find_topics(session, ["stod"])[0].id
    make_item(session, "kultur", headline="Bro ett")
    wanted = make_item(session, "stod", headline="Bro två", published_at=NOON - DAY).id
    old = make_item(session, "stod", headline="Bro tre", published_at=NOON - 9 * DAY).id

    assert ids(session, "bro", topic_ids=[stod]) == [wanted, old]
    assert ids(session, "bro", topic_ids=[stod], since=NOON - 2 * DAY, before=NOON) == [wanted]


def test_one_of_the_words_is_enough_where_that_was_asked_for(session: Session) -> None:
    first = make_item(session, "stod", headline="Bussen").id
    second = make_item(session, "stod", headline="Färjan").id

    assert ids(session, "buss färja") == []
    assert ids(session, "buss färja", any_of=True) == [second, first]


def test_small_words_count_only_among_themselves(session: Session) -> None:
    item = make_item(session, "stod", headline="Till och från", lede="", body="").id
    bridge = make_item(session, "stod", headline="Bron", lede="", body="").id

    assert ids(session, "vad är det för bro") == [bridge]
    assert ids(session, "till och från") == [item]


@pytest.mark.parametrize("text", ["", " ", "–!?", "\x00", "*", '"', "()", "\ud800", "_"])
def test_a_question_without_words_is_none(text: str) -> None:
    assert read_query(text) is None


@pytest.mark.parametrize(
    "text",
    [
        *(
            "bro' OR 1=1 --",
            'bro"',
            "bro*",
            "headline:bro",
            "bro AND NOT",
            "NEAR(bro",
            "(bro",
            "bro:*",
            "bro | !x",
            "bro\\",
        ),
        *("bro\x00", "{headline}: bro", "bro & <-> ", "OR bro", "^bro", "bro + bro"),
    ],
)
def test_what_a_database_would_take_for_its_own_is_only_words(session: Session, text: str) -> None:
    item = make_item(session, "stod", headline="Bro and not or near headline 1 x").id
    assert ids(session, text) == [item]


def test_an_endless_question_is_cut(session: Session) -> None:
    make_item(session, "stod", headline="Bron")
    assert ids(session, "bro " * 100_000) != []
    assert ids(session, " ".join(f"ord{number}" for number in range(1_000))) == []
    assert ids(session, "bro" + "o" * 100_000) == []


def test_the_whole_index_can_be_made_anew(session: Session) -> None:
    made = [make_item(session, "stod", headline=f"Bro {number}").id for number in range(3)]
    session.execute(sa.text("DELETE FROM item_search"))
    assert ids(session, "bro") == []

    assert searching.index_everything(session.connection()) == 3
    assert ids(session, "bro") == made[::-1]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_searching_leaves_the_databases_settings_as_they_were(session: Session) -> None:
    names = ("enable_seqscan", "enable_nestloop", "max_parallel_workers_per_gather")

    def settings() -> list[str | None]:
        return [session.execute(sa.text(f"SHOW {name}")).scalar() for name in names]

    before = settings()
    ids(session, "bro")
    assert settings() == before
    assert before[:2] == ["on", "on"]
