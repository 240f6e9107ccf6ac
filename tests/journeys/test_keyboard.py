"""The keyboard on every page for reading: all that can be pressed comes up once, is seen, and in the page's order."""

from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.journeys.conftest import SEEN, Site, check_order, tab, window

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("journeys")]

PAGES = [
    *("/", "/nyheter?q=buss&amne=kollektivtrafik", "/amnen", "/amnen/kultur", "/mina-amnen", "/om", "/tillganglighet"),
    *("/finns-inte", "/en/", "/prenumerera"),
]
# What can have the focus and is shown; of a group of radio buttons one.
CAN_HAVE_IT = """() => [...document.querySelectorAll("a[href], button, input:not([type=hidden]), select, summary")]
  .filter(one => one.checkVisibility({visibilityProperty: true}) && !one.disabled && one.tabIndex >= 0)
  .filter(one => one.type !== "radio" || one.checked).length"""


@pytest.mark.parametrize("width", [320, 1280])
def test_everything_that_can_be_pressed_comes_up_once_seen_and_in_order(
    browser: Browser, site: Site, width: int
) -> None:
    with window(browser, width) as page:
        page.goto(site.address)
        item = page.locator("article h2 a").first.get_attribute("href") or ""
        for path in [*PAGES, item]:
            page.goto(site.address + path)
            count = page.evaluate(CAN_HAVE_IT)
            assert count > 5
            seen: list[dict[str, Any]] = []
            for _ in range(count):
                tab(page, seen)
            assert len({one["order"] for one in seen}) == count, path
            check_order([one for one in seen if one["within_main"]])
            page.keyboard.press("Tab")  # And that was all: the browser's own bar comes next, or the page from the top.
            assert page.evaluate("document.activeElement === document.body") or page.evaluate(SEEN)["order"] == 0
