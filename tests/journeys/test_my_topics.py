"""A subscriber's own topics, from a link in a letter to being forgotten: browser, HTTP and letters only."""

import json
import re
import time
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from newsroom import clock
from tests.conftest import wait_for
from tests.factories import DAY
from tests.journeys.conftest import (
    SEEN,
    Site,
    check_order,
    enlarged_and_wide,
    fits,
    link_in,
    tab_to,
    text_of,
    window,
    with_and_without_scripts,
)
from tests.journeys.test_whole_way import subscribe

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("journeys")]


def log_in(page: Page, site: Site, address: str, *, letters: int) -> None:
    """By a link in the address's letter number so and so."""
    page.goto(f"{site.address}/mina-amnen")
    page.get_by_label("Din e-postadress").fill(address)
    page.get_by_role("button", name="Skicka en länk").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Titta i din inkorg")
    fits(page)
    page.goto(link_in(site.wait_for_letters(address, letters)[letters - 1], "logga-in"))
    fits(page)
    page.get_by_role("button", name="Till Mina ämnen").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Mina ämnen")
    expect(page.get_by_role("main")).to_contain_text(address)


@with_and_without_scripts
def test_a_subscriber_changes_topics_moves_and_is_forgotten(browser: Browser, site: Site, scripts: bool) -> None:
    old, new = (f"{who}.{'med' if scripts else 'utan'}@example.org" for who in ("dana", "dana.ny"))
    with window(browser, scripts=scripts) as page:
        site.subscribe(old, "bibliotek", "stod")
        log_in(page, site, old, letters=2)

        # She drops one topic, adds another, and wants that one once a week.
        page.get_by_role("checkbox", name="Stöd").uncheck()
        page.get_by_role("checkbox", name="Hållbarhet").check()
        page.get_by_role("radio", name=re.compile("för olika ämnen")).check()
        own = page.get_by_role("group", name="Hur ofta för varje ämne?")
        if not scripts:
            page.get_by_role("button", name="Spara").last.click()
        expect(own.get_by_role("combobox")).to_have_count(2)
        own.get_by_label("Hållbarhet").select_option("weekly")
        expect(page.get_by_role("status")).to_have_text(re.compile("brev"))
        fits(page)
        page.get_by_role("button", name="Spara").last.click()
        said = page.get_by_role("group", name="Sparat")
        expect(said).to_contain_text("Du följer nu Hållbarhet, varje vecka.")
        expect(said).to_contain_text("Du följer inte längre Stöd.")

        # She goes on holiday, wants her letters in English meanwhile, and comes home early.
        page.get_by_label("Pausa till").fill(f"{(clock.now() + 20 * DAY).date()}")
        page.get_by_role("radio", name="English").check()
        page.get_by_role("button", name="Spara").last.click()
        expect(said).to_contain_text("Dina brev är pausade.")
        expect(said).to_contain_text("Breven är nu på engelska.")
        fits(page)
        page.goto(f"{site.address}/mina-amnen")
        page.get_by_role("radio", name="Svenska").check()
        page.get_by_role("button", name="Låt breven komma igen nu").click()
        expect(said).to_contain_text("Pausen är slut.")
        expect(said).to_contain_text("Breven är nu på svenska.")

        # Her letters move to another address, which has to say yes.
        page.get_by_role("link", name="Byt adress").click()
        fits(page)
        page.get_by_label("Din nya e-postadress").fill(new)
        page.get_by_role("button", name="Fråga den nya adressen").click()
        told = site.wait_for_letters(old, 3)[2]
        assert "Byt inte adress" in " ".join(text_of(told).split())
        page.goto(link_in(site.wait_for_letters(new, 1)[0], "ny-adress"))
        page.get_by_role("button", name="Ja, skicka mina brev hit").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Din adress är bytt")
        fits(page)
        page.get_by_role("link", name="Till Mina ämnen").click()
        expect(page.get_by_role("checkbox", name="Hållbarhet")).to_be_checked()

        # She sees her letters, takes a copy, and wants to be forgotten.
        page.get_by_role("link", name="Brev till dig").click()
        expect(page.get_by_role("main").locator("ol > li").first).to_contain_text("Skickat")
        fits(page)
        page.get_by_role("link", name="Tillbaka till Mina ämnen").click()
        with page.expect_download() as download:
            page.get_by_role("link", name="Hämta dina uppgifter").click()
        assert json.loads(download.value.path().read_text())["subscriber"]["address"] == new
        page.get_by_role("link", name="Radera allt").click()
        fits(page)
        page.get_by_label("Ingen ska kunna anmäla min adress igen").check()
        page.get_by_role("button", name="Radera allt om mig").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Allt om dig är raderat")
        fits(page)
        wait_for(lambda: len(site.letters(new)) == 2)
        assert page.context.cookies() == []

        # Nobody can sign her up again, and nobody can tell.
        subscribe(page, site, new, "Bibliotek")
        time.sleep(3)
        assert len(site.letters(new)) == 2


@enlarged_and_wide
def test_ones_own_topics_and_leaving_by_keyboard_alone(browser: Browser, site: Site, view: dict[str, Any]) -> None:
    address = f"eli.{view['width']}@example.org"
    with window(browser, **view) as page:
        site.subscribe(address, "kollektivtrafik", "bibliotek", "kultur")

        # Eli asks for a link with the keyboard, and comes in by it.
        page.goto(f"{site.address}/mina-amnen")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")  # Past the head, to the content.
        tab_to(page, "Din e-postadress", most=3)
        page.keyboard.type(address)
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Titta i din inkorg")
        page.goto(link_in(site.wait_for_letters(address, 2)[1], "logga-in"))
        tab_to(page, "Till Mina ämnen")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Mina ämnen")

        # All that can be chosen comes up in the order of the page; Eli drops a topic, and adds another.
        page.reload()
        seen: list[dict[str, Any]] = []
        for words in ("Logga ut", "Hållbarhet", "Bibliotek"):
            tab_to(page, words, seen)
            if words != "Logga ut":
                page.keyboard.press("Space")
        tab_to(page, "Direkt", seen)
        page.keyboard.press("ArrowDown")
        expect(page.get_by_label("Varje dag")).to_be_checked()
        page.keyboard.press("ArrowUp")
        for words in ("Svenska", "Pausa till", "Spara", "Byt adress", "Brev till dig", "Hämta dina", "Radera allt"):
            tab_to(page, words, seen)
        check_order(seen)
        page.keyboard.press("Shift+Tab")
        while page.evaluate(SEEN)["called"] != "Spara":
            page.keyboard.press("Shift+Tab")
        page.keyboard.press("Enter")
        saved = page.get_by_role("group", name="Sparat")
        expect(saved).to_be_focused()
        expect(saved).to_contain_text("Du följer nu Hållbarhet, direkt.")
        expect(saved).to_contain_text("Du följer inte längre Bibliotek.")

        # From a letter: one topic, or all of it, and back.
        site.run("items", "import", "tests/data/strategi.txt", "--topics", "kollektivtrafik,kultur", "--publish")
        leave = str(site.wait_for_letters(address, 3)[2]["List-Unsubscribe"]).strip("<>")
        page.goto(leave)
        tab_to(page, "Avsluta bara Kultur")
        page.keyboard.press("Enter")
        page.wait_for_url("**/amne/kultur")
        tab_to(page, "Avsluta de här breven")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Breven är avslutade")
        expect(page.get_by_role("main")).to_contain_text("Du följer fortfarande 2 ämnen")
        page.goto(leave)
        tab_to(page, "Avsluta alla brev från oss")
        page.keyboard.press("Enter")
        page.wait_for_url("**/alla")
        tab_to(page, "Avsluta alla brev")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Alla brev är avslutade")
        page.wait_for_load_state()  # Without its style sheet yet, a page shows the focus in another way.
        tab_to(page, "Ångra")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_have_text("Du prenumererar igen")
