"""Items to RSS, read back as a feed reader does."""

import datetime as dt
import re
import xml.etree.ElementTree as ET
from email.utils import format_datetime
from typing import Any

import feedparser
import pytest
from sqlalchemy.orm import Session

from newsroom.feeds.building import Channel, build_rss, changed_at
from newsroom.links import Links
from newsroom.news import topics
from newsroom.news.models import Item
from newsroom.news.writing import ItemText, change_item
from tests.factories import DAY, HOUR, NOON, make_item, make_topics

SITE = "https://nyheter.example.org"
CHANNEL = Channel("Nyheter – Region", "Nyheter från regionen", f"{SITE}/", f"{SITE}/feeds/all.rss")


@pytest.fixture
def session(session: Session) -> Session:
    """The test's session, with the start topics."""
    make_topics(session)
    return session


def build(*items: Item, channel: Channel = CHANNEL) -> bytes:
    return build_rss(channel, items, links=Links(SITE), changed=changed_at(items, fallback=NOON))


def read(rss: bytes) -> Any:
    """The feed as a strict reader sees it."""
    ET.fromstring(rss)
    feed = feedparser.parse(rss)
    assert not feed.bozo, feed.bozo_exception
    return feed


def unsaved(**words: Any) -> Item:
    """An item that never passed the checks of a door."""
    given = {"headline": "Rubrik", "lede": "Ingress", "body": "Text", "facts": "", "language": "sv", **words}
    return Item(slug="s", guid="tag:x,2026:s", created_at=NOON, updated_at=NOON, published_at=NOON, topics=[], **given)


def test_items_stand_in_the_order_given(session: Session) -> None:
    items = [make_item(session, "stod", headline=f"Nummer {number}") for number in range(5)]
    assert [entry.title for entry in read(build(*items)).entries] == [f"Nummer {number}" for number in range(5)]


def test_the_channel_says_what_it_is_where_it_stands_and_which_page_it_follows() -> None:
    feed = read(build())
    assert feed.version == "rss20"
    assert (feed.feed.title, feed.feed.subtitle, feed.feed.language) == (CHANNEL.title, CHANNEL.description, "sv")
    assert feed.feed.link == CHANNEL.page
    links = [(link.rel, link.href) for link in feed.feed.links]
    assert sorted(links) == [("alternate", CHANNEL.page), ("self", CHANNEL.address)]
    (own,) = (link for link in feed.feed.links if link.rel == "self")
    assert own.type == "application/rss+xml"


def test_an_entry_has_all_that_its_item_says(session: Session) -> None:
    item = make_item(
        session, "stod", "offentlig-konst", headline="Åtgärd & <b>", lede="Ingress", body="Text\n\n- ett", facts="Ett."
    )
    (entry,) = read(build(item)).entries
    assert (entry.title, entry.summary, entry.link) == ("Åtgärd & <b>", "Ingress", f"{SITE}/nyheter/{item.slug}")
    assert entry.content[0].type == "text/html"
    assert entry.content[0].value.split("\n") == [
        "<p>Text</p>",
        "<ul>",
        "<li>ett</li>",
        "</ul>",
        "<h2>Fakta</h2>",
        "<p>Ett.</p>",
    ]
    assert [tag.term for tag in entry.tags] == ["Stöd", "Offentlig konst"]
    assert entry.published == format_datetime(NOON)


def test_an_english_item_is_english_all_through(session: Session) -> None:
    item = make_item(session, "stod", facts="One.", language="en")
    (entry,) = read(build(item)).entries
    assert entry.link == f"{SITE}/en/nyheter/{item.slug}"
    assert "<h2>Facts</h2>" in entry.content[0].value
    assert [tag.term for tag in entry.tags] == ["Grants and support"]


def test_the_lasting_name_is_no_address_and_stays_when_the_headline_changes(session: Session) -> None:
    item = make_item(session, "stod", headline="Före")
    before = read(build(item)).entries[0]
    change_item(item, ItemText("Efter"), topics.find_topics(session, ["stod"]), now=NOON + HOUR)
    session.flush()
    after = read(build(item)).entries[0]

    assert (before.title, after.title) == ("Före", "Efter")
    assert before.id == after.id == item.guid
    assert before.link == after.link
    assert not before.guidislink
    assert b'<guid isPermaLink="false">tag:' in build(item)


def test_the_body_stands_in_content_encoded(session: Session) -> None:
    rss = build(make_item(session, "stod", body="Å *ä* ö"))
    content = ET.fromstring(rss).find("channel/item/{http://purl.org/rss/1.0/modules/content/}encoded")
    assert content is not None
    assert content.text == "<p>Å <em>ä</em> ö</p>"


def test_an_item_of_a_headline_alone_has_a_description_and_no_empty_content(session: Session) -> None:
    (entry,) = read(build(make_item(session, "stod", headline="Bara rubrik", lede="", body=""))).entries
    assert entry.summary == "Bara rubrik"
    assert "content" not in entry


@pytest.mark.parametrize("field", ["headline", "lede", "body", "facts"])
@pytest.mark.parametrize("sign", ["\x00", "\x01", "\x0b", "\x1b", "\ud800", "\udfff", "\ufffe", "\uffff"])
def test_a_sign_that_xml_cannot_write_breaks_neither_its_entry_nor_the_others(field: str, sign: str) -> None:
    feed = read(build(unsaved(), unsaved(**{field: f"fö{sign}re"}), unsaved()))
    assert len(feed.entries) == 3
    assert re.search("fö\ufffd?re", str(feed.entries[1]))


def test_signs_that_xml_cannot_write_do_not_break_the_channel_either() -> None:
    feed = read(build(unsaved(), channel=Channel("a\x00b", "c\ud800d", f"{SITE}/", f"{SITE}/feeds/all.rss")))
    assert (feed.feed.title, feed.feed.subtitle) == ("ab", "cd")


@pytest.mark.parametrize("text", ["]]>", "<![CDATA[x]]>", "[ord](https://example.org/]]>)", "`]]>`", "a & b &amp; c"])
def test_markup_in_a_text_stays_text(text: str) -> None:
    feed = read(build(unsaved(headline=text, lede=text, body=text, facts=text)))
    assert len(feed.entries) == 1
    assert feed.entries[0].title == text


def test_letters_beyond_ascii_and_emoji_come_through() -> None:
    words = "Å ä ö é ß – ’ 😀 👩‍🚒 新闻"
    (entry,) = read(build(unsaved(headline=words, lede=words, body=words))).entries
    assert (entry.title, entry.summary, entry.content[0].value) == (words, words, f"<p>{words}</p>")


def test_the_same_items_give_the_same_bytes(session: Session) -> None:
    items = [make_item(session, "stod", "kultur", facts="Ett."), make_item(session, "kultur")]
    assert build(*items) == build(*items)


def test_no_person_is_named(session: Session) -> None:
    rss = build(make_item(session, "stod"))
    assert not re.search(rb"author|creator|managingEditor|webMaster", rss)


def test_an_empty_feed_is_a_feed() -> None:
    assert read(build()).entries == []


def test_dates_are_written_as_mail_writes_them_whatever_the_season() -> None:
    summer = dt.datetime(2026, 7, 1, 4, 5, 6, tzinfo=dt.timezone(dt.timedelta(hours=2)))
    rss = build(unsaved()), build_rss(CHANNEL, [], links=Links(SITE), changed=summer)
    assert b"<pubDate>Thu, 12 Nov 2026 11:00:00 +0000</pubDate>" in rss[0]
    assert b"<lastBuildDate>Wed, 01 Jul 2026 04:05:06 +0200</lastBuildDate>" in rss[1]


def test_a_feed_changed_when_its_last_item_was_published_or_rewritten(session: Session) -> None:
    early = make_item(session, "stod", published_at=NOON - DAY)
    late = make_item(session, "stod", published_at=NOON)
    assert changed_at([late, early], fallback=NOON - 9 * DAY) == NOON
    early.updated_at = NOON + HOUR
    assert changed_at([late, early], fallback=NOON - 9 * DAY) == NOON + HOUR
    assert changed_at([], fallback=NOON - 9 * DAY) == NOON - 9 * DAY
