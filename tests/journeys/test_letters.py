"""Every letter as mail clients open it, in a real browser: by day and night, without styles, inverted, small.

tests/letters.py lists the letters.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.axe import SCHEMES, find_violations, inspected, keep
from tests.letters import NAMES, Specimen

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("letters")]

Letters = Mapping[tuple[str, str], Specimen]
every_letter = pytest.mark.parametrize("name", NAMES, ids=", ".join)

# Every text that is seen, with its size, its colour and the ground it stands on.
TEXTS = """() => {
  const found = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement, style = getComputedStyle(element);
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest('.preheader')) continue;
    let at = element, ground = 'rgba(0, 0, 0, 0)';
    for (; at && ground === 'rgba(0, 0, 0, 0)'; at = at.parentElement) ground = getComputedStyle(at).backgroundColor;
    found.push([walker.currentNode.data.trim(), parseFloat(style.fontSize), style.color, ground]);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Page]:
    """A window that asks no server for anything."""
    with inspected(browser, offline=True, viewport={"width": 800, "height": 800}) as page:
        yield page


def without_style_sheet(html: str) -> str:
    """What is left where a client drops the style element."""
    return re.sub(r"<style.*?</style>", "", html, flags=re.S)


def channels(colour: str) -> tuple[float, float, float]:
    red, green, blue = (float(part) / 255 for part in re.findall(r"[\d.]+", colour)[:3])
    return red, green, blue


def contrast(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """WCAG 2's contrast of two colours, their channels from 0 to 1."""

    def luminance(colour: tuple[float, float, float]) -> float:
        red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def turn_over(colour: tuple[float, float, float]) -> tuple[float, float, float]:
    """The same hue, as dark as it was light."""
    shift = 1 - max(colour) - min(colour)
    red, green, blue = (min(1.0, max(0.0, part + shift)) for part in colour)
    return red, green, blue


def lightness(colour: tuple[float, float, float]) -> float:
    return (max(colour) + min(colour)) / 2


def test_no_letter_holds_a_finding(window: Page, letters: Letters) -> None:
    found: dict[str, list[Any]] = {}
    for (kind, language), letter in letters.items():
        window.set_content(letter.html)
        found.setdefault(kind, []).extend((language, *one) for one in find_violations(window))
    keep("letters", found, count=len(letters))


@every_letter
def test_nothing_in_it_is_small_or_pale(window: Page, letters: Letters, name: tuple[str, str]) -> None:
    window.set_content(letters[name].html)
    headline = window.locator("h1").inner_text()
    for scheme in SCHEMES:
        window.emulate_media(color_scheme=scheme)
        texts = window.evaluate(TEXTS)
        (ground,) = {ground for text, _, _, ground in texts if text == headline}
        assert (lightness(channels(ground)) > 0.5) is (scheme == "light")  # By night, the night's colours are at work.
        assert [(text, size) for text, size, _, _ in texts if size < 16] == []
        for text, _size, *colours in texts:  # Large ones too, of which axe wants only 3.
            assert contrast(*map(channels, colours)) >= 4.5, (scheme, text)
    for button in window.locator(".button").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44


@every_letter
def test_it_reads_as_well_where_a_client_drops_its_style_sheet(
    window: Page, letters: Letters, name: tuple[str, str]
) -> None:
    html = without_style_sheet(letters[name].html)
    assert "<style" not in html
    window.set_content(html)
    assert find_violations(window, "light") == []
    texts = window.evaluate(TEXTS)
    assert [(text, size) for text, size, _, _ in texts if size < 16] == []
    assert not window.locator(".preheader").is_visible()
    check_turned_over(texts)


@every_letter
def test_it_can_be_read_where_a_client_drops_every_style(window: Page, letters: Letters, name: tuple[str, str]) -> None:
    window.set_content(re.sub(r' style="[^"]*"', "", without_style_sheet(letters[name].html)))
    assert window.locator("h1").is_visible()
    # How much room links have is the client's own doing there.
    assert [one for one in find_violations(window, "light") if one[1] != "target-size"] == []


def check_turned_over(texts: Any) -> None:
    """That a letter can be read where a client turns its colours over."""
    for text, _size, *colours in texts:
        colour, ground = (channels(one) for one in colours)
        # Some turn all colours over; others darken light grounds, and lighten only what stands on those.
        assert contrast(turn_over(colour), turn_over(ground)) >= 4.5, text
        if lightness(ground) > 0.5:
            seen = turn_over(colour) if lightness(colour) < 0.5 else colour
            assert contrast(seen, turn_over(ground)) >= 4.5, text


@every_letter
def test_it_fits_a_small_phone_and_keeps_its_measure_on_a_wide_screen(
    window: Page, letters: Letters, name: tuple[str, str]
) -> None:
    window.set_content(letters[name].html)
    for width in (320, 1280):
        window.set_viewport_size({"width": width, "height": 800})
        assert window.evaluate("document.documentElement.scrollWidth") <= width
        box = window.locator("h1").bounding_box()
        assert box is not None
        assert box["width"] <= 600
    window.set_viewport_size({"width": 800, "height": 800})
