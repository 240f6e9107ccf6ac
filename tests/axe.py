"""axe-core (WCAG 2.2 A and AA) on pages and letters in a real browser, by day and by night.

`make accessibility` runs the tests that `note` what they looked at, with a file to keep it in, which the accessibility
statement reads.
"""

import datetime as dt
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal, Protocol, TypeVar
from urllib.parse import urlsplit

import lxml.html
from axe_playwright_python.base import AXE_SCRIPT
from flask.testing import FlaskClient
from playwright.sync_api import Browser, Page, Route

from config import PROJECT

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
OPTIONS = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],
}
# By night only colours are others: what is there, what it is called and how large it is, has been looked at by day.
COLOURS = OPTIONS | {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}
TOOL = {"tool": "axe-core", "version": re.findall(r"axe v([\d.]+)", AXE_SCRIPT)[0]}
KEPT = PROJECT / "newsroom" / "accessibility.json"
KEEPS = os.environ.get("NEWSROOM_TEST_KEEPS_ACCESSIBILITY") == "yes"
SMALLEST, WIDE = 320, 1280  # CSS pixels. WCAG 2.2, success criterion 1.4.10: nothing to scroll sideways at 320.

# What makes a page wider than its window, if anything does.
STICKS_OUT = """() => document.documentElement.scrollWidth <= innerWidth ? [] : [...document.querySelectorAll('body *')]
  .filter(one => one.getBoundingClientRect().right > innerWidth).map(one => one.outerHTML.slice(0, 80))"""

T = TypeVar("T", bound="Shown")
Found = tuple[Scheme, str, Any]
"""The scheme, the rule's name, and where."""


@contextmanager
def inspected(browser: Browser, **settings: Any) -> Iterator[Page]:
    """A window that lets axe in, and changes between day and night at once instead of by and by."""
    context = browser.new_context(bypass_csp=True, reduced_motion="reduce", locale="sv-SE", **settings)
    context.add_init_script(AXE_SCRIPT)
    try:
        yield context.new_page()
    finally:
        context.close()


def find_violations(page: Page, *schemes: Scheme) -> list[Found]:
    """What axe finds on a page as it is, in both schemes or one; in the second, by its colours."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(AXE_SCRIPT)
    found: list[Found] = []
    for number, scheme in enumerate(schemes or SCHEMES):
        page.emulate_media(color_scheme=scheme)
        options = COLOURS if number else OPTIONS
        for one in page.evaluate("options => axe.run(options).then(found => found.violations)", options):
            found.append((scheme, one["id"], [node["target"] for node in one["nodes"]]))
    return found


class Shown(Protocol):
    """A page that somebody came to: by which of the site's rules, at which address, and what it was."""

    @property
    def rule(self) -> str: ...
    @property
    def path(self) -> str: ...
    @property
    def html(self) -> str: ...


def structure_of(html: str) -> tuple[Any, ...]:
    """What a page is built of: its elements in order, each with its classes, the names of its attributes, and whether
    there are words. What axe has to say hangs on these, on the language, and hardly on which words they are."""
    elements = lxml.html.document_fromstring(html).iter(lxml.etree.Element)
    return tuple((one.tag, one.get("class"), *sorted(one.attrib), bool((one.text or "").strip())) for one in elements)


def built_differently(pages: Iterable[T]) -> list[T]:
    """Of each kind of page, in each language, the first of each structure."""
    found: dict[tuple[Any, ...], T] = {}
    for page in pages:
        found.setdefault((page.rule, page.path.startswith("/en"), structure_of(page.html)), page)
    return list(found.values())


def inspect(
    browser: Browser, client: FlaskClient, pages: Iterable[Shown], *, also: Callable[[Page], None] = lambda _page: None
) -> dict[str, list[Any]]:
    """Open pages as they were answered, in a browser; gives what is wrong with each, by its rule. `also` sees them too.

    The styles, scripts and pictures that they ask for are answered by the site itself. By night each structure is
    looked at once: its colours don't hang on the language. A page without scripts is written into the window where axe
    is loaded already, since loading it anew for each takes a fifth of the time.
    """
    site, html = "http://newsroom.test", ""
    seen_by_night: set[tuple[Any, ...]] = set()

    def answer(route: Route) -> None:
        if route.request.is_navigation_request():
            route.fulfill(body=html, content_type="text/html; charset=utf-8")
            return
        parts = urlsplit(route.request.url)
        with client.get(f"{parts.path}?{parts.query}") as got:
            route.fulfill(status=got.status_code, body=got.get_data(), content_type=got.content_type)

    found: dict[str, list[Any]] = {}
    with inspected(browser, viewport={"width": WIDE, "height": 800}) as window:
        window.route("**/*", answer)
        for page in pages:
            html = page.html
            if window.url.startswith(site) and 'type="module"' not in html:
                window.evaluate("path => history.replaceState(null, '', path)", page.path)
                window.set_content(html)
            else:
                window.goto(site + page.path)
            also(window)
            structure = structure_of(html)
            wrong: list[Any] = find_violations(window, *(SCHEMES[:1] if structure in seen_by_night else SCHEMES))
            seen_by_night.add(structure)
            window.set_viewport_size({"width": SMALLEST, "height": 640})
            if sticks_out := window.evaluate(STICKS_OUT):
                wrong.append(("both", "has to be scrolled sideways", sticks_out))
            window.set_viewport_size({"width": WIDE, "height": 800})
            found.setdefault(page.rule, []).extend((page.path, *one) for one in wrong)
    return found


def keep(part: Literal["pages", "desk", "letters"], found: Mapping[str, list[Any]], *, count: int) -> None:
    """Keep what was looked at and found, where the run is for that; otherwise the kept must tell of the same.

    `found` has a list for everything that was looked at, by its name, empty where it is as it should be; `count` says
    how many there were of them, since some have a name in common.
    """
    kept = json.loads(KEPT.read_text())
    if KEEPS:
        findings = [one for one in kept["findings"] if one["part"] != part]
        findings += [
            {"part": part, "page": name, "rule": rule, "count": sum(one[-2] == rule for one in some)}
            for name, some in sorted(found.items())
            for rule in sorted({one[-2] for one in some})
        ]
        kept |= TOOL | {part: sorted(found), "counts": kept["counts"] | {part: count}, "findings": findings}
        kept["date"] = dt.datetime.now(dt.UTC).date().isoformat()
        KEPT.write_text(json.dumps(kept, indent=2, ensure_ascii=False) + "\n")
    assert TOOL.items() <= kept.items(), "axe is another by now: make accessibility"
    wrong = {name: some for name, some in found.items() if some}
    assert wrong == {}, json.dumps(wrong, indent=1, ensure_ascii=False)
    assert kept[part] == sorted(found), "what the accessibility statement tells of is no longer so: make accessibility"
    assert [one for one in kept["findings"] if one["part"] == part] == []
