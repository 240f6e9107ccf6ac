"""Markdown to HTML and to plain text, both from one token stream.

Raw HTML is shown, never passed through; what the parser makes is sanitised all the same.
"""

import re
import textwrap
from urllib.parse import urlsplit

import nh3
from markdown_it import MarkdownIt
from markdown_it.token import Token

TEXT_WIDTH = 72

_parser = MarkdownIt("commonmark", {"html": False}).enable("table").disable("image")
_TAGS = set("p h2 h3 h4 ul ol li strong em a blockquote hr br code pre table thead tbody tr th td".split())


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
    tokens = _parser.parse(source)
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
            links.append((str(child.attrs.get("href", "")), len(parts)))
        elif child.type == "link_close":
            href, start = links.pop()
            if _keep_attribute("a", "href", href) and "".join(parts[start:]) != href.removeprefix("mailto:"):
                parts.append(f" ({href})")
    return "".join(parts)


def _wrap(text: str, first: str, rest: str) -> str:
    lines: list[str] = []
    for line in text.split("\n"):
        lines += textwrap.wrap(
            line,
            TEXT_WIDTH,
            initial_indent=rest if lines else first,
            subsequent_indent=rest,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def to_text(source: str) -> str:
    """Plain text for people, at most 72 characters wide where words allow it."""
    blocks: list[str] = []
    tight = False
    marks: list[str] = []  # One per open list or quotation: what its next line begins with.
    counters: list[int] = []
    pending = ""
    in_heading = False
    row: list[str] | None = None
    for token in _parse(source):
        if token.type in ("bullet_list_open", "ordered_list_open"):
            counters.append(int(token.attrs.get("start", 1)) if token.type[0] == "o" else 0)
        elif token.type in ("bullet_list_close", "ordered_list_close"):
            counters.pop()
        elif token.type == "list_item_open":
            pending = f"{counters[-1]}. " if counters[-1] else "• "
            counters[-1] += bool(counters[-1])
            marks.append(" " * len(pending))
        elif token.type == "blockquote_open":
            marks.append("> ")
        elif token.type in ("list_item_close", "blockquote_close"):
            marks.pop()
            pending = ""
        elif token.type == "paragraph_open":
            tight = token.hidden
        elif token.type in ("heading_open", "heading_close"):
            in_heading = token.type == "heading_open"
        elif token.type == "tr_open":
            row = []
        elif token.type == "tr_close":
            blocks.append(_wrap(" | ".join(row or []), "", ""))
            row = None
        elif token.type == "hr":
            blocks.append("* * *")
        elif token.type in ("fence", "code_block"):
            blocks.append(textwrap.indent(token.content.rstrip("\n"), "".join(marks) or "  "))
        elif token.type == "inline":
            text = _inline_text(token)
            if row is not None:
                row.append(text)
                continue
            rest = "".join(marks)
            first = rest[: len(rest) - len(pending)] + pending if pending else rest
            wrapped = _wrap(text, first, rest)
            if in_heading:
                wrapped += "\n" + "-" * min(TEXT_WIDTH, max(map(len, wrapped.split("\n"))))
            if tight and blocks and pending and counters and _continues_list(blocks[-1]):
                blocks[-1] += "\n" + wrapped
            else:
                blocks.append(wrapped)
            pending = ""
            tight = False
    return "\n\n".join(block for block in blocks if block)


def _continues_list(block: str) -> bool:
    """Whether a block of text is a list's, so that the next tight point goes on the next line."""
    return re.match(r"\s*(• |\d+\. )", block) is not None
