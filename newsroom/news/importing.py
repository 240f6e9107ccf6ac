"""Plain text, as it comes out of a word processor or a press release, into an item's words.

Pure: text in, `ItemText` out. What the rules are stands in docs/importing.md; the Markdown that comes out means just
what the text said, so signs that Markdown would take for its own are escaped.
"""

import re
from dataclasses import dataclass, field

from newsroom.news.writing import ItemText

_BULLET = re.compile(r"[•*·●▪◦‣\uf0b7]\s+")
_DASH = re.compile(r"[-–—]\s+")
_NUMBER = re.compile(r"\d{1,3}[.)]\s+")
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
SHORT_LENGTH = 80


@dataclass
class _Block:
    """A run of text of one kind: `paragraph`, `speech`, `dash` (undecided), `bullets` or `numbers`."""

    kind: str
    lines: list[str] = field(default_factory=list)
    after_gap: bool = True  # Whether an empty line stood before it.


class NothingToImport(Exception):
    """The text holds no headline."""


def parse_text(source: str, *, language: str = "sv") -> ItemText:
    """Read an announcement: headline, lede, body and facts. Raises NothingToImport for an empty one."""
    blocks = _join_dashes(list(_find_blocks(source)))
    while blocks and all(_FURNITURE.fullmatch(line) for line in blocks[-1].lines):
        blocks.pop()
    if not blocks:
        raise NothingToImport
    headline = " ".join(blocks.pop(0).lines)
    lede = " ".join(blocks.pop(0).lines) if blocks and blocks[0].kind == "paragraph" and not _is_facts(blocks[0]) else ""
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


def _find_blocks(source: str) -> list[_Block]:
    source = re.sub(r"\r\n?|[\u2028\u2029\v\f]", "\n", source.removeprefix("\ufeff"))
    blocks: list[_Block] = []
    for group in re.split(r"\n\s*\n", source):
        lines = [" ".join(line.split()) for line in group.split("\n")]
        first = True
        for lines_of_one in _unwrap([line for line in lines if line]):
            kind, text = _sort_line(lines_of_one)
            # Points belong to the list before them also where empty lines stand between.
            if blocks and kind in ("bullets", "numbers") and blocks[-1].kind == kind:
                blocks[-1].lines.append(text)
            else:
                blocks.append(_Block(kind, [text], after_gap=first))
            first = False
    return blocks


def _sort_line(line: str) -> tuple[str, str]:
    for kind, mark in (("bullets", _BULLET), ("dash", _DASH), ("numbers", _NUMBER)):
        found = mark.match(line)
        if found and found.end() < len(line):
            return kind, line[found.end() :]
    return "paragraph", line


def _unwrap(lines: list[str]) -> list[str]:
    """Lines of one group, with those joined that only a column's width had parted.

    A line was broken by width if the next line's first word would not have fitted on it any more.
    """
    if len(lines) < 2:
        return lines
    width = max(map(len, lines))
    joined = [lines[0]]
    broken_by_width = 50 <= width <= 100
    for before, line in zip(lines, lines[1:], strict=False):
        if broken_by_width and _sort_line(line)[0] == "paragraph" and len(before) + 1 + len(line.split()[0]) > width:
            joined[-1] += " " + line
        else:
            joined.append(line)
    return joined


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


def _write_markdown(blocks: list[_Block]) -> str:
    written = []
    for number, block in enumerate(blocks):
        above_list = number + 1 < len(blocks) and blocks[number + 1].kind in ("bullets", "numbers")
        if block.kind == "bullets":
            written.append("\n".join(f"- {_escape(line)}" for line in block.lines))
        elif block.kind == "numbers":
            written.append("\n".join(f"{place}. {_escape(line)}" for place, line in enumerate(block.lines, start=1)))
        elif block.kind == "speech":
            written.append(f"– {_escape(block.lines[0])}")
        elif above_list and len(block.lines[0]) <= HEADING_LENGTH and block.lines[0][-1] not in ".:;,!":
            written.append(f"## {_escape(block.lines[0])}")
        else:
            written.append(_escape(block.lines[0]))
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
    return re.sub(r"^(?:(?=#{1,6}(?:\s|$)|[+>=~-])|(\d{1,9})(?=[.)]\s))", r"\1\\", written)


def _escape_signs(text: str) -> str:
    return re.sub(r"[\\`*\[\]]|<(?=[A-Za-z/!?])|(?<!\w)_|_(?!\w)|&(?=#?\w+;)", r"\\\g<0>", text)
