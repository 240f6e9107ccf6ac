"""People who think better of it, come too late or end up elsewhere: each page leads on.

With scripts and without, where a page has one; tests/public/test_every_way.py says which do.
"""

import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.conftest import Site, fits, link_in, window, with_and_without_scripts
from tests.journeys.test_my_topics import log_in

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("journeys")]


def test_one_topic_and_then_everything_is_ended_from_a_letter(browser: Browser, site: Site) -> None:
    address = "gun@example.org"
    with window(browser, scripts=False) as page:
        title, press = page.get_by_role("heading", level=1), page.get_by_role("main").get_by_role("button")
        site.subscribe(address, "bibliotek", "stod", "hallbarhet")
        site.run("items", "import", "tests/data/strategi.txt", "--topics", "bibliotek,stod", "--publish")
        whole = str(site.wait_for_letters(address, 2)[1]["List-Unsubscribe"]).strip("<>")

        page.goto(whole)
        page.get_by_role("link", name="Avsluta bara Bibliotek").click()
        fits(page)
        expect(page.get_by_role("main").get_by_role("listitem").filter(has_text="Stöd")).to_have_count(0)
        press.click()
        expect(title).to_have_text("Breven är avslutade")
        expect(page.get_by_role("main")).to_contain_text("Bibliotek")

        page.goto(whole)
        page.get_by_role("link", name="Avsluta alla brev från oss").click()
        expect(title).to_have_text("Vill du avsluta alla brev?")
        fits(page)
        page.get_by_role("button", name="Avsluta alla brev").click()
        expect(title).to_have_text("Alla brev är avslutade")
        fits(page)
        page.get_by_role("button", name="Ångra").click()
        expect(title).to_have_text("Du prenumererar igen")
        expect(page.get_by_role("main")).not_to_contain_text("Bibliotek")  # That one was ended before.
        fits(page)


@with_and_without_scripts
def test_who_comes_too_late_or_takes_something_back_is_led_on(browser: Browser, site: Site, scripts: bool) -> None:
    address, other = (f"{who}.{'med' if scripts else 'utan'}@example.org" for who in ("hans", "hans.ny"))
    with window(browser, scripts=scripts) as page:
        title = page.get_by_role("heading", level=1)
        site.subscribe(address, "bibliotek")
        log_in(page, site, address, letters=2)

        # A new address is asked, and is not wanted after all.
        page.get_by_role("link", name="Byt adress").click()
        page.get_by_label("Din nya e-postadress").fill(other)
        page.get_by_role("button", name="Fråga den nya adressen").click()
        question = site.wait_for_letters(other, 1)[0]
        page.goto(f"{site.address}/mina-amnen")
        fits(page)
        page.get_by_role("button", name="Byt inte adress").click()
        expect(page.get_by_role("main")).not_to_contain_text(other)
        page.goto(link_in(question, "ny-adress"))
        expect(title).to_have_text("Länken fungerar inte längre")
        fits(page)

        # The session ends while something is being chosen; it is saved after coming in again.
        page.get_by_role("link", name="Till Mina ämnen").click()
        page.get_by_role("checkbox", name="Hållbarhet").check()
        page.context.clear_cookies()
        page.get_by_role("button", name="Spara").last.click()
        expect(title).to_have_text("Du har loggats ut")
        fits(page)
        elsewhere = page.context.new_page()
        log_in(elsewhere, site, address, letters=4)
        page.get_by_role("button", name="Spara det jag valde").click()
        expect(page.get_by_role("checkbox", name="Hållbarhet")).to_be_checked()
        expect(page.get_by_role("group", name="Sparat")).to_contain_text("Du följer nu Hållbarhet")

        # After logging out, the link that let in before lets nobody in.
        page.get_by_role("button", name="Logga ut").click()
        expect(title).to_have_text("Du är utloggad")
        fits(page)
        page.goto(link_in(site.wait_for_letters(address, 4)[3], "logga-in"))
        expect(title).to_have_text("Länken fungerar inte längre")
        fits(page)


def test_a_page_that_is_not_there_leads_to_a_search(browser: Browser, site: Site) -> None:
    with window(browser, scripts=False) as page:
        page.goto(f"{site.address}/nyheter/finns-inte")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sidan finns inte")
        fits(page)
        page.get_by_label("Sök bland nyheterna").fill("buss")
        page.get_by_role("button", name="Sök").click()
        expect(page.locator("mark").first).to_be_visible()
        page.get_by_role("contentinfo").get_by_role("link", name="Dina personuppgifter").click()
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        fits(page)
