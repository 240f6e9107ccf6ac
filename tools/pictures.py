"""What `make looks` takes pictures of, how each page is come to, and the document that shows them.

PAGES is also the way that is walked, from the top down: a page without an address goes on from the one before it.
"""

import base64
import contextlib
import datetime as dt
import functools
import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NoReturn
from urllib.parse import urljoin

import flask_migrate
from playwright.sync_api import Browser, Page, Route
from sqlalchemy.orm import Session

from config import load
from newsroom import clock, create_app
from newsroom.extensions import db
from newsroom.public.reader import COOKIE as READER_COOKIE
from tests.letters import Specimen, write_letters

Scheme = Literal["light", "dark"]
SCHEMES: tuple[Scheme, ...] = ("light", "dark")
WIDTHS = {390: 0.72, 1280: 0.5}  # In pixels, each with the scale at which its pictures are kept.
TALLEST = {390: 1700, 1280: 1900}  # Pixels of a page that a picture shows.
QUALITY = 50  # Of WebP; text stays readable, and all pictures together small.
PAGES = {  # What docs/looks.md shows, by chapter: each page's name, and what stands above it.
    "Reading": {
        "front": "The front page",
        "front-english": "The front page in English",
        "news": "All news",
        "search": "A search",
        "item": "An item",
        "strategy": "An item that came as plain text",
        "topics": "All topics",
        "topic": "A topic",
    },
    "Subscribing": {
        "subscribe": "Choosing topics",
        "subscribe-own": "Choosing how often for each topic",
        "subscribe-wrong": "Choosing topics, with something to mend",
        "almost": "Almost done",
        "confirm": "What the confirmation link leads to",
        "welcome": "After the yes",
        "too-old": "A confirmation link that is older than a week",
        "leave": "What the link to leave leads to",
        "left": "After leaving",
        "restored": "And after taking that back",
        "leave-all": "Leaving everything",
        "cannot-undo": "Taking that back too late",
    },
    "My topics": {
        "login": "The way in",
        "login-sent": "After asking for a link",
        "login-link": "What the login link leads to",
        "my-topics": "What one follows",
        "my-topics-own": "How often for each topic",
        "my-topics-saved": "After saving",
        "my-topics-paused": "While letters are paused",
        "session-over": "Saving when the session is over",
        "my-letters": "The letters one has been sent",
        "my-address": "Changing one's address",
        "address-asked": "After asking for another address",
        "logged-out": "After logging out",
        "login-over": "A login link that was used",
        "address-confirm": "What the link in the letter to a new address leads to",
        "address-changed": "After the yes from there",
        "address-over": "That link, followed once more",
        "my-erasing": "Erasing everything",
        "erased": "And when that is done",
    },
    "About the site, and what goes wrong": {
        "about": "About the news",
        "privacy": "Personal data",
        "accessibility": "The accessibility statement",
        "missing": "A page that isn't there",
        "withdrawn": "An item that was taken back",
        "unsaved": "Subscribing while the database is away",
        "error-429": "Too many sign-ups from one network",
        "error-500": "A fault of ours",
        "error-503": "A page whose news can't be read",
    },
    "Letters": {
        "letter-confirmation": "Asking for a confirmation",
        "letter-reminder": "And asking once more, a day later",
        "letter-news": "One item",
        "letter-digest": "A day's news",
        "letter-weekly": "A week's news",
        "letter-long-digest": "A day with more news than a letter holds",
        "letter-long-digest-end": "And how that letter ends",
        "letter-urgent": "An important message",
        "letter-correction": "A correction",
        "letter-login": "A login link",
        "letter-change": "A new address that is to say yes",
        "letter-changed": "And the old one, which is told",
        "letter-goodbye": "Everything is erased",
    },
    "The desk": {
        "desk": "All items",
        "desk-item": "One item",
        "desk-edit": "Writing",
        "desk-urgent": "An important message, before it goes",
        "desk-rehearsal": "A rehearsal",
        "desk-mailings": "Mailings",
        "desk-mailing": "A mailing that is finished",
        "desk-mailing-paused": "A mailing that is paused",
        "desk-mailing-held": "A mailing that waits for a yes",
        "desk-mailing-digest": "A digest's mailing",
        "desk-cancel": "Before a mailing is cancelled",
        "desk-certificate": "A certificate",
        "desk-topics": "Topics",
        "desk-topic": "What a topic covers",
        "desk-installation": "What may send",
    },
    "The mailbox of a development machine": {
        "mailbox": "Letters caught",
        "letter": "A letter caught",
        "desk-mailbox": "Rehearsed letters, at the desk",
    },
}
SHOWN_FROM = {  # What a picture begins with, where that isn't the page's top.
    "subscribe-own": "fieldset:has(> div > #frequency-direct)",
    "my-topics-own": "fieldset:has(> div > #frequency-direct)",
    "letter-long-digest-end": "h3 >> nth=-3",
}
CUT_AT = {"my-topics-saved": 900, "my-topics-paused": 900, "letter-long-digest": 900}  # Where the rest says no more.
SAVE = ".steps button[data-size=lg]"
RARE = ("weekly", "long daily")

Step = Callable[[Page], object]
"""What is done on the page that is open before the picture is taken."""


def press(page: Page, what: str) -> None:
    """Send a form, and wait for the page that answers."""
    with page.expect_navigation(wait_until="networkidle"):
        page.locator(what).last.click()


def presses(what: str) -> Step:
    """A step that only presses something."""
    return lambda page: press(page, what)


def asks_with(address: str) -> Step:
    """A step that fills an address in and sends it."""

    def ask(page: Page) -> None:
        page.locator("#email").fill(address)
        press(page, SAVE)

    return ask


def choose_own(page: Page) -> None:
    """Want the first of the chosen topics once a week, and the others at once."""
    page.locator("#frequency-own").check()
    with page.expect_response("**/uppskattning*"):
        page.locator("#own select:visible").first.select_option("weekly")


def follow_another(page: Page) -> None:
    page.locator("#topic-kultur").check()
    press(page, SAVE)


def pause(page: Page) -> None:
    """Save a pause, and come back to the page later."""
    page.locator("#pause").fill((clock.now() + dt.timedelta(days=21)).date().isoformat())
    press(page, SAVE)
    open_again(page)


def open_again(page: Page) -> None:
    page.goto(page.url, wait_until="networkidle")


def save_without_session(page: Page) -> None:
    """Press as somebody does whose session has ended since the page was opened; it is there again afterwards."""
    cookies: Any = [one for one in page.context.cookies() if one["name"] == READER_COOKIE]
    page.context.clear_cookies(name=READER_COOKIE)
    press(page, SAVE)
    page.context.add_cookies(cookies)


def undo_too_late(page: Page) -> None:
    """Leave, and press a button for undoing that is good no longer."""
    press(page, "main button")
    page.locator("[name=undo]").evaluate("field => field.value = 'of the day before yesterday'")
    press(page, "main button")


def ask_too_often(page: Page) -> None:
    """Press after others in the same network have pressed as often as anybody may."""
    page.locator("#email").fill("cilla@example.org")
    while page.request.post(page.url).status != 429:
        pass
    press(page, SAVE)


@contextlib.contextmanager
def broken(page: Page) -> Iterator[None]:
    """Let a site answer whose database is away, and whose /fel crashes; styles still come from the real one."""

    def crash() -> NoReturn:
        raise RuntimeError("on purpose")

    def answer(route: Route) -> None:
        asked = route.request
        kind = asked.headers.get("content-type")
        got = client.open(asked.url, method=asked.method, data=asked.post_data_buffer, content_type=kind)
        route.fulfill(status=got.status_code, body=got.get_data(), content_type=got.content_type)

    with tempfile.TemporaryDirectory() as folder:
        away = f"sqlite:///{folder}/nowhere/newsroom.sqlite3"
        app = create_app(load({"NEWSROOM_INSTANCE_PATH": folder, "NEWSROOM_SQLALCHEMY_DATABASE_URI": away}))
        app.add_url_rule("/fel", view_func=crash)
        client = app.test_client()
        page.route(lambda address: "/static/" not in address, answer)
        logging.disable()  # What goes wrong here does so on purpose.
        yield
        logging.disable(logging.NOTSET)
        page.unroute_all()


def save_in_vain(page: Page) -> None:
    page.locator("#email").fill("cilla@example.org")
    with broken(page):
        press(page, SAVE)


def opens_broken(path: str) -> Step:
    """A step that opens a page while the site is broken."""

    def open_it(page: Page) -> None:
        with broken(page):
            page.goto(urljoin(page.url, path), wait_until="networkidle")

    return open_it


@functools.cache
def rare_letters() -> Mapping[tuple[str, str], Specimen]:
    """Letters that take a week, or very much news; made as the tests make them."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(load({"NEWSROOM_INSTANCE_PATH": folder}))
        with app.app_context():
            flask_migrate.upgrade()
            with Session(db.engine) as session:
                found = write_letters(app, session, by=clock.now(), names=[(kind, "sv") for kind in RARE])
            db.engine.dispose()
    return found


def shows_letter(kind: str) -> Step:
    """A step that opens one of the rare letters."""

    def show(page: Page) -> None:
        page.goto("about:blank")
        page.set_content(rare_letters()[kind, "sv"].html)

    return show


STEPS: Mapping[str, Step] = {
    "subscribe-own": choose_own,
    "subscribe-wrong": presses(SAVE),
    "almost": asks_with("cilla@example.org"),
    "left": presses("main button"),
    "restored": presses("main button"),
    "cannot-undo": undo_too_late,
    "login-sent": asks_with("ana@example.org"),
    "my-topics": presses("main button[type=submit]"),
    "my-topics-own": choose_own,
    "my-topics-saved": follow_another,
    "my-topics-paused": pause,
    "session-over": save_without_session,
    "address-asked": asks_with("ana.ny@example.org"),
    "logged-out": presses(".whose button"),
    "address-changed": presses("main button"),
    "address-over": open_again,
    "erased": presses(SAVE),
    "error-429": ask_too_often,
    "unsaved": save_in_vain,
    "error-500": opens_broken("/fel"),
    "error-503": opens_broken("/nyheter"),
    "letter-weekly": shows_letter("weekly"),
    "letter-long-digest": shows_letter("long daily"),
    "letter-long-digest-end": shows_letter("long daily"),
}


def log_in(page: Page, site: str, instance: Path) -> None:
    """Open the desk with the installation's own login."""
    email, password = (instance / "editor-login").read_text().split()
    page.goto(f"{site}/desk/login")
    page.locator("#email").fill(email)
    page.locator("#password").fill(password)
    page.locator("main button").click()


def shoot(browser: Browser, site: str, instance: Path, addresses: Mapping[str, str], folder: Path) -> None:
    """Open every page of PAGES once, and take it at every width in every scheme."""
    context = browser.new_context(reduced_motion="reduce", locale="sv-SE")
    page = context.new_page()
    log_in(page, site, instance)
    for name in (name for chapter in PAGES.values() for name in chapter):
        if name in addresses:
            page.goto(site + addresses[name], wait_until="networkidle")
        if name in STEPS:
            STEPS[name](page)
        page.mouse.move(0, 0)
        take(page, name, folder)
    context.close()


def top_of(page: Page, what: str) -> int:
    """Where something on a page begins, in pixels from the page's top, with a little air above it."""
    return int(page.locator(what).evaluate("one => one.getBoundingClientRect().top + scrollY")) - 16


def take(page: Page, name: str, folder: Path) -> None:
    """The page that is open, at every width in every scheme."""
    chrome = page.context.new_cdp_session(page)
    for width, scale in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            top = top_of(page, SHOWN_FROM[name]) if name in SHOWN_FROM else 0
            whole = int(page.evaluate("document.documentElement.scrollHeight"))
            height = min(whole - top, CUT_AT.get(name, TALLEST[width]))
            clip = {"x": 0, "y": top, "width": width, "height": height, "scale": scale}
            how = {"format": "webp", "quality": QUALITY, "clip": clip, "captureBeyondViewport": True}
            taken = chrome.send("Page.captureScreenshot", how)
            (folder / f"{name}-{width}-{scheme}.webp").write_bytes(base64.b64decode(taken["data"]))
    chrome.detach()


def join(browser: Browser, site: str, pages: dict[str, str], folder: Path) -> None:
    """One picture for the README, of the pages that say most."""
    images = []
    for name, width, scheme in (("front", 1280, "light"), ("subscribe", 390, "light"), ("item", 390, "dark")):
        page = browser.new_page(
            viewport={"width": width, "height": 1000},
            color_scheme="light" if scheme == "light" else "dark",
            locale="sv-SE",
        )
        page.goto(site + pages[name], wait_until="networkidle")
        images.append(page.screenshot())
        page.close()
    page = browser.new_page(viewport={"width": 1300, "height": 640})
    shown = "".join(f'<img src="{as_data(image)}">' for image in images)
    page.set_content(
        "<style>body{margin:0;padding:20px;display:flex;gap:20px;background:#c9d3df}"
        f"img{{height:600px;border-radius:8px}}</style>{shown}"
    )
    page.screenshot(path=folder / "newsroom.png")
    page.close()


def write_document(path: Path, folder: Path) -> None:
    """The document that shows every picture, made from PAGES."""
    lines = ["# How it looks", "", "Made by `make looks`. Each page at 390 and 1280 pixels, by day and by night.", ""]
    for chapter, names in PAGES.items():
        lines += [f"## {chapter}", ""]
        for name, caption in names.items():
            lines += [f"### {caption}", "", "<p>"]
            for width in WIDTHS:
                for scheme in SCHEMES:
                    picture = f"{folder.name}/{name}-{width}-{scheme}.webp"
                    says = f"{caption}, {width} pixels wide, {scheme}"
                    shown = 160 if width < 600 else 440
                    lines.append(f'<a href="{picture}"><img src="{picture}" alt="{says}" width="{shown}"></a>')
            lines += ["</p>", ""]
    path.write_text("\n".join(lines))


def as_data(image: bytes) -> str:
    """A picture as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(image).decode()
