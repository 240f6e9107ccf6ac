"""axe finds nothing on any of the readers' pages, however they are come to, and none has to be scrolled sideways."""

from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from playwright.sync_api import Browser
from sqlalchemy.orm import Session

from newsroom import clock, create_app
from newsroom.news import publishing
from newsroom.subscribers.signup import make_link_token
from tests.axe import built_differently, inspect, keep
from tests.conftest import SECRET, settings
from tests.factories import DAY, HOUR, make_item, make_signup, make_subscriber
from tests.pages import filled_in, read_page
from tests.reader import ask_for_link, link_in, log_in, receive
from tests.walking import Shown, walk_everywhere

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("accessibility")]

BO = "bo@example.org"
ENOUGH = {"sv": 2, "en": 1}  # Pages that were simply opened, of one rule; of those that answered a form, all.


def go_wrong(app: Flask, session: Session) -> list[Shown]:
    """The pages that answer what can't be: what is gone, used or too old, and forms filled in wrongly."""
    client, stranger, now = app.test_client(), app.test_client(), clock.now()
    make_subscriber(session, BO, "stod", now=now - DAY)
    withdrawn = make_item(session, "stod", published_at=now - HOUR)
    publishing.withdraw(withdrawn, now=now)
    late = make_signup(session, "cy@example.org", "stod", now=now - 9 * DAY)
    gone, too_old = f"/nyheter/{withdrawn.slug}", f"/bekrafta/{make_link_token(late, keys=[SECRET])}"
    make_item(session, "stod", published_at=now - HOUR)
    (news,) = [letter for to, letter in receive(app, session) if to == BO]
    leave = urlsplit(str(news["List-Unsubscribe"]).strip("<>")).path
    ask_for_link(client, BO)
    (used,) = [link_in(letter, "logga-in") for _to, letter in receive(app, session)]
    assert client.post(used).status_code == 303
    client.post("/mina-amnen/adress", data={"email": "bo.ny@example.org"})
    (taken_back,) = [link_in(one, "ny-adress") for to, one in receive(app, session) if to == "bo.ny@example.org"]
    assert client.post("/mina-amnen/adress/avbryt").status_code == 303
    asked: list[tuple[FlaskClient, str, dict[str, Any] | None]] = [
        (client, "/finns-inte", None),
        (client, gone, None),
        (client, too_old, None),
        (client, used, None),
        (client, taken_back, None),
        (client, "/nyheter?q=giraffer", None),
        (client, "/nyheter?q=bron+giraffer", None),
        (client, "/prenumerera", {"email": "ana"}),
        (client, "/prenumerera", {"email": "ana@example.org", "topics": ["stod", "kultur"], "frequency": "own"}),
        (client, "/mina-amnen", {"topics": "stod", "frequency": "hourly", "language": "sv", "pause": "i julas"}),
        (stranger, "/mina-amnen", {"topics": "stod", "frequency": "daily", "language": "sv"}),
        (client, "/mina-amnen/adress", {"email": "ana"}),
        (client, "/mina-amnen/lank", {"email": "ana"}),
        (client, f"{leave}/angra", {"undo": "för länge sedan"}),
    ]
    shown, codes = [], []
    for prefix in ("", "/en"):
        for one, path, fields in asked:
            answer = one.get(prefix + path) if fields is None else one.post(prefix + path, data=fields)
            name = f"error {answer.status_code}" if answer.status_code in (404, 410) else path.partition("?")[0]
            shown.append(Shown("POST" if fields else "GET", name, prefix + path, answer.get_data(as_text=True)))
            codes.append(answer.status_code)
    assert codes == [404, 410, 410, 410, 410, 200, 200, 422, 200, 422, 403, 422, 422, 410] * 2
    return shown


def pause(app: Flask, session: Session) -> list[Shown]:
    """My topics, just after letters were paused, and later on."""
    client, shown = app.test_client(), []
    log_in(app, session, client, BO)
    for prefix in ("", "/en"):
        (form,) = read_page(client.get(f"{prefix}/mina-amnen")).xpath("//main//form[.//*[@name='pause']]")
        until = (clock.now() + 9 * DAY).date().isoformat()
        sent = client.post(f"{prefix}/mina-amnen", data=filled_in(form, pause=until), follow_redirects=True)
        for answer in (sent, client.get(f"{prefix}/mina-amnen")):
            assert until in answer.get_data(as_text=True)
            shown.append(Shown("POST", "/mina-amnen", f"{prefix}/mina-amnen", answer.get_data(as_text=True)))
    return shown


def break_down(lost: Flask) -> list[Shown]:
    """Every error's page, and the form that comes back, of a site whose database is away."""
    lost.add_url_rule("/fel/<int:code>", view_func=abort)
    client, shown = lost.test_client(), []
    for prefix in ("", "/en"):
        for code in (400, 403, 405, 413, 429, 500, 503):
            answer = client.get(f"{prefix}/fel/{code}")
            assert answer.status_code == code
            shown.append(Shown("GET", f"error {code}", f"{prefix}/fel/{code}", answer.get_data(as_text=True)))
        answer = client.post(f"{prefix}/prenumerera", data={"email": "ana@example.org", "topics": "stod"})
        assert answer.status_code == 503
        shown.append(Shown("POST", "/prenumerera", f"{prefix}/prenumerera", answer.get_data(as_text=True)))
    return shown


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_page_that_readers_come_to_holds_a_finding(
    app: Flask, session: Session, client: FlaskClient, browser: Browser, tmp_path: Path
) -> None:
    folder = tmp_path / "lost"
    folder.mkdir()
    lost = create_app(settings(folder, SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder}/nowhere/newsroom.sqlite3"))
    walk = walk_everywhere(app, session, client)
    pages: dict[str, Shown] = {}
    opened: Counter[tuple[str, str]] = Counter()
    for page in sorted(walk.shown, key=lambda page: "<blockquote" not in page.html):  # The items that have everything.
        language = "en" if page.path.startswith("/en") else "sv"
        opened[page.rule, language] += page.method == "GET"
        if page.method == "POST" or opened[page.rule, language] <= ENOUGH[language]:
            pages.setdefault(page.html, page)
    shown = built_differently([*pages.values(), *go_wrong(app, session), *pause(app, session), *break_down(lost)])

    found = inspect(browser, client, shown)

    keep("pages", found, count=len(shown))
    html = "".join(page.html for page in shown)
    for part in (
        '"alarm"',
        "<blockquote",
        "<table",
        "<ol>",
        '"facts"',
        '"corrections"',
        '<article class="item" lang="en"',
    ):
        assert part in html, part
