"""Subscribing as people do it: small and large windows, with and without scripts, by keyboard alone, enlarged."""

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import (
    ENLARGED,
    SEEN,
    WIDTHS,
    Site,
    check_order,
    fits,
    link_in,
    tab,
    window,
    with_and_without_scripts,
)

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("journeys")]


@dataclass
class Count:
    """What a subscription asked of somebody: the pages where something was to be done, and the presses."""

    pages: set[str] = field(default_factory=set)
    presses: int = 0

    def press(self, page: Page, name: str) -> None:
        self.pages.add(urlsplit(page.url).path.split("/")[1])
        self.presses += 1
        page.get_by_role("main").get_by_role("button", name=name).click()


@with_and_without_scripts
def test_two_pages_one_letter_and_three_presses(browser: Browser, site: Site, scripts: bool) -> None:
    address = f"ana.{'js' if scripts else 'plain'}@example.org"
    count = Count()
    with window(browser, scripts=scripts) as page:
        page.goto(f"{site.address}/prenumerera?topics=stod")
        fits(page)
        expect(page.get_by_label("Stöd", exact=True)).to_be_checked()
        page.get_by_label("Din e-postadress").fill(address)
        count.press(page, "Prenumerera")
        expect(page.get_by_role("heading", level=1)).to_have_text("Nästan klart")
        expect(page.get_by_role("main")).to_contain_text(address)
        fits(page)

        (letter,) = site.wait_for_letters(address, 1)
        assert letter["Subject"] in page.get_by_role("main").inner_text()
        count.presses += 1  # The link in the letter.
        page.goto(link_in(letter, "bekrafta"))
        fits(page)
        count.press(page, "Ja, jag vill prenumerera")
        expect(page.get_by_role("heading", level=1)).to_have_text("Klart!")
        fits(page)
    assert (count.pages, count.presses) == ({"prenumerera", "bekrafta"}, 3)


@pytest.mark.parametrize("width", WIDTHS)
def test_the_whole_subscription_by_keyboard_alone(browser: Browser, site: Site, width: int) -> None:
    _subscribe_by_keyboard(browser, site, f"tangent.{width}@example.org", width=width)


def test_the_whole_subscription_by_keyboard_alone_enlarged_fourfold(browser: Browser, site: Site) -> None:
    _subscribe_by_keyboard(browser, site, "lupp@example.org", **ENLARGED)


def _subscribe_by_keyboard(
    browser: Browser, site: Site, address: str, *, width: int, height: int = 800, scale: float = 1
) -> None:
    with window(browser, width, height=height, scale=scale) as page:
        page.goto(f"{site.address}/prenumerera")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Hoppa till innehållet")).to_be_focused()
        page.keyboard.press("Enter")
        seen: list[dict[str, Any]] = []
        while (now := tab(page, seen))["name"] != "email":
            if len(seen) == 1:
                expect(page.get_by_label("Hälso- och sjukvård", exact=True)).to_be_focused()
                page.keyboard.press("Space")
            if now["kind"] == "radio":
                expect(page.get_by_label("Direkt")).to_be_focused()
                page.keyboard.press("ArrowDown")
                expect(page.get_by_label("Varje dag")).to_be_checked()
            assert len(seen) < 40
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.keyboard.type("inte en adress")
        page.keyboard.press("Enter")

        # What is wrong has the focus; its link leads to the field, where what was typed can be mended.
        expect(page.locator(".ds-error-summary")).to_be_focused()
        assert page.evaluate(SEEN)["shown"]
        tab(page, [])
        page.keyboard.press("Enter")
        expect(page.get_by_label("Din e-postadress")).to_be_focused()
        expect(page.get_by_label("Din e-postadress")).to_have_value("inte en adress")
        page.keyboard.press("Control+a")
        page.keyboard.type(address)
        button = tab(page, seen)
        assert button["name"] == "Prenumerera"
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Nästan klart")
        assert page.evaluate("document.documentElement.scrollWidth") <= width

        check_order(seen[:-1])  # The page with what was wrong is longer.
        assert [one["kind"] for one in seen[:14]] == ["checkbox"] * 13 + ["radio"]

        page.goto(link_in(site.wait_for_letters(address, 1)[0], "bekrafta"))
        while tab(page, [])["kind"] != "submit":
            pass
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Klart!")
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_estimate_and_the_list_follow_the_choices_and_the_address_stays(browser: Browser, site: Site) -> None:
    with window(browser, 390) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{site.address}/prenumerera")
        told = page.get_by_role("status")
        expect(told).to_have_text("Välj ämnen, så berättar vi hur många brev du kan vänta dig.")
        expect(page.get_by_role("button", name="Räkna om breven")).to_be_hidden()
        page.get_by_label("Din e-postadress").fill("hemlig@example.org")

        page.get_by_label("Kultur", exact=True).check()
        expect(page.get_by_text("Ingår i Kultur.").first).to_be_visible()
        expect(told).to_have_text(re.compile(r"^(Ungefär|Några) .*brev"))
        expect(page.locator("[data-each=weekly]")).to_have_text(re.compile("brev"))

        page.get_by_label("Olika ofta för olika ämnen").check()
        own = page.get_by_role("group", name="Hur ofta för varje ämne?")
        expect(own.get_by_role("combobox")).to_have_count(1)
        page.get_by_label("Stöd", exact=True).check()
        expect(own.get_by_role("combobox")).to_have_count(2)
        own.get_by_label("Stöd").select_option("Varje vecka")
        with page.expect_request(re.compile(r"uppskattning\?topics=stod&frequency=own&frequency-stod=weekly$")):
            page.get_by_label("Kultur", exact=True).uncheck()
        expect(own.get_by_role("combobox")).to_have_count(1)
        expect(page.get_by_text("Ingår i Kultur.").first).to_be_hidden()
        expect(told).to_have_text(re.compile("brev"))
        assert not any("hemlig" in url for url in asked)

        page.get_by_role("button", name="Prenumerera").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Nästan klart")
        page.goto(link_in(site.wait_for_letters("hemlig@example.org", 1)[0], "bekrafta"))
        expect(page.get_by_role("main")).to_contain_text("varje vecka")


def test_without_scripts_the_letters_are_counted_and_topics_get_their_rhythm(browser: Browser, site: Site) -> None:
    with window(browser, 320, scripts=False) as page:
        page.goto(f"{site.address}/prenumerera")
        page.get_by_label("Kultur", exact=True).check()
        page.get_by_label("Stöd", exact=True).check()
        expect(page.get_by_text("Ingår i Kultur.").first).to_be_visible()
        page.get_by_label("Din e-postadress").fill("utan@example.org")
        page.get_by_role("button", name="Räkna om breven").click()
        expect(page.get_by_role("status")).to_have_text(re.compile(r"^(Ungefär|Några) .*brev"))
        expect(page.get_by_role("status")).to_be_focused()
        expect(page.get_by_label("Din e-postadress")).to_have_value("utan@example.org")

        page.get_by_label("Olika ofta för olika ämnen").check()
        page.get_by_role("button", name="Prenumerera").click()
        own = page.get_by_role("group", name="Hur ofta för varje ämne?")
        expect(own.get_by_role("combobox")).to_have_count(2)
        own.get_by_label("Stöd").select_option("Varje dag")
        assert page.locator("html").bounding_box()["width"] <= 320  # type: ignore[index]
        page.get_by_role("button", name="Prenumerera").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Nästan klart")


@with_and_without_scripts
def test_a_wrong_address_is_mended_with_all_choices_kept(browser: Browser, site: Site, scripts: bool) -> None:
    wrong, right = (f"{who}.{'js' if scripts else 'plain'}@example.org" for who in ("fel", "ratt"))
    with window(browser, scripts=scripts) as page:
        page.goto(f"{site.address}/prenumerera?topics=kultur&topics=stod")
        page.get_by_label("Din e-postadress").fill(wrong)
        page.get_by_label("Olika ofta för olika ämnen").check()
        own = page.get_by_role("group", name="Hur ofta för varje ämne?")
        if not scripts:
            page.get_by_role("button", name="Prenumerera").click()
        own.get_by_label("Stöd").select_option("Varje dag")
        fits(page)
        page.get_by_role("button", name="Prenumerera").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Nästan klart")
        fits(page)

        # Too early for another letter, and then: another address.
        page.get_by_role("button", name="Skicka brevet igen").click()
        expect(page.get_by_role("status")).to_contain_text("Vänta en minut")
        fits(page)
        page.get_by_role("button", name="Ändra adressen eller mina val").click()
        expect(page.get_by_label("Din e-postadress")).to_be_focused()
        expect(page.get_by_label("Din e-postadress")).to_have_value(wrong)
        expect(own.get_by_label("Stöd")).to_have_value("daily")
        assert wrong not in page.url
        page.get_by_label("Din e-postadress").fill(right)
        page.get_by_role("button", name="Prenumerera").click()
        expect(page.get_by_role("main")).to_contain_text(right)
        site.wait_for_letters(right, 1)
        page.reload()
        expect(page.get_by_role("heading", level=1)).to_have_text("Nästan klart")
        site.wait_for_letters(right, 1)  # Reading the page again sends no second one.
