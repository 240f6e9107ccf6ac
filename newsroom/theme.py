"""The authority's colours as letters need them: read from the theme, mixed as palette.css mixes them for the pages.

A letter carries its colours with it, since mail clients know no variables and fetch no style sheet.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from config import BadSetting

NAMED = {
    "sheet": "--paper",
    "text": "--ink",
    "brand": "--brand",
    "accent": "--accent",
    "on_accent": "--on-accent",
    "spark": "--spark",
    "deep": "--deep",
    "on_deep": "--on-deep",
}
"""What letters call a colour, and what the theme calls it."""
MIXED = {"wash": ("accent", 7), "quiet": ("text", 74), "line": ("text", 17)}
"""Colours that have so many percent of another one, and the rest of the sheet's."""
HORIZON_PERCENT = 45  # Of the brand's, by night.


class BadTheme(BadSetting):
    """The theme lacks a colour that letters need; the text is one line that names it."""


@dataclass(frozen=True)
class Colour:
    """A colour by day and by night, as #rrggbb."""

    light: str
    dark: str


ALARM, ON_ALARM = Colour("#b3261e", "#b3261e"), Colour("#ffffff", "#ffffff")  # What is urgent looks so in every theme.


def read_colours(theme: str) -> Mapping[str, Colour]:
    """The letters' colours, by name, from a theme's style sheet. Raises BadTheme."""
    found = {name: _read(theme, variable) for name, variable in NAMED.items()}
    sheet, brand = found["sheet"], found["brand"]
    for name, (of, percent) in MIXED.items():
        one = found[of]
        found[name] = Colour(mix(one.light, sheet.light, percent), mix(one.dark, sheet.dark, percent))
    found["horizon"] = Colour(brand.light, mix(brand.dark, sheet.dark, HORIZON_PERCENT))
    return {**found, "alarm": ALARM, "on_alarm": ON_ALARM}


def mix(one: str, other: str, percent: int) -> str:
    """So many percent of one colour, the rest of another, as CSS's `color-mix(in srgb, …)` does it."""
    pairs = zip(bytes.fromhex(one[1:]), bytes.fromhex(other[1:]), strict=True)
    return "#" + bytes(round((a * percent + b * (100 - percent)) / 100) for a, b in pairs).hex()


def _read(theme: str, variable: str) -> Colour:
    declared = re.search(rf"(?<![\w-]){variable}\s*:\s*([^;}}]+)", theme)
    value = declared[1].strip() if declared else ""
    sign = "(#[0-9a-fA-F]{6})"
    pair = re.fullmatch(rf"light-dark\(\s*{sign}\s*,\s*{sign}\s*\)", value)
    if pair is None:
        raise BadTheme(
            f"NEWSROOM_THEME_FILE: {variable} is {value or 'missing'}; expected light-dark(#rrggbb, #rrggbb), since "
            "letters take their colours from it too."
        )
    return Colour(pair[1].lower(), pair[2].lower())
