"""axe finds nothing on any of the readers' pages, however they are come to, and none has to be scrolled sideways."""

from collections import Counter
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser
from sqlalchemy.orm import Session

from newsroom import clock
from newsroom.news import publishing
from newsroom.subscribers.signup import make_link_token
from tests.axe import inspect, keep
from tests.conftest import SECRET
from tests.factories import DAY, HOUR, make_item, make_signup, make_subscriber
from tests.reader import log_in
from tests.walking import Shown, walk_everywhere

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("accessibility")]

ENOUGH = {"sv": 2, "en": 1}  # Pages that were simply opened, of one rule; of those that answered a form, all.


def go_wrong(app: Flask, session: Session) -> list[Shown]:
    """The pages that answer what can't be: what is gone or too old, and forms filled in wrongly."""
    client, now = app.test_client(), clock.now()
    make_subscriber(session, "bo@example.org", "stod", now=now - DAY)
    withdrawn = make_item(session, "stod", published_at=now - HOUR)
    publishing.withdraw(withdrawn, now=now)
    late = make_signup(session, "cy@example.org", "stod", now=now - 9 * DAY)
    gone, too_old = f"/nyheter/{withdrawn.slug}", f"/bekrafta/{make_link_token(late, keys=[SECRET])}"
    session.commit()
    log_in(app, session, client, "bo@example.org")
    asked: list[tuple[str, dict[str, Any] | None]] = [
        ("/finns-inte", None),
        (gone, None),
        (too_old, None),
        ("/prenumerera", {"email": "ana"}),
        ("/prenumerera", {"email": "ana@example.org", "topics": ["stod", "kultur"], "frequency": "own"}),
        ("/mina-amnen", {"topics": "stod", "frequency": "hourly", "language": "sv", "pause": "i julas"}),
        ("/mina-amnen/adress", {"email": "ana"}),
        ("/mina-amnen/lank", {"email": "ana"}),
    ]
    shown, codes = [], []
    for prefix in ("", "/en"):
        for path, fields in asked:
            answer = client.get(prefix + path) if fields is None else client.post(prefix + path, data=fields)
            name = path if fields is not None else f"error {answer.status_code}"
            shown.append(Shown("POST" if fields else "GET", name, prefix + path, answer.get_data(as_text=True)))
            codes.append(answer.status_code)
    assert codes == [404, 410, 410, 422, 200, 422, 422, 422] * 2
    return shown


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_page_that_readers_come_to_holds_a_finding(
    app: Flask, session: Session, client: FlaskClient, browser: Browser
) -> None:
    walk = walk_everywhere(app, session, client)
    pages: dict[str, Shown] = {}
    opened: Counter[tuple[str, str]] = Counter()
    for page in walk.shown:
        language = "en" if page.path.startswith("/en") else "sv"
        opened[page.rule, language] += page.method == "GET"
        if page.method == "POST" or opened[page.rule, language] <= ENOUGH[language]:
            pages.setdefault(page.html, page)
    shown = [*pages.values(), *go_wrong(app, session)]

    found = inspect(browser, client, shown)

    keep("pages", found, count=len(shown))
