"""What an item's text may be, and how it is saved."""

import datetime as dt

import pytest
import sqlalchemy as sa
from flask import Flask
from flask_babel import force_locale
from sqlalchemy.orm import Session
from sqlalchemy.orm.exc import StaleDataError

from newsroom.extensions import db
from newsroom.news import topics
from newsroom.news.models import Item, ItemTopic
from newsroom.news.writing import LIMITS, BadText, ItemText, change_item, find_problems, write_item
from tests.factories import DAY, HOUR, NOON, make_item, make_topics


@pytest.fixture
def session(session: Session) -> Session:
    """The test's session, with the start topics."""
    make_topics(session)
    return session


def write(session: Session, headline: str = "Rubrik", *slugs: str, now: dt.datetime = NOON, **words: str) -> Item:
    text = ItemText(headline, **words)
    return write_item(session, text, topics.find_topics(session, slugs), now=now, domain="nyheter.example.org")


def change(session: Session, item: Item, *slugs: str, **words: str) -> None:
    text = ItemText(**{"headline": item.headline, **words})
    change_item(item, text, topics.find_topics(session, slugs), now=NOON + HOUR)
    session.flush()


def problem_fields(**words: str) -> list[str]:
    return [field for field, _reason in find_problems(ItemText(**{"headline": "Rubrik", **words}))]


def test_a_written_item_is_a_draft_with_the_words_and_topics_it_was_given(session: Session) -> None:
    item = write(session, "Åtgärder", "stod", "kultur", lede="Ingress", body="Text", facts="Fakta", language="en")
    session.commit()

    assert (item.headline, item.lede, item.body, item.facts) == ("Åtgärder", "Ingress", "Text", "Fakta")
    assert (item.slug, item.language, item.announce, item.version) == ("atgarder", "en", True, 1)
    assert (item.created_at, item.updated_at, item.published_at, item.withdrawn_at) == (NOON, NOON, None, None)
    assert [topic.slug for topic in item.topics] == ["stod", "kultur"]


def test_items_with_the_same_headline_get_addresses_of_their_own(session: Session) -> None:
    slugs = [write(session, headline).slug for headline in ("Nytt", "Nytt", "Nytt!", "Nytt 2", "Nytt-2-2", "Nyt")]
    assert slugs == ["nytt", "nytt-2", "nytt-3", "nytt-2-2", "nytt-2-2-2", "nyt"]


def test_two_endless_headlines_that_differ_at_the_end_get_addresses_of_their_own(session: Session) -> None:
    first, second = (write(session, "ord " * 45 + end) for end in ("ett", "två"))
    assert second.slug == f"{first.slug}-2"


def test_the_lasting_name_is_a_tag_uri_of_the_site_and_the_day(session: Session) -> None:
    item = write(session, "Nytt för året", now=dt.datetime(2026, 12, 31, 23, 30, tzinfo=dt.UTC))
    assert item.guid == "tag:nyheter.example.org,2026-12-31:nytt-for-aret"


def test_address_and_lasting_name_stay_when_the_headline_changes(session: Session) -> None:
    item = write(session, "Första rubriken")
    before = (item.slug, item.guid)
    change(session, item, headline="En helt annan rubrik")
    session.commit()
    assert (item.slug, item.guid) == before
    assert item.headline == "En helt annan rubrik"


BAD_SIGNS = ["\x00", "\x01", "\x0b", "\x1b", "\x7f", "\x85", "\ud800", "\udfff", "\ufffe", "\uffff"]


@pytest.mark.parametrize("field", ["headline", "lede", "body", "facts"])
@pytest.mark.parametrize("sign", BAD_SIGNS)
def test_signs_that_no_feed_can_carry_are_refused_at_their_field(field: str, sign: str) -> None:
    assert problem_fields(**{field: f"a{sign}b"}) == [field]


def test_a_sign_that_is_refused_is_named_in_the_readers_language(app: Flask) -> None:
    for sign in BAD_SIGNS:
        ((_field, reason),) = find_problems(ItemText(f"a{sign}b"))
        for language, word in (("sv", "styrtecken"), ("en", "control character")):
            with app.test_request_context(), force_locale(language):
                assert f"U+{ord(sign):04X}" in str(reason)
                assert word in str(reason)


@pytest.mark.parametrize("text", ["tab\there", "Å ä ö 😀 👩‍🚒", "soft\u00adhyphen", "no\u00a0break", "\u200eleft"])
def test_signs_that_people_write_are_taken(text: str) -> None:
    assert problem_fields(headline=text, lede=text, body=f"{text}\n{text}", facts=text) == []


@pytest.mark.parametrize("headline", ["", " ", "\n", "—", "…!", "新闻"])
def test_a_headline_needs_letters_or_digits(headline: str) -> None:
    assert problem_fields(headline=headline.strip()) == ["headline"]


@pytest.mark.parametrize("end", ["\r\n", "\r", "\n", "\u2028", "\u2029"])
def test_a_headline_stands_on_one_line(session: Session, end: str) -> None:
    with pytest.raises(BadText) as caught:
        write(session, f"Rubrik{end}Bcc: ana@example.org")
    assert [field for field, _reason in caught.value.problems] == ["headline"]
    assert session.scalars(sa.select(Item)).all() == []


def test_line_ends_around_a_headline_do_no_harm(session: Session) -> None:
    assert write(session, "\r\n Rubrik \r\n").headline == "Rubrik"


@pytest.mark.parametrize("field", list(LIMITS))
def test_a_text_may_be_as_long_as_its_limit_and_no_longer(field: str) -> None:
    assert problem_fields(**{field: "x" * LIMITS[field]}) == []
    assert problem_fields(**{field: "x" * (LIMITS[field] + 1)}) == [field]


def test_a_body_of_five_megabytes_is_refused_with_both_numbers(app: Flask) -> None:
    with app.test_request_context():
        ((field, reason),) = find_problems(ItemText("Rubrik", body="å" * 5_000_000))
        assert (field, "5000000" in str(reason), "200000" in str(reason)) == ("body", True, True)


@pytest.mark.parametrize("language", ["", "de", "SV", "sv-SE", "sv\n"])
def test_only_languages_of_ours_are_taken(language: str) -> None:
    assert problem_fields(language=language) == ["language"]


def test_every_field_that_is_wrong_is_named_once() -> None:
    assert problem_fields(headline="\x00", lede="\x01" * 2_000, body="\ud800", facts="\x1f", language="xx") == [
        "headline",
        "lede",
        "body",
        "facts",
        "language",
    ]


def test_a_refused_change_leaves_the_item_as_it_was(session: Session) -> None:
    item = write(session, "Rubrik", "stod", lede="Före")
    session.commit()
    with pytest.raises(BadText):
        change(session, item, "kultur", lede="Efter", body="\x00")
    session.commit()
    assert (item.lede, item.version, [topic.slug for topic in item.topics]) == ("Före", 1, ["stod"])


def test_line_ends_and_letters_are_kept_in_one_form(session: Session) -> None:
    item = write(session, "A\u030atga\u0308rd", body="ett\r\ntvå\rtre\n")
    assert item.headline == "Åtgärd"
    assert item.body == "ett\ntvå\ntre"


def test_topics_keep_the_editors_order_through_changes(session: Session) -> None:
    item = write(session, "Rubrik", "stod", "kultur", "bibliotek")
    session.commit()
    change(session, item, "bibliotek", "hallbarhet", "stod")
    session.commit()
    assert [topic.slug for topic in item.topics] == ["bibliotek", "hallbarhet", "stod"]
    change(session, item)
    session.commit()
    assert item.topics == []
    assert session.scalars(sa.select(ItemTopic)).all() == []


def test_a_change_of_topics_alone_is_a_new_version_too(session: Session) -> None:
    item = write(session, "Rubrik", "stod")
    session.commit()
    change_item(item, ItemText("Rubrik"), topics.find_topics(session, ["kultur"]), now=NOON + HOUR)
    session.commit()
    assert item.version == 2


def test_who_saves_last_from_an_older_version_overwrites_nothing(app: Flask, session: Session) -> None:
    item_id = make_item(session, "stod", headline="Rubrik").id
    session.commit()
    with app.app_context():
        engine = db.engine
    with Session(engine, expire_on_commit=False) as ana, Session(engine, expire_on_commit=False) as bo:
        anas, bos = ana.get_one(Item, item_id), None
        _ = anas.topic_links
        ana.commit()  # Reading is over; she types.
        bos = bo.get_one(Item, item_id)
        change_item(bos, ItemText("Bos rubrik"), [], now=NOON + HOUR)
        bo.commit()

        change_item(anas, ItemText("Anas rubrik"), [], now=NOON + DAY)
        with pytest.raises(StaleDataError):
            ana.commit()
        ana.rollback()

    session.expire_all()
    found = session.get_one(Item, item_id)
    assert (found.headline, found.version) == ("Bos rubrik", 3)
