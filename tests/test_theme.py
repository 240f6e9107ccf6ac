"""Letters wear the theme's colours, and a theme that they can't read says so."""

import re

import pytest

from config import PROJECT
from newsroom.theme import HORIZON_PERCENT, MIXED, NAMED, BadTheme, Colour, mix, read_colours

STATIC = PROJECT / "newsroom" / "static"
THEMES = [STATIC / "theme.css", PROJECT / "docs" / "theming-example.css"]


def luminance(colour: str) -> float:
    parts = [part / 255 for part in bytes.fromhex(colour[1:])]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2's contrast of two colours."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_what_letters_write_in_a_theme_can_be_read_by_day_and_by_night(theme: object) -> None:
    colours = read_colours(theme.read_text())  # type: ignore[attr-defined]
    pairs = [
        *(("text", ground) for ground in ("sheet", "wash")),
        *(("brand", ground) for ground in ("sheet", "wash")),
        *(("accent", ground) for ground in ("sheet", "wash")),
        *(("quiet", ground) for ground in ("sheet", "wash")),
        *(("on_accent", "accent"), ("on_deep", "deep"), ("on_alarm", "alarm")),
    ]
    for one, other in pairs:
        assert contrast(colours[one].light, colours[other].light) >= 4.5, (one, other, "by day")
        assert contrast(colours[one].dark, colours[other].dark) >= 4.5, (one, other, "by night")


def test_colours_are_mixed_as_the_pages_mix_them() -> None:
    palette = (STATIC / "palette.css").read_text()
    for name, variable in {"wash": "--wash", "quiet": "--quiet", "line": "--line"}.items():
        of, percent = MIXED[name]
        assert f"{variable}: color-mix(in srgb, var({NAMED[of]}) {percent}%, var(--paper));" in palette
    horizon = re.search(r"--horizon: light-dark\(var\(--brand\), color-mix\(in srgb, var\(--brand\) (\d+)%", palette)
    assert horizon is not None
    assert int(horizon[1]) == HORIZON_PERCENT
    assert (mix("#000000", "#ffffff", 0), mix("#0058a8", "#ffffff", 7)) == ("#ffffff", "#edf3f9")


@pytest.mark.parametrize("value", ["red", "#abcdef", "var(--other)", "light-dark(#abc, #def)", ""])
def test_a_colour_that_letters_cannot_carry_is_named(value: str) -> None:
    theme = THEMES[0].read_text()
    with pytest.raises(BadTheme, match=r"NEWSROOM_THEME_FILE: --brand is .*; expected light-dark\(#rrggbb, #rrggbb\)"):
        read_colours(re.sub(r"--brand: [^;]+;", f"--brand: {value};", theme))
    with pytest.raises(BadTheme, match="--on-deep is missing"):
        read_colours(theme.replace("--on-deep", "--on-other"))
    assert read_colours(theme)["brand"] == Colour("#0a2a52", "#dfeafa")
