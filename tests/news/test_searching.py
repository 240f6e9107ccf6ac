"""Finding items by their words, in both databases alike."""

import datetime as dt
import itertools
import random
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.news import publishing, searching, topics
from newsroom.news.reading import Within, any_readable_ids, planned, readable_ids
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


def test_a_word_that_may_go_on_takes_the_place_of_no_other(session: Session) -> None:
    both = make_item(session, "stod", headline="Avgift", body="Avgiften höjs.").id
    free = make_item(session, "stod", headline="Avgiftsfritt").id

    assert ids(session, "avgift avgiften") == [both]
    assert ids(session, "avgiften") == [free, both]


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


def make_many(session: Session) -> list[tuple[int, dt.datetime, bool, bool, set[int]]]:
    """Items as a search knows them: id, time, whether the word is in the headline, or anywhere, and the topics' ids."""
    chance = random.Random(20)
    made = []
    for number in range(48):
        slugs = chance.sample(["stod", "kultur", "bibliotek"], chance.choice((1, 1, 2)))
        headline, body = ["Bron", "Vägen"][chance.random() < 0.6], ["En bro.", "En väg."][chance.random() < 0.4]
        at = NOON - chance.choice((1, 2, 400)) * DAY + number % 5 * HOUR
        item = make_item(session, *slugs, headline=f"{headline} {number}", body=body, published_at=at)
        if number % 6 == 0:
            publishing.withdraw(item, now=NOON)
        elif number % 7 == 0:
            item.published_at = NOON + HOUR
        else:
            in_headline = headline == "Bron"
            made.append((item.id, at, in_headline, in_headline or body == "En bro.", {one.id for one in item.topics}))
    session.flush()
    return made


@pytest.mark.parametrize(("most", "looked_at"), [(3, 4), (3, 20), (8, 9), (12, 30), (50, 10), (1000, 10_000)])
def test_whichever_way_hits_are_looked_for_they_are_the_same(
    session: Session, monkeypatch: pytest.MonkeyPatch, most: int, looked_at: int
) -> None:
    monkeypatch.setattr(searching, "MOST_HITS", most)
    monkeypatch.setattr(searching, "LOOKED_AT", looked_at)
    stod, kultur = [topic.id for topic in topics.find_topics(session, ["stod", "kultur"])]
    made = make_many(session)
    query = read_query("bro")
    assert query is not None
    limits = [
        Within(NOON, wanted, wide, *years)
        for wanted, wide in (((), False), ([stod], False), ([stod], True), ([stod, kultur], True))
        for years in ((None, None), (NOON - 30 * DAY, NOON), (None, NOON - 30 * DAY))
    ]
    for within, by_relevance in itertools.product(limits, (True, False)):
        hits = [
            (by_relevance and in_headline, at, item_id)
            for item_id, at, in_headline, anywhere, under in made
            if anywhere
            and (not within.topic_ids or under & set(within.topic_ids))
            and (within.since is None or at >= within.since)
            and (within.before is None or at < within.before)
        ]
        expected = [item_id for *_, item_id in sorted(hits, reverse=True)]
        for offset in range(0, 12, 4):
            found, count = find(session, query, within, by_relevance=by_relevance, offset=offset, limit=4)
            assert (found, count) == (expected[:most][offset : offset + 4], min(len(expected), most + 1))
    assert len(expected) > 3  # Not all of them are empty.


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_postgresql_goes_the_way_that_is_meant(session: Session) -> None:
    stod = topics.find_topics(session, ["stod"])[0].id
    fill = """
        INSERT INTO item (id, slug, guid, headline, lede, body, facts, language, announce, version,
            created_at, updated_at, published_at)
        SELECT n, n, n, '', '', '', '', 'sv', false, 1, now(), now(), timestamptz '2020-01-01' + n * interval '1 hour'
        FROM generate_series(100001, 104000) AS n;
        INSERT INTO item_search (item_id, headline, words)
        SELECT n, '', CAST(CASE n % 3 WHEN 0 THEN 'väg' ELSE 'bro väg' END AS tsvector)
        FROM generate_series(100001, 104000) AS n;
        INSERT INTO item_topic (item_id, topic_id, position)
        SELECT n, :topic, 0 FROM generate_series(100001, 104000, 2) AS n;
        ANALYZE item, item_search, item_topic
    """
    for statement in fill.split(";"):
        session.execute(sa.text(statement), {"topic": stod})
    query = read_query("bro")
    assert query is not None
    found = searching.hits(query, dialect="postgresql")

    def plan(select: sa.Select[Any]) -> str:
        text = select.compile(session.get_bind(), compile_kwargs={"render_postcompile": True})
        cursor = session.connection().connection.cursor()
        cursor.execute(f"EXPLAIN {text}", text.params)
        return "\n".join(row[0] for row in cursor.fetchall())

    with planned(session):
        walked = plan(readable_ids(Within(NOON, [stod], wide=True), among=found).limit(21))
        looked_up = plan(any_readable_ids(Within(NOON, [stod]), found, 21))
    # A table of the hits, and each readable item held against it; no join, which would need all before the first.
    assert "hashed SubPlan" in walked
    assert "Join" not in walked
    assert "Sort" not in walked
    # Never the words of item after item.
    for way in (walked, looked_up):
        assert "Bitmap Index Scan on ix_item_search_words" in way
        assert "(item_id = item.id)" in way  # Topics are asked for one by one, too.


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_searching_leaves_the_databases_settings_as_they_were(session: Session) -> None:
    names = ("enable_seqscan", "work_mem", "max_parallel_workers_per_gather")

    def settings() -> list[str | None]:
        return [session.execute(sa.text(f"SHOW {name}")).scalar() for name in names]

    before = settings()
    ids(session, "bro")
    assert settings() == before
    assert before[0] == "on"
    with planned(session):
        assert settings() == ["off", "64MB", "0"]
