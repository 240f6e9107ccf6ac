"""What an item's text may be, and how a text becomes an item or changes one."""

import datetime as dt
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from flask_babel import LazyString, lazy_gettext
from sqlalchemy.orm import Session, object_session

from newsroom.news import searching
from newsroom.news.models import LANGUAGES, Item, ItemTopic, Topic
from newsroom.news.slugs import make_slug

LIMITS = {"headline": 200, "lede": 1_000, "body": 200_000, "facts": 20_000}
_LINES = ("headline",)


@dataclass
class ItemText:
    """An item's words. `lede` is plain text; `body` and `facts` are Markdown."""

    headline: str
    lede: str = ""
    body: str = ""
    facts: str = ""
    language: str = "sv"


def normalise(text: str) -> str:
    """Text with plain line ends, composed letters (NFC) and no white space around it. Changes no word."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    return unicodedata.normalize("NFC", text).strip()


def find_bad_sign(text: str) -> str | None:
    """The first sign that no text may hold, as U+XXXX: a control sign but tab and line end, or half a sign.

    XML, and so every feed, has no way to write them (XML 1.0 section 2.2).
    """
    for sign in text:
        if sign in "\t\n":
            continue
        if unicodedata.category(sign) in ("Cc", "Cs") or sign in "\ufffe\uffff":
            return f"U+{ord(sign):04X}"
    return None


def find_problems(text: ItemText) -> Iterator[tuple[str, LazyString]]:
    """What keeps a text from being saved: pairs of field and reason, at most one for each field."""
    for field, limit in LIMITS.items():
        value = getattr(text, field)
        bad = find_bad_sign(value)
        if bad:
            yield field, lazy_gettext("There is a control character (%(sign)s) in the text. Remove it.", sign=bad)
        elif len(value) > limit:
            yield (
                field,
                lazy_gettext(
                    "The text is %(length)s characters long; at most %(limit)s fit here.",
                    length=len(value),
                    limit=limit,
                ),
            )
        elif field in _LINES and len(value.splitlines()) > 1:
            yield field, lazy_gettext("The headline must stand on one line.")
        elif field == "headline" and not make_slug(value):
            yield field, lazy_gettext("Write a headline.")
    if text.language not in LANGUAGES:
        yield "language", lazy_gettext("Choose a language.")


class BadText(Exception):
    """A text can't be saved. `problems` holds pairs of field and reason."""

    def __init__(self, problems: Sequence[tuple[str, LazyString]]) -> None:
        super().__init__("; ".join(f"{field}: {reason}" for field, reason in problems))
        self.problems = problems


def check_line(field: str, text: str, *, limit: int, may_be_empty: bool = False) -> str:
    """A short text as one line with single spaces. Raises BadText where it is too long, empty or has a bad sign."""
    line = " ".join(normalise(text).split())
    bad = find_bad_sign(line)
    if bad:
        reason = lazy_gettext("There is a control character (%(sign)s) in the text. Remove it.", sign=bad)
    elif len(line) > limit:
        reason = lazy_gettext(
            "The text is %(length)s characters long; at most %(limit)s fit here.", length=len(line), limit=limit
        )
    elif not line and not may_be_empty:
        reason = lazy_gettext("Write a line here.")
    else:
        return line
    raise BadText([(field, reason)])


def _free_slug(session: Session, headline: str) -> str:
    slug = make_slug(headline)
    taken = set(session.scalars(sa.select(Item.slug).where(Item.slug.startswith(slug, autoescape=True))))
    number = 2
    candidate = slug
    while candidate in taken:
        candidate = f"{slug}-{number}"
        number += 1
    return candidate


def write_item(
    session: Session,
    text: ItemText,
    topics: Sequence[Topic],
    *,
    now: dt.datetime,
    domain: str,
    announce: bool = True,
    urgent: bool = False,
) -> Item:
    """Add a draft. Raises BadText. `domain` is the site's, for the item's lasting name (a tag: URI, RFC 4151)."""
    item = Item(slug="", guid="", created_at=now, announce=announce, urgent=urgent)
    change_item(item, text, topics, now=now)
    item.slug = _free_slug(session, item.headline)
    item.guid = f"tag:{domain},{now:%Y-%m-%d}:{item.slug}"
    session.add(item)
    session.flush()
    searching.index_item(session, item)
    return item


def change_item(item: Item, text: ItemText, topics: Sequence[Topic], *, now: dt.datetime) -> None:
    """Give an item new words and topics. Its address and lasting name stay. Raises BadText."""
    text = ItemText(
        headline=normalise(text.headline),
        lede=normalise(text.lede),
        body=normalise(text.body),
        facts=normalise(text.facts),
        language=text.language,
    )
    problems = list(find_problems(text))
    if problems:
        raise BadText(problems)
    links = list(item.topic_links)  # Read before anything is set, so that the change is saved in one go.
    item.headline, item.lede, item.body, item.facts = text.headline, text.lede, text.body, text.facts
    item.language = text.language
    if [link.topic_id for link in links] != [topic.id for topic in topics]:
        kept = {link.topic_id: link for link in links}
        item.topic_links = [kept.get(topic.id) or ItemTopic(topic_id=topic.id) for topic in topics]
        for position, link in enumerate(item.topic_links):
            link.position = position
    item.updated_at = now
    session = object_session(item)
    if session is not None:  # A new item is indexed once it has its number.
        searching.index_item(session, item)
