"""Markdown to HTML and to plain text, both from one token stream.

Raw HTML is shown, never passed through; what the parser makes is sanitised all the same.
"""

import re
import textwrap
from dataclasses import dataclass
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

TEXT_WIDTH = 72

_parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
_HALF_SIGN = re.compile("[\ud800-\udfff]")  # A lone surrogate, which no encoding can write.
_TAGS = {
    *("p", "h2", "h3", "h4", "ul", "ol", "li", "strong", "em", "a", "blockquote", "hr", "br", "code", "pre"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


def _keep_attribute(tag: str, name: str, value: str) -> str | None:
    """Links must say where they lead: absolute http(s) or mailto, nothing else."""
    if (tag, name) == ("ol", "start"):
        return value if value.isdigit() else None
    if (tag, name) != ("a", "href"):
        return None
    try:
        parts = urlsplit(value)
    except ValueError:
        return None
    absolute = parts.scheme in ("http", "https") and parts.netloc
    return value if absolute or parts.scheme == "mailto" else None


def _parse(source: str) -> list[Token]:
    tokens = _parser.parse(_HALF_SIGN.sub("\ufffd", source))
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            # The headline is the page's only h1, and levels below h4 help nobody.
            token.tag = f"h{min(max(int(token.tag[1]), 2), 4)}"
    return tokens


def to_html(source: str) -> str:
    """Sanitised HTML; headings begin at h2."""
    html = _parser.renderer.render(_parse(source), _parser.options, {})
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes={"a": {"href"}, "ol": {"start"}},
        attribute_filter=_keep_attribute,
        url_schemes={"http", "https", "mailto"},
        link_rel=None,
    ).strip()


def _inline_text(token: Token) -> str:
    """An inline token as text: a link's address follows its words, unless it is the same."""
    parts: list[str] = []
    links: list[tuple[str, int]] = []
    for child in token.children or []:
        if child.type in ("text", "code_inline"):
            parts.append(child.content)
        elif child.type == "softbreak":
            parts.append(" ")
        elif child.type == "hardbreak":
            parts.append("\n")
        elif child.type == "link_open":
            # An address in angle brackets is its own words, though the parser writes it in ASCII.
            links.append(("" if child.markup == "autolink" else str(child.attrs.get("href", "")), len(parts)))
        elif child.type == "link_close":
            href, start = links.pop()
            if _keep_attribute("a", "href", href) and "".join(parts[start:]) != href.removeprefix("mailto:"):
                parts.append(f" ({href})")
    return "".join(parts)


@dataclass
class _Mark:
    """What stands before the words of an open point or quotation: before its first line, and before the others."""

    first: str
    rest: str


class _Text:
    """Plain text as it grows, block by block."""

    def __init__(self) -> None:
        self.marks: list[_Mark] = []
        self.written = ""

    def write(self, text: str, *, close: bool = False, wrap: bool = True, underline: bool = False) -> None:
        """Add a block; `close`: without an empty line before it."""
        first = "".join(mark.first for mark in self.marks)
        rest = "".join(mark.rest for mark in self.marks)
        lines: list[str] = []
        for line in text.rstrip().split("\n"):
            before = rest if lines else first
            lines += _wrap(line, before, rest) if wrap else [(before + line).rstrip()]
        if not any(lines):
            return
        if underline:
            lines.append(rest + "-" * min(TEXT_WIDTH - len(rest), max(map(len, lines)) - len(rest)))
        for mark in self.marks:
            mark.first = mark.rest
        self.written += ("" if not self.written else "\n" if close else "\n\n") + "\n".join(lines)


def _wrap(line: str, first: str, rest: str) -> list[str]:
    return textwrap.wrap(
        line,
        TEXT_WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=False,
        break_on_hyphens=False,
    )


def to_text(source: str) -> str:
    """Plain text for people, at most 72 characters wide where words allow it."""
    text = _Text()
    numbers: list[int | None] = []  # One per open list: its next point's number.
    tight = in_heading = follows = False  # `follows`: there is a point or a row right before.
    row: list[str] | None = None
    for token in _parse(source):
        if token.type in ("bullet_list_open", "ordered_list_open"):
            follows = bool(numbers)
            numbers.append(int(token.attrs.get("start", 1)) if token.type == "ordered_list_open" else None)
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            numbers.pop()
        elif token.type == "list_item_open":
            number = numbers[-1]
            first = "• " if number is None else f"{number}. "
            numbers[-1] = None if number is None else number + 1
            text.marks.append(_Mark(first, " " * len(first)))
        elif token.type == "blockquote_open":
            text.marks.append(_Mark("> ", "> "))
        elif token.type in ("list_item_close", "blockquote_close"):
            text.marks.pop()
        elif token.type == "paragraph_open":
            tight = token.hidden
        elif token.type in ("heading_open", "heading_close"):
            in_heading = token.type == "heading_open"
        elif token.type == "table_open":
            follows = False
        elif token.type == "tr_open":
            row = []
        elif token.type == "tr_close":
            text.write(" | ".join(row or []), close=follows)
            row, follows = None, True
        elif token.type == "hr":
            text.write("* * *")
        elif token.type in ("fence", "code_block"):
            code = token.content.rstrip("\n")
            text.write(code if text.marks else textwrap.indent(code, "  "), wrap=False)
        elif token.type == "inline":
            words = _inline_text(token)
            if row is not None:
                row.append(words)
                continue
            text.write(words, close=tight and follows, underline=in_heading)
            tight, follows = False, True
    return text.written
