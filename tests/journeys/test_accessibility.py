"""axe (WCAG 2.2 A and AA) on pages and letters, in light and dark, and no sideways scrolling on a small phone."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page

from tests.journeys.conftest import Site, link_in
from tests.journeys.test_whole_way import subscribe

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("journeys")]

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]}}
PAGES = ["/", "/nyheter", "/amnen", "/amnen/kultur", "/prenumerera", "/en/prenumerera", "/finns-inte", "/dev/mailbox"]


def check(page: Page, where: str) -> None:
    found = Axe().run(page, options=RULES).response["violations"]
    assert [(where, one["id"], [node["target"] for node in one["nodes"]]) for one in found] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_and_letters_hold_no_finding(browser: Browser, page: Page, site: Site, scheme: str) -> None:
    address = f"axe-{scheme}@example.org"
    subscribe(page, site, address, "Stöd")
    letter = site.wait_for_letters(address, 1)[0]
    letter_id = site.letters(address)[0]["id"]
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light", bypass_csp=True)
    try:
        window = context.new_page()
        window.goto(site.address)
        item = window.locator("article h2 a").first.get_attribute("href") or ""
        confirm = link_in(letter, "bekrafta").removeprefix(site.address)
        for path in [*PAGES, item, confirm, f"/dev/mailbox/{letter_id}", f"/dev/mailbox/{letter_id}.html"]:
            window.goto(site.address + path)
            check(window, path)
        window.goto(f"{site.address}/prenumerera")
        window.get_by_role("button", name="Prenumerera").click()
        check(window, "errors")
    finally:
        context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_desk_holds_no_finding(browser: Browser, site: Site, scheme: str) -> None:
    context = browser.new_context(color_scheme="dark" if scheme == "dark" else "light", bypass_csp=True, locale="sv-SE")
    try:
        page = context.new_page()
        page.goto(f"{site.address}/desk/")
        check(page, "login")
        email, password = site.login()
        page.get_by_label("E-postadress").fill(email)
        page.get_by_label("Lösenord").fill(password)
        page.get_by_role("button", name="Logga in").click()
        check(page, "items")
        page.locator("table a").first.click()
        check(page, "item")
        page.get_by_role("link", name="Ändra").click()
        check(page, "edit")
    finally:
        context.close()


@pytest.mark.parametrize("path", [*PAGES, "/desk/login"])
def test_nothing_scrolls_sideways_on_a_small_phone(browser: Browser, site: Site, path: str) -> None:
    context = browser.new_context(viewport={"width": 320, "height": 640})
    try:
        page = context.new_page()
        page.goto(site.address + path)
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
    finally:
        context.close()
