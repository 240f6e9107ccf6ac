"""axe finds nothing on any page at the desk, whatever state an item or a mailing is in."""

from collections import Counter, deque
from collections.abc import Iterator
from typing import Any

import lxml.html
import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from playwright.sync_api import Browser
from sqlalchemy.orm import Session

from newsroom import clock
from newsroom.delivery import controlling, ledger
from newsroom.delivery.models import Mailing
from newsroom.delivery.transport import MemoryTransport
from newsroom.news import publishing
from newsroom.news.models import Item
from tests.axe import built_differently, inspect, keep
from tests.desk.test_installation import meet
from tests.desk.test_mailings import match, send
from tests.factories import DAY, deliver_everything, make_item
from tests.pages import filled_in, read_page, words_of
from tests.walking import Shown

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("accessibility")]

ENOUGH = {"desk_topics.edit": 2, "desk.edit": 2, "rehearsal.show": 2}  # Pages of a kind that differ in words alone.
FAULT = "550 5.7.1 Relaying denied"


def do_everything(app: Flask, session: Session) -> list[str]:
    """Items and mailings in every state; gives the addresses of what no link leads to."""
    now = clock.now()
    make_item(session, "stod", headline="Utkast", published_at=None)
    make_item(session, headline="Utan ämnen", published_at=None)
    make_item(session, "stod", headline="Väntar", published_at=now + DAY)
    publishing.withdraw(make_item(session, "stod", headline="Indragen", published_at=now - DAY), now=now)
    session.commit()
    done = send(app, session, "ana@example.org", "fel@example.org", refused="fel@example.org", headline="Klar")
    corrected = session.get_one(Item, done.item_id)
    publishing.correct(corrected, "Bron öppnar på måndag.", announce=True, now=clock.now())
    session.commit()
    deliver_everything(app, session, MemoryTransport(), now=clock.now())
    controlling.cancel(session, match(app, session, headline="Avbruten").id, by="bo@example.org", now=now)
    session.commit()
    deliver_everything(app, session, MemoryTransport(), now=clock.now())
    headlines = ("På väg", "Avbryts", "Pausad", "Stoppad", "Fast")
    _going, cancelled, paused, stopped, stuck = (match(app, session, headline=one).id for one in headlines)
    match(app, session, headline="Sen", published_at=now - DAY)
    controlling.cancel(session, cancelled, by="bo@example.org", now=now)
    controlling.pause(session, paused, by="bo@example.org", now=now)
    controlling.stop(session, stopped, FAULT, now=now)
    session.execute(sa.update(Mailing).where(Mailing.id == stuck).values(state="composing"))
    ledger.note_problem(session, stuck, "TemplateError")
    session.commit()
    meet(session)
    return [f"/desk/mailings/{number}/cancel" for number in session.scalars(sa.select(Mailing.id))]


class Editor:
    """An editor who opens every page, and fills in forms wrongly."""

    def __init__(self, app: Flask, client: FlaskClient) -> None:
        self.client = client
        self.routes = app.url_map.bind("127.0.0.1")
        self.shown: list[Shown] = []
        self.known: set[str] = set()
        self.opened: Counter[str] = Counter()

    def _show(self, method: str, path: str, answer: Any) -> Any:
        if answer.status_code in (301, 302, 303) or answer.mimetype != "text/html":
            return None
        rule, _values = self.routes.match(path.partition("?")[0], method=method, return_rule=True)
        self.shown.append(Shown(method, rule.rule, path, answer.get_data(as_text=True)))
        return None if path.endswith(".html") else read_page(answer)

    def go(self, *paths: str) -> None:
        """Open these pages and all that they lead to."""
        waiting = deque(paths)
        while waiting:
            path = waiting.popleft()
            if path in self.known or not path.startswith("/desk"):
                continue
            self.known.add(path)
            kind = str(self.routes.match(path.partition("?")[0], method="GET")[0])
            self.opened[kind] += 1
            if self.opened[kind] > ENOUGH.get(kind, 99):
                continue
            page = self._show("GET", path, self.client.get(path))
            if page is not None:
                waiting.extend(page.xpath("//a/@href | //iframe/@src"))

    def fill_in(self, path: str, to: str = "", **changes: Any) -> None:
        """Send the form on a page that goes to `to`, or back to the page itself, with these changes."""
        page, to = read_page(self.client.get(path)), to or path
        (form,) = (one for one in page.xpath("//main//form[@method='post']") if (one.get("action") or path) == to)
        self._show("POST", to, self.client.post(to, data=filled_in(form, **changes)))


def open_everything(app: Flask, session: Session, eva: FlaskClient) -> list[Shown]:
    """Every page at the desk, for an editor who has logged in, and for a stranger, whatever state things are in."""
    app.config["MAILBOX"] = False  # What is rehearsed goes straight into the mailbox at the desk.
    unlinked = do_everything(app, session)
    drafts = session.scalars(sa.select(Item.id).where(Item.published_at.is_(None)).order_by(Item.id)).all()
    published = session.scalars(sa.select(Item.id).where(Item.headline == "Klar")).one()
    session.rollback()
    editor, stranger = Editor(app, eva), Editor(app, app.test_client())
    stranger.go("/desk/login")
    stranger.fill_in("/desk/login", email="eva@example.org", password="fel")
    editor.fill_in(f"/desk/items/{drafts[0]}/rehearsal")
    editor.go("/desk/", *unlinked)
    editor.fill_in("/desk/items/new", headline="")
    editor.fill_in(f"/desk/items/{drafts[0]}", f"/desk/items/{drafts[0]}/publish", when="later", publish_at="i julas")
    editor.fill_in(f"/desk/items/{published}/edit", headline="", correction="x" * 9000)
    editor.fill_in("/desk/topics/kultur", about="x" * 9000)
    return [*stranger.shown, *editor.shown]


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_no_page_at_the_desk_holds_a_finding(app: Flask, session: Session, eva: FlaskClient, browser: Browser) -> None:
    shown = built_differently(open_everything(app, session, eva))
    phases = {words_of(tag) for tag in tags_of(shown)}
    states = {"Klart", "Avbrutet", "Avbryts", "Skickas", "Pausat", "Stoppat", "Kommer inte vidare", "Väntar på beslut"}
    assert states <= phases

    found = inspect(browser, eva, shown)

    keep("desk", found, count=len(shown))


def tags_of(pages: list[Shown]) -> Iterator[Any]:
    for page in pages:
        if page.rule.endswith(":mailing_id>"):
            found = lxml.html.document_fromstring(page.html)
            yield from found.xpath("//*[@class='phase']//*[contains(@class, 'ds-tag')]")
