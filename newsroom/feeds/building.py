"""Items to RSS. Pure, and the only module that imports feedgen; what feedgen gets wrong is mended here.

RSS 2.0 with the RSS Best Practices Profile: guid is the item's lasting name, the channel says where it stands itself.
"""

import datetime as dt
import email.utils
import re
from collections.abc import Sequence
from dataclasses import dataclass

# isort: off
import lxml.etree  # noqa: F401 — feedgen.util uses it without importing it.
import feedgen.util
from feedgen.entry import FeedEntry
from feedgen.feed import FeedGenerator
# isort: on

from newsroom.links import Links
from newsroom.news import markdown
from newsroom.news.models import Item

# feedgen writes dates through locale.setlocale, which no two threads may do at once; the standard library needs none.
feedgen.util.formatRFC2822 = email.utils.format_datetime

_BAD_SIGNS = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0 section 2.2.


@dataclass(frozen=True)
class Channel:
    """What a feed says of itself. `page` is the web page with the same news, `address` the feed's own."""

    title: str
    description: str
    page: str
    address: str
    language: str = "sv"


def _clean(text: str) -> str:
    return _BAD_SIGNS.sub("", text)


def changed_at(items: Sequence[Item], *, fallback: dt.datetime) -> dt.datetime:
    """When the feed last changed, by its items; the same items give the same time."""
    return max((max(item.updated_at, item.published_at or item.updated_at) for item in items), default=fallback)


def build_rss(channel: Channel, items: Sequence[Item], *, links: Links, changed: dt.datetime) -> bytes:
    """RSS 2.0 with the items in the order given. The same input gives the same bytes."""
    feed = FeedGenerator()
    feed.title(_clean(channel.title))
    feed.description(_clean(channel.description))
    feed.language(channel.language)
    # The channel's <link> becomes the last one added, so the feed's own address comes first.
    feed.link(href=channel.address, rel="self", type="application/rss+xml")
    feed.link(href=channel.page, rel="alternate")
    feed.lastBuildDate(changed)
    feed.docs("https://www.rssboard.org/rss-specification")
    feed.generator("Newsroom")
    for item in items:
        feed.add_entry(_build_entry(item, links), order="append")
    rss: bytes = feed.rss_str(pretty=True)
    return rss


def _build_entry(item: Item, links: Links) -> FeedEntry:
    entry = FeedEntry()
    entry.title(_clean(item.headline))
    entry.guid(item.guid, permalink=False)
    entry.link(href=links.in_language(item.language).item(item.slug))
    entry.description(_clean(item.lede or item.headline))
    parts = [markdown.to_html(item.body)]
    if item.facts:
        parts.append(f"<h2>{'Facts' if item.language == 'en' else 'Fakta'}</h2>\n{markdown.to_html(item.facts)}")
    entry.content(_clean("\n".join(part for part in parts if part)) or None, type="CDATA")
    entry.published(item.published_at)
    entry.updated(max(item.updated_at, item.published_at or item.updated_at))
    for topic in item.topics:
        entry.category(term=_clean(topic.name_in(item.language)))
    return entry
