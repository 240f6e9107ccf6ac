"""Finding items by their words: what readers ask for, the index, and the select statements that use it.

The index holds stems, made here in the same way for both databases; so both find the same. SQLite keeps them in an FTS5
table, PostgreSQL as tsvectors. Neither is among the models: a migration makes them, `index_item` keeps them.
"""

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy import Select
from sqlalchemy.dialects.postgresql import TSQUERY, TSVECTOR
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from newsroom.news.models import LANGUAGES, Item
from newsroom.news.reading import Within, any_readable_ids, planned, readable_ids
from newsroom.news.stemming import STOP_WORDS, find_words, fold, stem, stems_of

QUERY_LENGTH = 200  # Characters of a question that count.
MOST_TERMS = 12
PREFIX_LENGTH = 3  # A last word so long may go on: it finds what begins with it.
MOST_HITS = 1_000  # More are neither listed nor counted: whoever gets so many asks for more words or a year.
LOOKED_AT = 10 * MOST_HITS  # Hits among which so many readable ones are looked for, where a large share of them is.
BATCH = 1_000
TABLE = "item_search"


class IndexRow(NamedTuple):
    """An item's words, as the index is made from them."""

    id: int
    headline: str
    lede: str
    body: str
    facts: str
    language: str


@dataclass(frozen=True)
class Term:
    """One word that is asked for: its stems in each language, and whether a word may go on after them."""

    stems: tuple[str, ...]
    goes_on: bool = False


@dataclass(frozen=True)
class Query:
    """What a reader asks for: every term, or where that finds nothing (`any_of`) one of them."""

    terms: tuple[Term, ...]
    any_of: bool = False

    def loosened(self) -> "Query":
        """The same terms, of which one is enough."""
        return replace(self, any_of=True)

    def is_answered_by(self, word: str, language: str) -> bool:
        """Whether a word answers one of the terms. A stem begins as its word does, so few have to be looked at."""
        if fold(word[0])[:1] not in self._initials:
            return False
        found = stem(word, language)
        return found in self._stems or found.startswith(self._beginnings)

    @cached_property
    def _initials(self) -> frozenset[str]:
        return frozenset(one[:1] for one in self._stems)

    @cached_property
    def _stems(self) -> frozenset[str]:
        return frozenset(one for term in self.terms for one in term.stems)

    @cached_property
    def _beginnings(self) -> tuple[str, ...]:
        return tuple(one for term in self.terms if term.goes_on for one in term.stems)


def read_query(text: str) -> Query | None:
    """What a text asks for; None where it holds no word. Words that stand in every text count only among themselves."""
    text = unicodedata.normalize("NFC", text)
    if len(text) > QUERY_LENGTH:
        text = text[:QUERY_LENGTH].rpartition(" ")[0] or text[:QUERY_LENGTH]
    words = [fold(found.group()) for found in find_words(text)]
    telling = list(dict.fromkeys([word for word in words if word not in STOP_WORDS] or words))[:MOST_TERMS]
    terms: dict[tuple[str, ...], Term] = {}
    for word in telling:
        stems = tuple(dict.fromkeys(stem(word, language) for language in LANGUAGES))
        goes_on = word == telling[-1] and min(map(len, stems)) >= PREFIX_LENGTH
        terms[stems] = Term(_shortest(stems) if goes_on else stems, goes_on)
    return Query(tuple(terms.values())) if terms else None


def _shortest(stems: tuple[str, ...]) -> tuple[str, ...]:
    """Those that don't begin with another: what they would find, that finds already."""
    return tuple(one for one in stems if not any(one != other and one.startswith(other) for other in stems))


def hits(query: Query, *, dialect: str, in_headline: bool = False) -> Select[int]:
    """The ids of the items that a query finds, readable or not; perhaps only by the words of their headlines."""
    if dialect == "sqlite":
        table = sa.table(TABLE, sa.column("rowid", sa.Integer), sa.column(TABLE, sa.Text))
        asked = " {} ".format("OR" if query.any_of else "AND").join(map(_write_fts, query.terms))
        return sa.select(table.c.rowid).where(
            table.c[TABLE].op("MATCH")(f"headline : ({asked})" if in_headline else asked)
        )
    vector = "headline" if in_headline else "words"
    table = sa.table(TABLE, sa.column("item_id", sa.Integer), sa.column(vector, TSVECTOR))
    asked = (" | " if query.any_of else " & ").join(map(_write_tsquery, query.terms))
    # The offset keeps PostgreSQL from asking item for item whether it has the words.
    return sa.select(table.c.item_id).where(table.c[vector].op("@@")(sa.cast(asked, TSQUERY))).offset(0)


def find(
    session: Session, query: Query, within: Within, *, by_relevance: bool, offset: int, limit: int
) -> tuple[list[int], int]:
    """A page's ids of the readable items that a query finds, and how many there are in all, up to one over MOST_HITS.

    By relevance come first those that have the words in the headline; within that, and otherwise, the newest.
    """
    dialect = session.get_bind().dialect.name
    in_headline, everywhere = [hits(query, dialect=dialect, in_headline=there) for there in (True, False)]
    with planned(session):
        some = _find_some(session, everywhere, within) if within.is_open else None
        rest = _newest(session, everywhere, within) if some is None else some
        first = _newest(session, in_headline, within) if by_relevance and len(rest) > 1 else []
        if some is not None and len(some) > MOST_HITS and len(first) < offset + limit:
            rest = _walk(session, everywhere, within)  # Else the page is full, and of the rest only the number matters.
    ids = list(dict.fromkeys([*first, *rest]))[: MOST_HITS + 1]
    return ids[:MOST_HITS][offset : offset + limit], len(ids)


def _find_some(session: Session, found: Select[int], within: Within) -> list[int] | None:
    """All that was found and is within, newest first; or if those are many, any of them, one over MOST_HITS.

    None if neither can be told soon: what was found is much, and most of it isn't within.
    """
    ids = _look_up(session, found.limit(LOOKED_AT), within)
    return None if len(ids) <= MOST_HITS and _are_more(session, found, LOOKED_AT) else ids


def _newest(session: Session, found: Select[int], within: Within) -> list[int]:
    """The newest of what was found, up to one over MOST_HITS."""
    way = _walk if _are_more(session, found, MOST_HITS) else _look_up
    return way(session, found, within)


def _are_more(session: Session, found: Select[int], count: int) -> bool:
    """Whether more than so many were found, readable or not."""
    return session.scalar(sa.select(sa.func.count()).select_from(found.limit(count + 1).subquery())) == count + 1


def _look_up(session: Session, found: Select[int], within: Within) -> list[int]:
    """What was found, each looked up by itself, the newest first; any of them, where they are more than MOST_HITS."""
    return list(session.scalars(any_readable_ids(within, found, MOST_HITS + 1)))


def _walk(session: Session, found: Select[int], within: Within) -> list[int]:
    """The newest of what was found, met on the way through all items, up to one over MOST_HITS."""
    return list(session.scalars(readable_ids(within, among=found).limit(MOST_HITS + 1)))


def _write_fts(term: Term) -> str:
    """A term in FTS5's words. A stem holds letters and digits alone, so quotes are all it needs."""
    return "({})".format(" OR ".join(f'"{one}"{"*" if term.goes_on else ""}' for one in term.stems))


def _write_tsquery(term: Term) -> str:
    """A term in PostgreSQL's words."""
    return "({})".format(" | ".join(f"'{one}'{':*' if term.goes_on else ''}" for one in term.stems))


def index_item(session: Session, item: Item) -> None:
    """Make an item findable by the words that it has now."""
    index_items(
        session.connection(), [IndexRow(item.id, item.headline, item.lede, item.body, item.facts, item.language)]
    )


def index_items(connection: Connection, rows: Iterable[IndexRow]) -> None:
    """Index items, given as rows of id, headline, lede, body, facts and language, in place of what was before."""
    made = [_stem_row(row) for row in rows]
    if not made:
        return
    if connection.dialect.name == "sqlite":
        connection.execute(sa.text("DELETE FROM item_search WHERE rowid = :id"), [{"id": row["id"]} for row in made])
        connection.execute(
            sa.text("INSERT INTO item_search (rowid, headline, words) VALUES (:id, :headline, :words)"), made
        )
        return
    connection.execute(
        sa.text(
            "INSERT INTO item_search (item_id, headline, words) VALUES (:id, "
            "array_to_tsvector(string_to_array(:headline, ' ')), array_to_tsvector(string_to_array(:words, ' '))) "
            "ON CONFLICT (item_id) DO UPDATE SET headline = excluded.headline, words = excluded.words"
        ),
        made,
    )


def _stem_row(row: IndexRow) -> dict[str, int | str]:
    in_headline = stems_of(row.headline, row.language)
    everywhere = in_headline | stems_of(f"{row.lede} {row.body} {row.facts}", row.language)
    return {"id": row.id, "headline": " ".join(sorted(in_headline)), "words": " ".join(sorted(everywhere))}


def index_everything(connection: Connection) -> int:
    """Index all items anew; says how many."""
    columns = (Item.id, Item.headline, Item.lede, Item.body, Item.facts, Item.language)
    last, count = 0, 0
    while rows := connection.execute(sa.select(*columns).where(Item.id > last).order_by(Item.id).limit(BATCH)).all():
        index_items(connection, [IndexRow(*row) for row in rows])
        last, count = rows[-1][0], count + len(rows)
    return count
