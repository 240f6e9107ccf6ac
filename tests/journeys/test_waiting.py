"""Those who wait for their letter: it is sent again after a minute, and a day later they are reminded once."""

import sqlite3
import time
from contextlib import ExitStack, closing

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.journeys.conftest import Site, fits, link_in, text_of, window
from tests.journeys.test_whole_way import subscribe

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("journeys")]


def let_a_day_pass(site: Site, address: str) -> None:
    """Move what an address asked for back by a day, as if it had been asked for then."""
    with closing(sqlite3.connect(site.instance / "newsroom.sqlite3", timeout=30)) as database, database:
        moved = database.execute(
            "UPDATE signup SET requested_at = strftime('%Y-%m-%d %H:%M:%f000', requested_at, '-1 day'),"
            " remind_at = strftime('%Y-%m-%d %H:%M:%f000', remind_at, '-1 day')"
            " WHERE subscriber_id = (SELECT id FROM subscriber WHERE address = ?)",
            [address],
        )
        assert moved.rowcount == 1


def say_yes(page: Page, link: str) -> None:
    page.goto(link)
    fits(page)
    page.get_by_role("button", name="Ja, jag vill prenumerera").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Klart!")


def test_a_second_letter_after_a_minute_and_a_reminder_after_a_day(browser: Browser, site: Site) -> None:
    """With scripts and without, side by side, so that the minute passes once."""
    began = time.monotonic()
    with ExitStack() as stack:
        windows = {
            name: stack.enter_context(window(browser, scripts=scripts))
            for name, scripts in (("med", True), ("utan", False))
        }
        for name, page in windows.items():
            subscribe(page, site, f"vera.{name}@example.org", "Bibliotek")
        for name, page in windows.items():
            address = f"glomsk.{name}@example.org"
            forgetful = page.context.new_page()
            subscribe(forgetful, site, address, "Bibliotek")
            site.wait_for_letters(address, 1)
            let_a_day_pass(site, address)
            reminder = site.wait_for_letters(address, 2)[1]
            assert str(reminder["Subject"]).startswith("Påminnelse: vill du ha nyheter")
            assert "Bibliotek" in text_of(reminder)
            say_yes(forgetful, link_in(reminder, "bekrafta"))

        time.sleep(max(0, began + 65 - time.monotonic()))
        for name, page in windows.items():
            page.get_by_role("button", name="Skicka brevet igen").click()
            expect(page.get_by_role("status")).to_have_text("Vi har skickat brevet igen.")
            fits(page)
            first, second = site.wait_for_letters(f"vera.{name}@example.org", 2)
            say_yes(page, link_in(second, "bekrafta"))
            page.goto(link_in(first, "bekrafta"))
            fits(page)
            site.wait_for_letters(f"vera.{name}@example.org", 2)
