"""What a first visit costs a reader's phone: octets over the network, requests, and whether anything moves."""

import time

import pytest
from playwright.sync_api import Browser, Page, Route

from tests.conftest import missing
from tests.journeys.conftest import Site

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("journeys")]

MOST_OCTETS = 100_000
MOVES = """
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) window.moved = (window.moved || 0) + entry.value;
}).observe({type: "layout-shift", buffered: true});
"""
STANDS_IN = """document.fonts.load("1rem Stand-in").then(found => found.length > 0, () => false)"""


def item_of(page: Page, site: Site) -> str:
    page.goto(site.address)
    return site.address + str(page.locator("article h2 a").first.get_attribute("href"))


def test_a_first_visit_to_an_item_takes_at_most_a_hundred_kilobytes(browser: Browser, page: Page, site: Site) -> None:
    item = item_of(page, site)
    context = browser.new_context(locale="sv-SE")
    try:
        window = context.new_page()
        network = context.new_cdp_session(window)
        network.send("Network.enable")
        kinds: dict[str, tuple[str, str]] = {}
        took: dict[str, float] = {}
        network.on(
            "Network.responseReceived",
            lambda one: kinds.update({one["requestId"]: (one["type"], one["response"]["url"])}),
        )
        network.on("Network.loadingFinished", lambda one: took.update({one["requestId"]: one["encodedDataLength"]}))
        window.goto(item, wait_until="networkidle")
        octets = {kinds[one]: size for one, size in took.items() if kinds[one][0] != "Image" or "icon" in kinds[one][1]}
    finally:
        context.close()
    assert {"Document", "Stylesheet", "Font"} <= {kind for kind, _url in octets}
    assert sum(octets.values()) <= MOST_OCTETS, octets
    assert len([kind for kind, _url in octets if kind == "Stylesheet"]) == 1


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_moves_when_the_font_comes_late(browser: Browser, page: Page, site: Site, width: int) -> None:
    def wait(route: Route) -> None:
        time.sleep(0.7)
        route.continue_()

    item = item_of(page, site)
    context = browser.new_context(locale="sv-SE", viewport={"width": width, "height": 900})
    try:
        window = context.new_page()
        window.add_init_script(MOVES)
        window.route("**/*.woff2", wait)
        for address in (site.address, item, f"{site.address}/prenumerera"):
            window.goto(address, wait_until="networkidle")
            window.wait_for_function("document.fonts.status === 'loaded'")
            window.wait_for_timeout(200)
            assert window.evaluate("document.fonts.check('1rem \"Schibsted Grotesk\"')")
            if not window.evaluate(STANDS_IN):
                missing("no font to stand in; Debian: apt install fonts-liberation")
            assert (address, window.evaluate("window.moved || 0")) == (address, 0)
    finally:
        context.close()


@pytest.mark.parametrize("path", ["/", "/en/prenumerera"])
def test_the_head_takes_two_rows_on_a_phone(browser: Browser, site: Site, path: str) -> None:
    context = browser.new_context(locale="sv-SE", viewport={"width": 390, "height": 844})
    try:
        page = context.new_page()
        page.goto(site.address + path)
        links = page.locator(".site-header a").evaluate_all("all => all.map(a => a.getBoundingClientRect().toJSON())")
        middles = sorted({round((one["top"] + one["bottom"]) / 2 / 30) for one in links})
        assert len(middles) == 2
        assert all(one["height"] >= 44 and one["width"] >= 44 for one in links)
        assert page.locator(".site-header").evaluate("one => one.getBoundingClientRect().height") <= 130
    finally:
        context.close()
