"""What of an item answers a search: its headline and a piece of its text, with the words that were asked for marked.

Pure; gives parts, so that the page escapes each and marks by itself.
"""

import re
from dataclasses import dataclass

from newsroom.news.models import Item
from newsroom.news.searching import Query
from newsroom.news.stemming import find_words

SNIPPET_LENGTH = 240
BEFORE_LENGTH = 60  # Of what stands before the first word that was asked for.
LONGEST_READ = 20_000  # Characters of a text that a snippet is looked for in.
_LINK = re.compile(r"\[([^\]]*)\]\([^)\s]*\)|<(https?://[^>]*)>")
_LINE_START = re.compile(r"^\s*(?:#{1,6}\s+|[-*+>]\s+|\d{1,9}[.)]\s+)+|^\s*[|:=_*-]+\s*$", re.M)
_SIGN = re.compile(r"\\([!-/:-@\[-`{-~])|\*+|`+|\|")


@dataclass(frozen=True)
class Part:
    """A piece of text, and whether it answers the search."""

    text: str
    hit: bool = False


@dataclass(frozen=True)
class Marked:
    """An item in a list of hits: its headline and a piece of its text, in parts."""

    item: Item
    headline: list[Part]
    snippet: list[Part]


def mark_item(item: Item, query: Query) -> Marked:
    """The item as a list of hits shows it; the snippet is the lede where it answers, else a piece of the text."""
    headline, lede = mark(item.headline, query, item.language), mark(item.lede, query, item.language)
    if any(part.hit for part in (*headline, *lede)) and item.lede:
        return Marked(item, headline, lede)
    text = strip_markdown(f"{item.body[:LONGEST_READ]}\n{item.facts[:LONGEST_READ]}")
    return Marked(item, headline, cut_snippet(text, query, item.language) or lede)


def mark(text: str, query: Query, language: str) -> list[Part]:
    """A text in parts, in their order; together they are the text."""
    parts: list[Part] = []
    at = 0
    for word in find_words(text):
        if query.is_answered_by(word.group(), language):
            if word.start() > at:
                parts.append(Part(text[at : word.start()]))
            parts.append(Part(word.group(), hit=True))
            at = word.end()
    if at < len(text):
        parts.append(Part(text[at:]))
    return parts


def cut_snippet(text: str, query: Query, language: str) -> list[Part]:
    """A piece of a text around the first word that answers, cut between words; empty where none does."""
    found = next((word for word in find_words(text) if query.is_answered_by(word.group(), language)), None)
    if found is None:
        return []
    start = max(0, found.start() - BEFORE_LENGTH)
    if start:
        start = text.find(" ", start, found.start()) + 1 or found.start()
    end = min(len(text), start + SNIPPET_LENGTH)
    if end < len(text):
        end = max(text.rfind(" ", start, end), found.end())
    parts = mark(text[start:end], query, language)
    return [*([Part("… ")] if start else []), *parts, *([Part(" …")] if end < len(text) else [])]


def strip_markdown(source: str) -> str:
    """Markdown as one line of text, roughly: good enough for a snippet, and quick enough for a page of them."""
    text = _LINE_START.sub("", source)
    text = _LINK.sub(lambda link: link[1] or link[2] or "", text)
    return " ".join(_SIGN.sub(lambda sign: sign[1] or "", text).split())
