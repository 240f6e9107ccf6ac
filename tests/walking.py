"""A reader who goes every way: each link is followed and each form is sent, from the front page and from letters."""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin, urlsplit

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from newsroom import clock
from newsroom.news import publishing
from tests.factories import DAY, HOUR, MINUTE, make_item, make_subscriber, make_topics
from tests.pages import filled_in, read_page
from tests.reader import log_in, receive, text_of

SITE = "http://127.0.0.1:8000"
NOT_READERS = ("/desk", "/dev", "/static", "/healthz", "/robots.txt", "/sitemap", "/feeds")
LAST = ("addressing.cancel", "login.log_out", "own_data.erase")  # After these there is less to walk on.
ONCE = (*LAST, "login.log_in", "addressing.confirm")  # These work once; others are sent in either language.
OFTEN_ENOUGH = 6  # Pages of one kind that are opened.
RICH = """## Så går det till

Bron öppnar i **två** steg, *ett i taget*. Läs mer hos [Trafik](https://trafik.example.org/).

- Till fots
- Med cykel

1. Först norra sidan
2. Sedan södra

> Det har dröjt, men nu är den snart färdig.

### Tider

| Dag | Öppnar | Stänger |
|---|---:|---:|
| Måndag | 8.00 | 17.00 |
| Tisdag | 8.00 | 17.00 |
"""
FACTS = """Om bron

- Byggd 1936
- 215 meter lång
"""


@dataclass(frozen=True)
class Shown:
    """A page that somebody came to: how, by which of the site's rules, at which address."""

    method: str
    rule: str
    path: str
    html: str


class Walk:
    """A reader who tries everything once. `went` has each method and endpoint that answered well, `shown` the pages."""

    def __init__(self, app: Flask, client: FlaskClient) -> None:
        self._client = client
        self._routes = app.url_map.bind("127.0.0.1")
        self._to_open: deque[str] = deque()
        self._to_send: deque[tuple[str, str, dict[str, Any]]] = deque()
        self._to_end: list[tuple[str, str, dict[str, Any]]] = []
        self._opened: dict[str, set[str]] = {}
        self._sent: set[tuple[str, ...]] = set()
        self.went: set[tuple[str, str]] = set()
        self.shown: list[Shown] = []

    def go(self, *addresses: str) -> None:
        """Walk on from these addresses until there is nothing new."""
        for address in addresses:
            self._note(address, "/")
        while self._to_open or self._to_send:
            if self._to_open:
                self._open(self._to_open.popleft())
            else:
                self._send(*self._to_send.popleft())

    def has_more(self) -> bool:
        """Whether there is a form left that ends something."""
        return bool(self._to_end)

    def end(self) -> None:
        """Send one of the forms that end something, and walk on from there."""
        self._to_end.sort(key=lambda one: LAST.index(self._endpoint(one[1], one[0])))
        self._send(*self._to_end.pop(0))
        self.go()

    def _rule(self, path: str, method: str = "GET") -> Rule:
        rule, _values = self._routes.match(re.sub("^/en(?=/|$)", "", path) or "/", method=method, return_rule=True)
        return rule

    def _endpoint(self, path: str, method: str = "GET") -> str:
        return str(self._rule(path, method).endpoint)

    def _note(self, address: str, page: str) -> None:
        parts = urlsplit(urljoin(SITE + page, address))
        if f"{parts.scheme}://{parts.netloc}" != SITE or parts.path.startswith(NOT_READERS):
            return
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        kind = f"{path.startswith('/en')} {self._endpoint(parts.path)}"
        opened = self._opened.setdefault(kind, set())
        if path not in opened and len(opened) < OFTEN_ENOUGH:
            opened.add(path)
            self._to_open.append(path)

    def _open(self, path: str) -> None:
        answer = self._client.get(path)
        self._read(answer, "GET", path)

    def _send(self, method: str, path: str, fields: dict[str, Any]) -> None:
        headers = {"Sec-Fetch-Site": "same-origin"}
        if method == "GET":
            self._read(self._client.get(path, query_string=fields, headers=headers), "GET", path)
        else:
            self._read(self._client.post(path, data=fields, headers=headers), "POST", path)

    def _read(self, answer: TestResponse, method: str, path: str) -> None:
        assert answer.status_code < 400, f"{method} {path}: {answer.status}"
        path = urlsplit(path).path
        here = self._endpoint(path, method)
        self.went.add((method, here))
        if "Set-Cookie" in answer.headers:
            self._opened.clear()  # Who has come in, or gone out, sees other pages.
        if answer.status_code in (302, 303):
            self._note(answer.headers["Location"], path)
            return
        if answer.mimetype != "text/html":
            return
        page = read_page(answer)
        self.shown.append(Shown(method, self._rule(path, method).rule, path, answer.get_data(as_text=True)))
        for link in page.xpath("//a/@href[not(starts-with(., '#'))]"):
            self._note(link, path)
        for form in page.xpath("//form"):
            for button in form.xpath(".//button[not(@type) or @type='submit']"):
                self._note_form(form, button, path, here)

    def _note_form(self, form: Any, button: Any, page: str, here: str) -> None:
        address = urlsplit(urljoin(SITE + page, form.get("action") or page)).path
        if address.startswith(NOT_READERS):
            return
        method = form.get("method", "get").upper()
        endpoint = self._endpoint(address, method)
        does = {button.get("name"): button.get("value", "")} if button.get("name") else {}
        language = "" if endpoint in ONCE else str(page.startswith("/en"))
        kind = (here, method, endpoint, str(does), language)
        if kind in self._sent:
            return
        self._sent.add(kind)
        target = self._to_end.append if endpoint in LAST else self._to_send.append
        target((method, address, filled_in(form, **{**_answers(form, endpoint), **does})))


def _answers(form: Any, endpoint: str) -> dict[str, Any]:
    """What this reader fills in, by the names of fields; a link is asked for to an address that has one."""
    addresses = {"login.ask": "ana@example.org", "addressing.ask": "annan@example.org"}
    email = addresses.get(endpoint, "ny@example.org")
    known: dict[str, Any] = {"email": email, "topics": ["kultur", "stod"], "q": "bron", "frequency": "daily"}
    names = set(form.xpath(".//input[not(@type='hidden')]/@name"))
    return {name: value for name, value in known.items() if name in names}


def links_in(letters: list[Any]) -> Iterator[str]:
    for _to, letter in letters:
        for link in re.findall(rf"{re.escape(SITE)}\S*", text_of(letter)):
            yield link.rstrip(".")


def walk_everywhere(app: Flask, session: Session, client: FlaskClient) -> Walk:
    """Let a reader go every way there is, on an empty database: with news, letters, and a login on the way."""
    make_topics(session)
    now = clock.now()
    for number in range(30):
        make_item(session, "stod", "kultur", headline=f"Bron {number}", published_at=now - number * DAY - HOUR)
    make_subscriber(session, "ana@example.org", "stod", "kultur", now=now - 2 * DAY)
    soon = now - HOUR / 2
    correct = make_item(session, "kultur", headline="Bron som rättas", body=RICH, facts=FACTS, published_at=soon)
    correct.urgent = True
    make_item(session, "stod", headline="The bridge", body=RICH, facts=FACTS, language="en", published_at=soon)
    session.commit()
    announced = receive(app, session)
    publishing.correct(correct, "Bron öppnar på måndag.", announce=True, now=now - MINUTE)
    session.commit()
    walk = Walk(app, client)

    walk.go("/", "/en/", *links_in(announced))
    while True:
        while letters := receive(app, session):  # They come of what was sent, and lead on.
            walk.go(*links_in(letters))
        if not walk.has_more():
            break
        if "/logga-ut" not in client.get("/mina-amnen").get_data(as_text=True):
            log_in(app, session, client, "annan@example.org")  # Where letters go by now.
        walk.end()

    return walk
