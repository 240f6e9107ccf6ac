"""Plain text, as it comes out of a word processor or a press release, into an item's words.

Pure: text in, `ItemText` out. What the rules are stands in docs/importing.md; the Markdown that comes out means just
what the text said, so signs that Markdown would take for its own are escaped.
"""

import re
from dataclasses import dataclass, field
from itertools import pairwise

from newsroom.news.writing import ItemText

_BULLET = re.compile(r"[•*·●▪◦‣\uf0b7]\s+")
_DASH = re.compile(r"[-–—]\s+")
_NUMBER = re.compile(r"(0|[1-9][0-9]{0,2})[.)]\s+")
_FACTS = re.compile(r"(fakta|faktaruta|facts?)\s*:?", re.IGNORECASE)
_FURNITURE = re.compile(
    r"(håll dig uppdaterad!?( prenumerera på nyheter du är intresserad av\.?)?"
    r"|prenumerera( på nyheter du är intresserad av)?\.?|fler nyheter|dela( sidan)?|skriv ut|till toppen"
    r"|stay up to date!?( subscribe to news .*)?|subscribe|more news|share|print)",
    re.IGNORECASE,
)
_SPOKEN = re.compile(
    r"\b(säger|sade|sa|berättar|menar|förklarar|tycker|konstaterar|fortsätter|says|said|adds)\b", re.IGNORECASE
)
_ADDRESS = re.compile(r"https?://[^\s<>]+[^\s<>.,;:!?)\"”'»]")
HEADING_LENGTH = 100
SHORT_LENGTH = 100


@dataclass
class _Block:
    """A run of text of one kind: `paragraph`, `speech`, `bullets`, `numbers`; while undecided, `dash` or `number`."""

    kind: str
    lines: list[str] = field(default_factory=list)
    after_gap: bool = True  # Whether an empty line stood before it.
    first: int = 1  # The first point's number.


class NothingToImport(Exception):
    """The text holds no headline."""


def parse_text(source: str, *, language: str = "sv") -> ItemText:
    """Read an announcement: headline, lede, body and facts. Raises NothingToImport for an empty one."""
    lines = _find_lines(source)
    while lines and _FURNITURE.fullmatch(_sort_line(lines[-1].text)[1]):
        lines.pop()
    if not lines:
        raise NothingToImport
    headline = lines.pop(0).text
    blocks = _join_numbers(_join_dashes(_find_blocks(lines)))
    lede = (
        " ".join(blocks.pop(0).lines) if blocks and blocks[0].kind == "paragraph" and not _is_facts(blocks[0]) else ""
    )
    facts_at = next((number for number, block in enumerate(blocks) if _is_facts(block)), len(blocks))
    return ItemText(
        headline=headline,
        lede=lede,
        body=_write_markdown(blocks[:facts_at]),
        facts=_write_markdown(blocks[facts_at + 1 :]),
        language=language,
    )


def _is_facts(block: _Block) -> bool:
    return block.kind == "paragraph" and _FACTS.fullmatch(" ".join(block.lines)) is not None


@dataclass
class _Line:
    """A line's words with single spaces, its last printed line's length, and whether an empty line stood before it."""

    text: str
    length: int
    after_gap: bool


def _find_lines(source: str) -> list[_Line]:
    source = re.sub(r"\r\n?|[\u2028\u2029\v\f]", "\n", source.removeprefix("\ufeff"))
    lines: list[_Line] = []
    after_gap = True
    for printed in source.split("\n"):
        text = " ".join(printed.split())
        if text:
            lines.append(_Line(text, len(printed.expandtabs().rstrip()), after_gap))
        after_gap = not text
    return _unwrap(lines)


def _unwrap(lines: list[_Line]) -> list[_Line]:
    """The lines, with those joined that only a column's width had parted.

    A line was broken by width if the next line's first word would not have fitted on it any more. Somewhere that must
    have happened in the middle of a sentence: without such a place each line is a paragraph of its own.
    """
    width = max((line.length for line in lines if " " in line.text), default=0)
    if not 50 <= width <= 100:
        return lines
    groups = [lines[:1]]
    broken = False
    for before, line in pairwise(lines):
        full = before.length + 1 + len(line.text.split(" ", 1)[0]) > width
        if full and not line.after_gap and _sort_line(line.text)[0] == "paragraph":
            broken = broken or (before.text[-1] not in ".:!?" and line.text[0].islower())
            groups[-1].append(line)
        else:
            groups.append([line])
    if not broken:
        return lines
    return [_Line(" ".join(line.text for line in group), group[-1].length, group[0].after_gap) for group in groups]


def _find_blocks(lines: list[_Line]) -> list[_Block]:
    blocks: list[_Block] = []
    for line in lines:
        kind, text = _sort_line(line.text)
        # Points belong to the list before them also where empty lines stand between.
        if blocks and kind == "bullets" and blocks[-1].kind == kind:
            blocks[-1].lines.append(text)
        else:
            blocks.append(_Block(kind, [text], line.after_gap))
    return blocks


def _sort_line(line: str) -> tuple[str, str]:
    """What kind of block a line opens or goes on, and its words; a numbered one's with the number."""
    for kind, mark in (("bullets", _BULLET), ("dash", _DASH), ("number", _NUMBER)):
        found = mark.match(line)
        if found and found.end() < len(line):
            return kind, line if kind == "number" else line[found.end() :]
    return "paragraph", line


def _join_dashes(blocks: list[_Block]) -> list[_Block]:
    """Decide what a line with a dash before it is: several short ones together are a list, all others speech."""
    done: list[_Block] = []
    at = 0
    while at < len(blocks):
        if blocks[at].kind != "dash":
            done.append(blocks[at])
            at += 1
            continue
        end = at
        while end < len(blocks) and blocks[end].kind == "dash":
            end += 1
        run = blocks[at:end]
        texts = [block.lines[0] for block in run]
        parted = any(block.after_gap for block in run[1:])
        is_list = (
            len(run) > 1
            and all(len(text) <= SHORT_LENGTH and not _SPOKEN.search(text) for text in texts)
            and not (parted and any(text.endswith((".", "!", "?")) for text in texts))
        )
        done += [_Block("bullets", texts)] if is_list else [_Block("speech", block.lines) for block in run]
        at = end
    return done


def _join_numbers(blocks: list[_Block]) -> list[_Block]:
    """Decide what a line with a number before it is: several that count on are a list, all others paragraphs."""
    runs: list[list[_Block]] = []
    for block in blocks:
        number = _number_of(block)
        if number and runs and _number_of(runs[-1][-1]) == number - 1:
            runs[-1].append(block)
        else:
            runs.append([block])
    done: list[_Block] = []
    for run in runs:
        first = _number_of(run[0])
        if first is None:
            done += run
        elif len(run) == 1:
            done.append(_Block("paragraph", run[0].lines, run[0].after_gap))
        else:
            done.append(_Block("numbers", [_NUMBER.sub("", block.lines[0], count=1) for block in run], first=first))
    return done


def _number_of(block: _Block) -> int | None:
    found = _NUMBER.match(block.lines[0]) if block.kind == "number" else None
    return int(found[1]) if found else None


def _write_markdown(blocks: list[_Block]) -> str:
    written: list[str] = []
    sign = "."
    for place, block in enumerate(blocks):
        above_list = place + 1 < len(blocks) and blocks[place + 1].kind in ("bullets", "numbers")
        if block.kind == "bullets":
            written.append("\n".join(f"- {_escape(line)}" for line in block.lines))
        elif block.kind == "numbers":
            points = enumerate(block.lines, start=block.first)
            written.append("\n".join(f"{number}{sign} {_escape(line)}" for number, line in points))
        elif block.kind == "speech":
            written.append(f"– {_escape(block.lines[0])}")
        elif above_list and len(block.lines[0]) <= HEADING_LENGTH and block.lines[0][-1] not in ".:;,!":
            written.append(f"## {_escape(block.lines[0])}")
        else:
            written.append(_escape(block.lines[0]))
        # Markdown takes two lists in a row for one, unless their signs differ.
        sign = ")" if block.kind == "numbers" and sign == "." else "."
    return "\n\n".join(written)


def _escape(text: str) -> str:
    """Text as Markdown that means just the text; web addresses become links."""
    parts = []
    at = 0
    for address in _ADDRESS.finditer(text):
        parts += [_escape_signs(text[at : address.start()]), f"<{address.group()}>"]
        at = address.end()
    parts.append(_escape_signs(text[at:]))
    written = "".join(parts)
    written = re.sub(r"^(?:(?=#{1,6}(?:\s|$)|[+>=~-])|(\d{1,9})(?=[.)](?:\s|$)))", r"\1\\", written)
    return re.sub(r"(?<=\s)(?=#+$)", r"\\", written)  # A heading's last signs would be taken for its closing ones.


def _escape_signs(text: str) -> str:
    return re.sub(r"[\\`*\[\]]|<(?=\S)|_(?![^\W_])|&(?=#?\w+;)", r"\\\g<0>", text)
