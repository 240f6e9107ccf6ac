"""The keyboard on pages for reading and at the desk: all that can be pressed comes up once, is seen, and in order."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import SEEN, Site, check_order, enlarged_and_wide, tab, tab_to, window

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("journeys")]

PAGES = [
    *("/", "/nyheter?q=buss&amne=kollektivtrafik", "/amnen", "/amnen/kultur", "/mina-amnen", "/om", "/tillganglighet"),
    *("/finns-inte", "/en/", "/prenumerera"),
]
# What can have the focus and is shown; of a group of radio buttons one.
CAN_HAVE_IT = """() => [...document.querySelectorAll("a[href], button, input, select, summary, textarea, [tabindex]")]
  .filter(one => one.type !== "hidden")
  .filter(one => one.checkVisibility({visibilityProperty: true}) && !one.disabled && one.tabIndex >= 0)
  .filter(one => one.type !== "radio" || one.checked).length"""


def tab_through(page: Page, address: str) -> None:
    """Open a page, and go through all of it."""
    page.goto(address)
    page.wait_for_load_state()
    count = page.evaluate(CAN_HAVE_IT)
    assert count > 5
    seen: list[dict[str, Any]] = []
    for _ in range(count):
        tab(page, seen)
    assert len({one["order"] for one in seen}) == count, address
    check_order([one for one in seen if one["within_main"]])
    page.keyboard.press("Tab")  # And that was all: the browser's own bar comes next, or the page from the top.
    assert page.evaluate("document.activeElement === document.body") or page.evaluate(SEEN)["order"] == 0


@enlarged_and_wide
def test_everything_that_can_be_pressed_comes_up_once_seen_and_in_order(
    browser: Browser, site: Site, view: dict[str, Any]
) -> None:
    with window(browser, **view) as page:
        page.goto(site.address)
        item = page.locator("article h2 a").first.get_attribute("href") or ""
        for path in [*PAGES, item]:
            tab_through(page, site.address + path)


def test_an_editor_writes_and_publishes_by_keyboard_alone(page: Page, site: Site) -> None:
    email, password = site.login()
    page.goto(f"{site.address}/desk/")
    for label, words in (("E-postadress", email), ("Lösenord", password)):
        if page.evaluate(SEEN)["called"] != label:
            tab_to(page, label)
        page.keyboard.type(words)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("Nyheter")
    tab_to(page, "Skriv en nyhet")
    page.keyboard.press("Enter")
    expect(page.get_by_label("Rubrik", exact=True)).to_be_visible()
    for label, words in (("Rubrik", "Skriven utan mus"), ("Ingress", "Allt går med tangenterna."), ("Text", "## Så")):
        tab_to(page, label)
        page.keyboard.type(words)
    tab_to(page, "Bibliotek")
    page.keyboard.press("Space")
    tab_to(page, "Spara och visa")
    page.keyboard.press("Enter")
    expect(page.locator(".desk-preview").get_by_role("heading", level=1)).to_have_text("Skriven utan mus")
    tab_to(page, "Publicera nu")
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Publicerad")

    for path in ("", "mailings", "topics/", "topics/kultur", "installation"):
        tab_through(page, f"{site.address}/desk/{path}")
