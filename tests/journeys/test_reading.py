"""Reading as people do it: the newest, a topic, a search, a shared address, and leaving from a letter.

Without scripts: but for the form to subscribe, which other journeys fill in, none of these pages has one
(tests/public/test_every_way.py holds them to it).
"""

import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.conftest import Site, fits, link_in, window

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("journeys")]


def test_from_the_front_page_to_a_topic_and_an_address_that_can_be_shared(browser: Browser, site: Site) -> None:
    with window(browser, scripts=False) as page:
        page.goto(site.address)
        newest = page.get_by_role("article").first.get_by_role("link").first
        headline = newest.inner_text()
        fits(page)
        newest.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(headline)
        expect(page.get_by_role("heading", name="Håll dig uppdaterad!")).to_be_visible()
        fits(page)
        page.get_by_role("article").first.get_by_role("link").first.click()
        expect(page.get_by_role("link", name="Följ via RSS")).to_be_visible()
        fits(page)
        page.get_by_role("link", name="Följ via e-post").click()
        expect(page.get_by_role("checkbox", checked=True)).to_have_count(1)

        page.get_by_role("link", name="Nyheter", exact=True).first.click()
        page.get_by_label("Sök bland nyheterna").fill("avgift")
        page.keyboard.press("Enter")
        expect(page.locator("mark").first).to_be_visible()
        fits(page)
        found = page.locator(".hits").inner_text()
        assert page.url == f"{site.address}/nyheter?q=avgift"
        page.get_by_label("Ämne", exact=True).select_option("kultur")
        page.get_by_role("button", name="Sök").click()
        assert page.url == f"{site.address}/nyheter?q=avgift&amne=kultur"
        expect(page.get_by_role("heading", name="Inget stämmer med det")).to_be_visible()
        page.get_by_role("list", name="Valda filter").get_by_role("link", name="Kultur").click()
        expect(page.locator(".hits")).to_have_text(found)
        year = page.get_by_label("År", exact=True)
        latest = year.locator("option").nth(1).get_attribute("value") or ""
        year.select_option(latest)
        page.get_by_role("button", name="Sök").click()
        assert page.url == f"{site.address}/nyheter?q=avgift&ar={latest}"
        page.get_by_role("list", name="Valda filter").get_by_role("link", name=latest).click()
        expect(page.locator(".hits")).to_have_text(found)
        fits(page)

        page.goto(f"{site.address}/nyheter")
        first = page.get_by_role("article").first.text_content() or ""
        page.get_by_role("link", name="Äldre").click()
        expect(page.get_by_role("article").first).not_to_have_text(first)
        page.get_by_role("link", name="Nyare").click()
        expect(page.get_by_role("article").first).to_have_text(first)
        fits(page)


def test_one_press_in_a_letter_ends_it_and_another_takes_that_back(browser: Browser, site: Site) -> None:
    address = "fia@example.org"
    with window(browser, scripts=False) as page:
        site.subscribe(address, "bibliotek")
        site.run("items", "import", "tests/data/strategi.txt", "--topics", "bibliotek", "--publish")
        page.goto(link_in(site.wait_for_letters(address, 2)[1], "avsluta"))
        fits(page)
        expect(page.get_by_role("main").get_by_role("button")).to_have_count(1)
        page.get_by_role("main").get_by_role("button").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Breven är avslutade")
        expect(page.get_by_role("main")).to_contain_text("Bibliotek")
        fits(page)
        page.get_by_role("button", name="Ångra").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Du prenumererar igen")
        fits(page)
