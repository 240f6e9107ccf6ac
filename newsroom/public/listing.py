"""What a reader wants to see in a list of news, as an address says it: words, topic, year, order, page.

The form that asks for it is a GET, so that every list has an address that can be kept and shared.
"""

import datetime as dt
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

from flask import abort, current_app, request
from sqlalchemy.orm import Session

from newsroom.extensions import db
from newsroom.news import searching
from newsroom.news.marking import Marked, Part, mark_item
from newsroom.news.models import Item, Topic
from newsroom.news.reading import Within, are_wide, load_items, planned, readable_ids
from newsroom.news.topics import children_of

PER_PAGE = 20
LAST_PAGE = 10_000
FIRST_YEAR, LAST_YEAR = 1970, 9000
BY_RELEVANCE, BY_DATE = "relevans", "datum"
NAMES = ("q", "amne", "ar", "ordning", "sida")


@dataclass(frozen=True)
class Choice:
    """What the address asks for. `order` counts only where words are asked for."""

    text: str = ""
    topic: Topic | None = None
    year: int | None = None
    order: str = BY_RELEVANCE
    number: int = 1

    @property
    def is_filtered(self) -> bool:
        return bool(self.text or self.topic or self.year)

    @property
    def values(self) -> dict[str, Any]:
        """The address's parameters for the first page of this; None for what isn't asked for."""
        ordered = self.text and self.order != BY_RELEVANCE
        return {
            "q": self.text or None,
            "amne": self.topic.slug if self.topic else None,
            "ar": self.year,
            "ordning": self.order if ordered else None,
        }

    def without(self, name: str) -> "Choice":
        """The same without one of its filters."""
        changes: Mapping[str, Choice] = {
            "q": replace(self, text=""),
            "amne": replace(self, topic=None),
            "ar": replace(self, year=None),
        }
        return changes[name]

    def ordered(self, order: str) -> "Choice":
        """The same in another order."""
        return replace(self, order=order)


@dataclass(frozen=True)
class Listing:
    """A page of a list. `loosened`: nothing has all the words, so this is what has one of them.

    `count` goes up to one over MOST_HITS; None where nothing was asked for.
    """

    entries: list[Marked]
    more: bool
    count: int | None = None
    loosened: bool = False

    @property
    def is_long(self) -> bool:
        """Whether there are more hits than are counted."""
        return self.count is not None and self.count > searching.MOST_HITS


def read_page_number() -> int:
    """The page that the address asks for; 404 for one that no list has."""
    text = request.args.get("sida", "1")
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= LAST_PAGE):
        abort(404)
    return int(text)


def read_choice(topics: Sequence[Topic]) -> Choice:
    """What the address asks for; 404 where it names a topic, year, order or page that can't be."""
    slug, year = request.args.get("amne", ""), request.args.get("ar", "")
    topic = next((topic for topic in topics if topic.slug == slug), None)
    order = request.args.get("ordning", "") or BY_RELEVANCE
    known_year = not year or (year.isascii() and year.isdigit() and FIRST_YEAR <= int(year[:5]) <= LAST_YEAR)
    if (slug and topic is None) or not known_year or order not in (BY_RELEVANCE, BY_DATE):
        abort(404)
    return Choice(
        text=_clean(request.args.get("q", "")),
        topic=topic,
        year=int(year) if year else None,
        order=order,
        number=read_page_number(),
    )


def _clean(text: str) -> str:
    """What was typed, on one line and no longer than a question can be."""
    plain = "".join(" " if unicodedata.category(sign)[0] == "C" else sign for sign in text)
    return " ".join(plain.split())[: searching.QUERY_LENGTH].strip()


def holds_empty_values() -> bool:
    """Whether the address carries fields that were left empty, as a browser sends a form."""
    return any(value == "" for name, value in request.args.items(multi=True) if name in NAMES and name != "sida")


def find_listing(choice: Choice, topics: Sequence[Topic], *, by: dt.datetime, counted: bool = True) -> Listing:
    """The page that a choice asks for, with the number of hits unless nobody wants it; 404 for one after the last."""
    session = db.session()
    offset = (choice.number - 1) * PER_PAGE
    query = searching.read_query(choice.text)
    if choice.text and query is None:
        return Listing([], more=False, count=0)
    if query is not None and offset >= searching.MOST_HITS:
        abort(404)
    counted = counted and choice.is_filtered
    wanted = max(offset + PER_PAGE, searching.MOST_HITS if counted else 0) + 1
    within = _within(session, choice, topics, by=by, wanted=wanted)
    if query is None:
        return _find_by_date(session, within, choice, offset, counted)
    by_relevance = choice.order == BY_RELEVANCE
    ids, count = searching.find(session, query, within, by_relevance=by_relevance, offset=offset, limit=PER_PAGE)
    loosened = count == 0 and len(query.terms) > 1
    if loosened:
        query = query.loosened()
        ids, count = searching.find(session, query, within, by_relevance=by_relevance, offset=offset, limit=PER_PAGE)
    if not ids and choice.number > 1:
        abort(404)
    entries = [mark_item(item, query) for item in load_items(session, ids, whole=True)]
    more = min(count, searching.MOST_HITS) > offset + PER_PAGE
    return Listing(entries, more=more, count=count, loosened=loosened and count > 0)


def _within(session: Session, choice: Choice, topics: Sequence[Topic], *, by: dt.datetime, wanted: int) -> Within:
    zone = ZoneInfo(current_app.config["TIME_ZONE"])
    topic_ids = ids_under(choice.topic, topics) if choice.topic else []
    return Within(
        by=by,
        topic_ids=topic_ids,
        wide=bool(topic_ids) and are_wide(session, topic_ids, wanted=wanted),
        since=dt.datetime(choice.year, 1, 1, tzinfo=zone) if choice.year else None,
        before=dt.datetime(choice.year + 1, 1, 1, tzinfo=zone) if choice.year else None,
    )


def ids_under(topic: Topic, topics: Sequence[Topic]) -> list[int]:
    """The ids of a topic and of its children: what its page lists."""
    return [topic.id, *(child.id for child in children_of(topic, topics))]


def _find_by_date(session: Session, within: Within, choice: Choice, offset: int, counted: bool) -> Listing:
    found = readable_ids(within)
    with planned(session):
        first = list(session.scalars(found.limit(searching.MOST_HITS + 1))) if counted else []
        ids = first[offset : offset + PER_PAGE + 1]
        if not counted or (len(ids) <= PER_PAGE and len(first) > searching.MOST_HITS):
            ids = list(session.scalars(found.offset(offset).limit(PER_PAGE + 1)))
    if not ids and choice.number > 1:
        abort(404)
    entries = [plain_entry(item) for item in load_items(session, ids[:PER_PAGE])]
    return Listing(entries, more=len(ids) > PER_PAGE, count=len(first) if counted else None)


def plain_entry(item: Item) -> Marked:
    """An item as a list shows it where nothing was asked for."""
    return Marked(item, [Part(item.headline)], [Part(item.lede)] if item.lede else [])
