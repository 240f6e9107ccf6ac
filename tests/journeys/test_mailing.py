"""A mailing on its way: followed live, paused, continued, cancelled; with and without JavaScript."""

import json
import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import wait_for
from tests.journeys.conftest import Site, log_in, run_site

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("slow mailing")]


@pytest.fixture(scope="module")
def slow_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation that sends two letters a second, so that there is something to follow."""
    with run_site(tmp_path_factory.mktemp("slow"), LETTERS_PER_SECOND="2") as found:
        yield found


def publish(page: Page, site: Site, headline: str) -> None:
    """Write an item that some of the demo's subscribers follow, publish it, and go to its mailing."""
    log_in(page, site)
    page.get_by_role("link", name="Skriv en nyhet").click()
    page.get_by_label("Rubrik", exact=True).fill(headline)
    page.get_by_label("Kollektivtrafik").check()
    page.get_by_role("button", name="Spara och visa").click()
    page.get_by_role("button", name="Publicera nu").click()
    item = page.url

    def has_begun() -> bool:
        page.goto(item)
        return page.get_by_role("link", name="Se utskicket").count() > 0

    wait_for(has_begun)
    page.get_by_role("link", name="Se utskicket").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(headline)


def accepted(page: Page) -> int:
    return int(page.locator(".figures .accepted dd").inner_text())


def caught(site: Site, headline: str) -> int:
    """How many letters with this subject the mailbox has."""
    return sum(one["subject"] == headline for one in json.loads(site.read("/dev/mailbox.json")))


def test_a_mailing_is_followed_live_paused_and_continued(page: Page, slow_site: Site) -> None:
    publish(page, slow_site, "Tåg i tid")
    phase, spoken = page.locator(".phase .ds-tag"), page.locator("#spoken")

    # It moves by itself: the page is never loaded again.
    page.evaluate("window.stays = true")
    expect(page.locator(".figures .accepted dd")).not_to_have_text("0", timeout=20_000)
    expect(page.get_by_role("link", name="Läs om")).to_be_hidden()
    expect(page.locator(".bar-foot")).to_contain_text("brev i sekunden", timeout=20_000)
    first = accepted(page)
    wait_for(lambda: accepted(page) > first)
    assert page.evaluate("window.stays") is True

    # Paused with the keyboard; nothing more leaves.
    page.get_by_role("button", name="Pausa").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("Pausat.")
    expect(phase).to_have_text("Pausat")
    time.sleep(3)
    before = caught(slow_site, "Tåg i tid")
    time.sleep(3)
    assert caught(slow_site, "Tåg i tid") == before
    assert before < 50

    # Somebody else continues; this window hears of it, says so once, and has the new button.
    slow_site.run("mailings", "resume", str(mailing_of(page)))
    expect(phase).to_have_text("Skickas", timeout=10_000)
    expect(page.get_by_role("button", name="Pausa")).to_be_visible()
    expect(spoken).to_have_text(re.compile("^Skickas"))

    # The end shows itself, with the certificate.
    expect(phase).to_have_text("Klart", timeout=120_000)
    expect(page.get_by_role("link", name="Läs eller skriv ut protokoll")).to_be_visible(timeout=20_000)
    expect(page.get_by_role("button", name="Pausa")).to_have_count(0)
    expect(spoken).to_have_text(re.compile("^Klart"))
    assert caught(slow_site, "Tåg i tid") == int(page.locator(".figures .selected dd").inner_text())


def mailing_of(page: Page) -> int:
    return int(page.url.rpartition("/")[2])


def test_without_javascript_a_mailing_is_read_again_paused_continued_and_cancelled(
    browser: Browser, slow_site: Site
) -> None:
    context = browser.new_context(java_script_enabled=False, locale="sv-SE")
    try:
        page = context.new_page()
        publish(page, slow_site, "Buss i tid")

        def reads(words: str) -> bool:
            page.get_by_role("link", name="Läs om").click()
            return words in page.locator(".phase").inner_text()

        wait_for(lambda: reads("Skickas"))
        page.get_by_role("button", name="Pausa").click()
        expect(page.locator(".phase")).to_contain_text("Pausat")
        page.get_by_role("button", name="Fortsätt").click()
        expect(page.locator(".phase")).to_contain_text("Skickas")

        page.get_by_role("link", name="Avbryt utskicket …").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Avbryta utskicket?")
        expect(page.get_by_role("main")).to_contain_text("kommer aldrig att skickas.")
        page.get_by_role("button", name="Avbryt för gott").click()
        expect(page.locator(".phase")).to_contain_text("Avbr")
        mailing = page.url

        def is_over() -> bool:
            page.goto(mailing)
            return page.locator(".phase .ds-tag").inner_text() == "Avbrutet"

        wait_for(is_over)
        assert int(page.locator(".figures .skipped dd").inner_text()) > 0
        expect(page.locator(".reasons")).to_contain_text("Utskicket avbröts innan brevet gick iväg.")
    finally:
        context.close()
