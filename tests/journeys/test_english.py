"""The flows in English, as somebody walks them who knows no Swedish: every page, button and letter is theirs.

One with scripts, one without: what scripts do hangs on no language, and the Swedish journeys have both of each.
"""

import json
import re

import pytest
from playwright.sync_api import Browser, Page, expect

from newsroom import clock
from tests.factories import DAY
from tests.journeys.conftest import Site, fits, link_in, text_of, window

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("journeys")]


def stands_at(page: Page, title: str) -> None:
    """The page has this heading, speaks English, and fits at every width."""
    expect(page.get_by_role("heading", level=1)).to_have_text(title)
    assert page.locator("html").get_attribute("lang") == "en"
    fits(page)


def test_reading_subscribing_and_leaving(browser: Browser, site: Site) -> None:
    address = "rose@example.org"
    with window(browser) as page:
        press = page.get_by_role("main").get_by_role("button")

        # Rose comes to the Swedish site, changes to English, and looks for something.
        page.goto(site.address)
        page.get_by_role("link", name="English").first.click()
        expect(page.get_by_role("heading", name="Stay up to date!")).to_be_visible()
        page.get_by_role("link", name="Topics", exact=True).first.click()
        stands_at(page, "Topics")
        page.get_by_role("link", name="Culture", exact=True).click()
        stands_at(page, "Culture")
        page.get_by_role("link", name="News", exact=True).first.click()
        page.get_by_label("Search the news").fill("avgift")
        page.get_by_role("button", name="Search").click()
        expect(page.locator("mark").first).to_be_visible()
        page.get_by_label("Topic", exact=True).select_option("kultur")
        page.get_by_role("button", name="Search").click()
        expect(page.get_by_role("heading", name="Nothing matches that")).to_be_visible()
        fits(page)
        page.goto(f"{site.address}/en/nyheter/finns-inte")
        stands_at(page, "There is no such page")

        # She subscribes to two topics, each at its own rhythm, and mends her address on the way.
        page.get_by_role("main").get_by_role("link", name="Topics").first.click()
        page.get_by_role("link", name="Libraries", exact=True).click()
        page.get_by_role("link", name="Follow by e-mail").click()
        expect(page.get_by_label("Libraries", exact=True)).to_be_checked()
        page.get_by_label("Sustainability", exact=True).check()
        page.get_by_label("Different for different topics").check()
        page.get_by_label("Your e-mail address").fill("rose")
        page.get_by_role("button", name="Subscribe").click()
        expect(page.locator(".ds-error-summary")).to_be_focused()
        own = page.get_by_role("group", name="How often for each topic?")
        own.get_by_label("Sustainability").select_option("Weekly")
        page.get_by_label("Your e-mail address").fill(address)
        page.get_by_role("button", name="Subscribe").click()
        stands_at(page, "Almost done")
        (letter,) = site.wait_for_letters(address, 1)
        assert letter["Subject"] == page.locator(".look-for dd").nth(1).inner_text()
        page.goto(link_in(letter, "bekrafta"))
        expect(page.get_by_role("main")).to_contain_text("Weekly")
        fits(page)
        page.get_by_role("button", name="Yes, I want to subscribe").click()
        stands_at(page, "Done!")
        page.context.clear_cookies()

        # A letter comes; one press ends its topic, another takes that back, and one more ends everything.
        site.run("items", "import", "tests/data/strategi.txt", "--topics", "bibliotek", "--publish")
        news = site.wait_for_letters(address, 2)[1]
        assert "because you follow Libraries" in " ".join(text_of(news).split())
        leave = str(news["List-Unsubscribe"]).strip("<>")
        page.goto(leave)
        fits(page)
        press.click()
        stands_at(page, "These letters have stopped")
        page.get_by_role("button", name="Undo").click()
        stands_at(page, "You subscribe again")
        page.goto(leave)
        page.get_by_role("link", name="Stop all letters from us").click()
        fits(page)
        page.get_by_role("button", name="Stop all letters").click()
        stands_at(page, "All letters have stopped")


def test_ones_own_topics_from_the_link_to_being_forgotten(browser: Browser, site: Site) -> None:
    old, new = "tom@example.org", "tom.new@example.org"
    with window(browser, scripts=False) as page:
        said = page.get_by_role("group", name="Saved")
        page.goto(f"{site.address}/en/prenumerera?topics=bibliotek")
        page.get_by_label("Your e-mail address").fill(old)
        page.get_by_role("button", name="Subscribe").click()
        page.goto(link_in(site.wait_for_letters(old, 1)[0], "bekrafta"))
        page.get_by_role("button", name="Yes, I want to subscribe").click()
        page.context.clear_cookies()

        page.goto(f"{site.address}/en/mina-amnen")
        page.get_by_label("Your e-mail address").fill(old)
        page.get_by_role("button", name="Send me a link").click()
        stands_at(page, "Look in your inbox")
        page.goto(link_in(site.wait_for_letters(old, 2)[1], "logga-in"))
        fits(page)
        page.get_by_role("button", name="To my topics").click()
        stands_at(page, "My topics")

        page.get_by_role("checkbox", name="Sustainability").check()
        page.get_by_label("Pause until").fill(f"{(clock.now() + 20 * DAY).date()}")
        page.get_by_role("button", name="Save").last.click()
        expect(said).to_contain_text("You now follow Sustainability")
        expect(said).to_contain_text("Your letters are paused.")
        fits(page)
        page.goto(f"{site.address}/en/mina-amnen")
        page.get_by_role("button", name="Let letters come again now").click()
        expect(said).to_contain_text("The pause is over.")

        page.get_by_role("link", name="Change your address").click()
        page.get_by_label("Your new e-mail address").fill(old)
        page.get_by_role("button", name="Ask the new address").click()
        expect(page.get_by_role("main")).to_contain_text("This is the address that your letters go to already.")
        fits(page)
        page.get_by_label("Your new e-mail address").fill(new)
        page.get_by_role("button", name="Ask the new address").click()
        page.goto(link_in(site.wait_for_letters(new, 1)[0], "ny-adress"))
        fits(page)
        page.get_by_role("button", name="Yes, send my letters here").click()
        stands_at(page, "Your address has been changed")

        page.get_by_role("link", name="To my topics").click()
        page.get_by_role("link", name="Letters to you").click()
        stands_at(page, "Letters to you")
        page.get_by_role("link", name="Back to my topics").click()
        with page.expect_download() as download:
            page.get_by_role("link", name="Download your data").click()
        assert json.loads(download.value.path().read_text())["subscriber"]["language"] == "en"
        page.get_by_role("link", name="Erase everything").click()
        fits(page)
        page.get_by_role("button", name="Erase everything about me").click()
        stands_at(page, "Everything about you has been erased")
        assert re.search("erased", str(site.wait_for_letters(new, 2)[1]["Subject"]))
