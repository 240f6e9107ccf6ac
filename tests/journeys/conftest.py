"""A whole Newsroom, started as people start it, and a real browser in front of it."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Page, expect

import config
from newsroom import create_app
from newsroom.extensions import db
from tests.axe import STICKS_OUT
from tests.conftest import LONG_ENOUGH, free_port, wait_for

PROJECT = Path(__file__).resolve().parents[2]


expect.set_options(timeout=30_000)

WIDTHS = (320, 390, 1280)
ENLARGED: dict[str, Any] = {"width": 320, "height": 256, "scale": 4}
"""A window of 1280 × 1024 at 400 %, in CSS pixels: WCAG 2.2, success criterion 1.4.10."""
enlarged_and_wide = pytest.mark.parametrize("view", [ENLARGED, {"width": 1280}], ids=["400 %", "1280"])
with_and_without_scripts = pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "plain"])


# Which buttons can't be pressed where they are brought into view: they have no size, are disabled, or covered.
OUT_OF_REACH = """() => [...document.querySelectorAll("main button:not([aria-hidden])")].filter(one => {
  if (!one.checkVisibility()) return false;
  one.scrollIntoView({block: "center", behavior: "instant"});
  const box = one.getBoundingClientRect();
  const above = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  return one.disabled || box.width === 0 || box.height === 0 || !one.contains(above);
}).map(one => one.outerHTML.slice(0, 80))"""


def fits(page: Page) -> None:
    """At every width nothing sticks out, and every button can be pressed: it is seen, and nothing covers it.

    The window then has the next width, so that what is really pressed is pressed at each in turn.
    """
    page.wait_for_load_state()
    here = WIDTHS.index(page.viewport_size["width"] if page.viewport_size else 0)
    for width in (WIDTHS[here], WIDTHS[here - 1], WIDTHS[here - 2]):  # The one before the last is the next.
        if width != WIDTHS[here]:
            page.set_viewport_size({"width": width, "height": 800})
        assert page.evaluate(STICKS_OUT) == [], f"at {width} pixels"
        assert page.evaluate(OUT_OF_REACH) == [], f"at {width} pixels"


@contextmanager
def window(
    browser: Browser, width: int = WIDTHS[0], *, height: int = 800, scripts: bool = True, scale: float = 1
) -> Iterator[Page]:
    """A reader's window; what fails in it fails the test."""
    context = browser.new_context(
        viewport={"width": width, "height": height},
        java_script_enabled=scripts,
        device_scale_factor=scale,
        locale="sv-SE",
    )
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda said: failures.append(said.text) if "Content Security Policy" in said.text else None)
    yield page
    # Only who has said yes is known, and only among their own topics.
    assert {cookie["path"] for cookie in context.cookies()} <= {"/mina-amnen", "/en/mina-amnen"}
    context.close()
    assert failures == []


# What the browser says about the element that has the focus.
SEEN = """() => {
  const one = document.activeElement;
  const box = one.getBoundingClientRect();
  // A checkbox shows its focus around its whole field.
  const marks = [one, one.closest(".ds-field")].filter(Boolean).map((element) => getComputedStyle(element));
  const shown = marks.some((style) => (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2)
    || (style.boxShadow !== "none" && /[1-9]/.test(style.boxShadow.replace(/rgba?\\([^)]*\\)/g, ""))));
  const first = one.getClientRects()[0]; // A link may begin at the end of a line, and go on below.
  const x = first.left + Math.min(first.width / 2, 20), y = first.top + Math.min(first.height / 2, 20);
  const above = document.elementFromPoint(x, y);
  const order = [...document.querySelectorAll("a, button, input, select, summary, textarea, [tabindex]")].indexOf(one);
  return {
    name: one.name || one.textContent.trim(), kind: one.type || one.tagName, order, shown,
    called: (one.labels?.[0] || one).textContent.trim(), within_main: one.closest("main") !== null,
    top: box.top + scrollY, left: box.left,
    within: box.left >= 0 && box.right <= innerWidth + 1 && box.top >= 0 && box.top < innerHeight,
    free: above !== null && (above === one || one.contains(above) || above.contains(one)),
  };
}"""


def tab(page: Page, seen: list[dict[str, Any]]) -> dict[str, Any]:
    """Move on by keyboard; gives what has the focus then, which shows, and adds it to what was seen."""
    page.keyboard.press("Tab")
    now: dict[str, Any] = page.evaluate(SEEN)
    assert now["shown"], f"the focus doesn't show: {now}"
    assert now["within"], f"the focus is out of sight: {now}"
    assert now["free"], f"something covers the focus: {now}"
    seen.append(now)
    return now


def tab_to(page: Page, words: str, seen: list[dict[str, Any]] | None = None, *, most: int = 80) -> None:
    """Move on by keyboard until something has the focus that is called so."""
    for _ in range(most):
        if words in str(tab(page, [] if seen is None else seen)["called"]):
            return
    raise AssertionError(f"nothing called {words} comes up")


def check_order(seen: list[dict[str, Any]]) -> None:
    """The order of the keyboard is the order of the page, and the one that eyes follow: down, or on to the right."""
    order = [one["order"] for one in seen]
    assert order == sorted(order)
    for one, following in pairwise(seen):
        assert following["top"] >= one["top"] or following["left"] > one["left"], (one, following)


@dataclass
class Site:
    """A running Newsroom: its address and its instance folder."""

    address: str
    instance: Path

    def login(self) -> tuple[str, str]:
        """The e-mail address and password of the editor made for this installation."""
        email, password = (self.instance / "editor-login").read_text().split()
        return email, password

    def run(self, *words: str) -> str:
        """Run a `newsroom` command on this installation, from outside of it; gives what it printed."""
        app = create_app(config.load(os.environ | environ_of(self.instance, int(self.address.rpartition(":")[2]))))
        done = app.test_cli_runner().invoke(args=words)
        with app.app_context():
            db.engine.dispose()
        assert done.exit_code == 0, done.output
        return done.output

    def letters(self, to: str) -> list[dict[str, Any]]:
        """What the mailbox lists for somebody, newest first."""
        return list(json.loads(self.read(f"/dev/mailbox.json?to={to}")))

    def wait_for_letters(self, to: str, count: int) -> list[EmailMessage]:
        """Somebody's letters, oldest first, once there are so many."""
        wait_for(lambda: len(self.letters(to)) >= count)
        time.sleep(0.5)  # Long enough for one too many to show itself.
        found = self.letters(to)
        assert len(found) == count
        return [
            message_from_bytes(self.read(one["eml"].removeprefix(self.address)), policy=policy.default)
            for one in reversed(found)
        ]

    def subscribe(self, address: str, *slugs: str) -> None:
        """Let somebody have subscribed, for journeys that begin later: no window is opened for it."""
        self._send("/prenumerera", email=address, topics=slugs, frequency="direct")
        self._send(link_in(self.wait_for_letters(address, 1)[0], "bekrafta").removeprefix(self.address))

    def read(self, path: str) -> bytes:
        with urllib.request.urlopen(self.address + path, timeout=10) as answer:
            return bytes(answer.read())

    def _send(self, path: str, **fields: object) -> None:
        urllib.request.urlopen(self.address + path, urlencode(fields, doseq=True).encode(), timeout=10).close()


def environ_of(instance: Path, port: int) -> dict[str, str]:
    return {"NEWSROOM_INSTANCE_PATH": str(instance), "NEWSROOM_PORT": str(port)}


def answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=2).close()
    except OSError:
        return False
    return True


@contextmanager
def run_site(instance: Path, **values: str) -> Iterator[Site]:
    """A fresh installation with its demo content, as `make run` starts it, with further settings."""
    port = free_port()
    environ = os.environ | environ_of(instance, port) | {f"NEWSROOM_{name}": value for name, value in values.items()}
    process = subprocess.Popen([sys.executable, "-m", "newsroom", "up"], env=environ, cwd=PROJECT)
    try:
        found = Site(f"http://127.0.0.1:{port}", instance)
        wait_for(lambda: answers(f"{found.address}/healthz"))
        yield found
    finally:
        process.terminate()
        assert process.wait(LONG_ENOUGH) == 0


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """An installation that the journeys share."""
    with run_site(tmp_path_factory.mktemp("instance")) as found:
        yield found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A reader's window; a script that fails on a page fails the test."""
    context = browser.new_context(locale="sv-SE")
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda said: failures.append(said.text) if "Content Security Policy" in said.text else None)
    yield page
    context.close()
    assert failures == []


def text_of(letter: EmailMessage, kind: str = "plain") -> str:
    """A letter's plain or html part."""
    part = letter.get_body((kind,))
    assert part is not None, f"no {kind} part"
    return str(part.get_content())


def link_in(letter: EmailMessage, kind: str) -> str:
    """The link of a kind in a letter's text."""
    found = re.search(rf"https?://\S+/{kind}/\S+", text_of(letter))
    assert found, f"no {kind} link"
    return found.group()


def log_in(page: Page, site: Site) -> None:
    """Open the desk with the installation's own login."""
    email, password = site.login()
    page.goto(f"{site.address}/desk/login")
    page.get_by_label("E-postadress").fill(email)
    page.get_by_label("Lösenord").fill(password)
    page.get_by_role("button", name="Logga in").click()
    page.get_by_role("heading", name="Nyheter").wait_for()
