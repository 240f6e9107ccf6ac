"""My topics: adding, dropping, how often, the language, a pause; and that nothing is lost on the way."""

import datetime as dt
import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from newsroom import clock, create_app
from newsroom.extensions import db
from newsroom.public.reader import COOKIE
from newsroom.subscribers import leaving, sessions
from newsroom.subscribers.models import ConsentEvent, Subscriber, Subscription
from tests.conftest import settings
from tests.factories import DAY, HOUR, make_item
from tests.pages import check_error, filled_in, find_form, read_page, title_of, words_of
from tests.reader import ANA, log_in, subscribe
from tests.tables import read_tables

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def enter(session: Session, client: FlaskClient, number: int) -> None:
    """Be logged in, without the letters."""
    name = sessions.begin(session, session.get_one(Subscriber, number), now=clock.now(), life=HOUR)
    session.commit()
    for path in ("/mina-amnen", "/en/mina-amnen"):
        client.set_cookie(COOKIE, name, path=path)


def form_of(client: FlaskClient, prefix: str = "") -> Any:
    return find_form(read_page(client.get(f"{prefix}/mina-amnen")), "topics")


def save(client: FlaskClient, prefix: str = "", **changes: Any) -> TestResponse:
    """Open the page, change something, and press Save."""
    return client.post(f"{prefix}/mina-amnen", data=filled_in(form_of(client, prefix), **changes))


def said(answer: TestResponse) -> list[str]:
    """What the page says was saved."""
    assert answer.status_code == 200
    (box,) = read_page(answer).xpath("//*[@aria-labelledby='saved']")
    return [words_of(one) for one in box.xpath(".//li | .//p")]


def follows(session: Session) -> dict[str, str]:
    session.rollback()
    rows = session.scalars(sa.select(Subscription).where(Subscription.ended_at.is_(None)))
    found = {row.topic.slug: row.frequency for row in rows}
    session.rollback()
    return found


def events(session: Session) -> list[tuple[str, list[str], str | None]]:
    rows = session.scalars(sa.select(ConsentEvent).where(ConsentEvent.source == "my-topics").order_by(ConsentEvent.id))
    found = [(row.kind, row.topics, row.frequency) for row in rows]
    session.rollback()
    return found


def test_topics_are_added_and_dropped_and_what_changed_is_said(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    subscribe(session, "stod", "bibliotek")
    log_in(app, session, client)
    form = form_of(client)
    assert filled_in(form)["topics"] == ["bibliotek", "stod"]

    answer = save(client, topics=["bibliotek", "offentlig-konst"])

    assert said(answer) == ["Du följer nu Offentlig konst, direkt.", "Du följer inte längre Stöd."]
    assert follows(session) == {"bibliotek": "direct", "offentlig-konst": "direct"}
    assert events(session) == [("taken_back", ["stod"], "direct"), ("given", ["offentlig-konst"], "direct")]
    given = session.scalars(
        sa.select(ConsentEvent).where(ConsentEvent.source == "my-topics", ConsentEvent.kind == "given")
    ).one()
    assert given.text in words_of(read_page(answer))  # What was agreed to is what stood above the button.
    session.rollback()
    assert said(save(client)) == ["Inget var annorlunda, så allt är som förut."]


def test_a_frequency_for_all_and_one_for_each(session: Session, client: FlaskClient) -> None:
    enter(session, client, subscribe(session, "stod", "kultur"))

    assert said(save(client, frequency="weekly")) == [
        "Brev om Kultur kommer nu varje vecka.",
        "Brev om Stöd kommer nu varje vecka.",
    ]
    assert follows(session) == {"stod": "weekly", "kultur": "weekly"}
    old = session.scalars(sa.select(Subscription).where(Subscription.ended_at.is_not(None))).all()
    assert {(one.frequency, one.end_reason) for one in old} == {("direct", "changed")}
    assert events(session) == [("changed", ["kultur", "stod"], "weekly")]

    own = {"frequency": "own", "frequency-stod": "daily", "frequency-kultur": "weekly", "frequency-bibliotek": "direct"}
    assert said(save(client, topics=["stod", "kultur", "bibliotek"], **own)) == [
        "Du följer nu Bibliotek, direkt.",
        "Brev om Stöd kommer nu varje dag.",
    ]
    assert follows(session) == {"stod": "daily", "kultur": "weekly", "bibliotek": "direct"}
    shown = filled_in(form_of(client))
    assert (shown["frequency"], shown["frequency-stod"], shown["frequency-kultur"]) == (["own"], ["daily"], ["weekly"])


@on_sqlite
def test_without_scripts_the_next_page_asks_how_often_for_a_topic_that_is_new(
    session: Session, client: FlaskClient
) -> None:
    enter(session, client, subscribe(session, "stod"))
    before = read_tables(session)

    asked = save(client, topics=["stod", "kultur"], frequency="own", language="en")

    assert asked.status_code == 200
    page = read_page(asked)
    assert [one.get("id") for one in page.xpath("//*[@autofocus]")] == ["own-legend"]
    assert read_tables(session) == before
    form = filled_in(find_form(page, "topics"), **{"frequency-kultur": "weekly"})
    assert form["language"] == ["en"]
    assert said(client.post("/mina-amnen", data=form)) == [
        "Du följer nu Kultur, varje vecka.",
        "Breven är nu på engelska.",
    ]


@on_sqlite
def test_the_letters_to_expect_are_told_and_counted_again_without_saving(session: Session, client: FlaskClient) -> None:
    now = clock.now()
    enter(session, client, subscribe(session, "stod", "bibliotek"))
    for day in range(26):
        make_item(session, "stod", published_at=now - day * 3.5 * DAY - HOUR)
    session.commit()
    before = read_tables(session)

    def told(page: Any) -> str:
        return words_of(page.get_element_by_id("expected"))

    assert told(read_page(client.get("/mina-amnen"))) == "Ungefär 2 brev i veckan."
    counted = save(client, frequency="weekly", pause="i morgon", do="count")
    assert counted.status_code == 200
    page = read_page(counted)
    assert told(page) == "Ungefär ett brev i veckan."
    assert [one.get("id") for one in page.xpath("//*[@autofocus]")] == ["expected"]
    assert filled_in(find_form(page, "topics"))["pause"] == ["i morgon"]
    assert read_tables(session) == before


@on_sqlite
def test_a_page_that_stood_open_does_not_bring_back_what_a_letters_link_ended(
    session: Session, client: FlaskClient
) -> None:
    number = subscribe(session, "stod", "bibliotek")
    enter(session, client, number)
    form = form_of(client)
    ana = session.get_one(Subscriber, number)
    leaving.leave_all(session, ana, source="one-click", now=clock.now())
    session.commit()

    client.post("/mina-amnen", data=filled_in(form, topics=["stod", "bibliotek", "kultur"], language="en"))

    assert follows(session) == {"kultur": "direct"}


@on_sqlite
def test_the_letters_language_is_the_subscribers_own(session: Session, client: FlaskClient) -> None:
    number = subscribe(session, "stod")
    enter(session, client, number)
    assert said(save(client, language="en")) == ["Breven är nu på engelska."]
    assert session.get_one(Subscriber, number, populate_existing=True).language == "en"
    session.rollback()
    assert said(save(client, "/en", language="sv")) == ["The letters are now in Swedish."]
    assert said(save(client, "/en", topics=[])) == ["You no longer follow Grants and support."]
    assert "You follow no topics at the moment" in words_of(read_page(client.get("/en/mina-amnen")))


def test_a_pause_is_until_a_day_and_can_be_ended_before(session: Session, client: FlaskClient) -> None:
    number = subscribe(session, "stod")
    enter(session, client, number)
    day = (clock.now() + 20 * DAY).date()

    answer = save(client, pause=day.isoformat())

    (line,) = said(answer)
    assert line.startswith(f"Dina brev är pausade. De kommer igen den {day.day} ")
    until = session.get_one(Subscriber, number, populate_existing=True).paused_until
    assert until is not None
    local = until + dt.timedelta(hours=2)
    assert (local.date(), local.hour in (0, 1)) == (day, True)  # Midnight in Stockholm.
    session.rollback()
    opened = read_page(client.get("/mina-amnen"))
    assert "Viktiga meddelanden kommer ändå." in words_of(opened)
    assert said(save(client)) == ["Inget var annorlunda, så allt är som förut."]

    resumed = save(client, resume="yes", topics=["stod", "kultur"])

    assert said(resumed) == [
        "Du följer nu Kultur, direkt.",
        "Pausen är slut. Dina brev kommer igen från och med nu.",
    ]
    assert session.get_one(Subscriber, number, populate_existing=True).paused_until is None
    session.rollback()
    assert [kind for kind, _topics, _often in events(session)] == ["paused", "given", "resumed"]


WHEN = "Välj en dag från och med i morgon, högst ett år framåt."
NO_DATE = "Det här är inget datum. Skriv det som år-månad-dag, till exempel 2027-01-31."


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "field", "text"),
    [
        ({"pause": "i julas"}, "pause", NO_DATE),
        ({"pause": "2027-02-30"}, "pause", NO_DATE),
        ({"pause": "2020-01-01"}, "pause", WHEN),
        ({"pause": "9999-12-31"}, "pause", WHEN),
        ({"pause": "0001-01-01"}, "pause", NO_DATE),
        ({"topics": ["stod", "finns-inte"]}, "topics", "Ett av ämnena finns inte längre. Välj på nytt."),
        ({"frequency": "hourly"}, "frequency", "Välj hur ofta du vill ha brev."),
        ({"frequency": None}, "frequency", "Välj hur ofta du vill ha brev."),
        ({"frequency": "own", "frequency-stod": "hourly"}, "frequency", "Välj hur ofta du vill ha brev."),
        ({"language": "fi"}, "language", "Välj vilket språk breven ska ha."),
    ],
)
def test_what_is_wrong_is_said_at_its_field_and_what_was_chosen_stays(
    session: Session, client: FlaskClient, changes: dict[str, Any], field: str, text: str
) -> None:
    enter(session, client, subscribe(session, "bibliotek"))
    before = read_tables(session)

    answer = save(client, **({"topics": ["stod"], "language": "en", "frequency": "weekly"} | changes))

    page = read_page(answer)
    assert answer.status_code == 422
    assert words_of(page.xpath("//title")[0]).startswith("Att rätta:")
    check_error(page, field, text)
    shown = filled_in(find_form(page, "topics"))
    assert shown["topics"] == ["stod"]
    assert shown["shown"] == ["bibliotek:direct"]  # What it is compared with stays, too.
    if field == "pause":
        assert shown["pause"] == [changes["pause"]]
        shows_it = changes["pause"] not in ("i julas", "2027-02-30")  # A field for dates is empty where it can't.
        assert page.xpath("//input[@name='pause']/@type") == ["date" if shows_it else "text"]
    if field != "language":
        assert shown["language"] == ["en"]
    assert read_tables(session) == before


@on_sqlite
def test_a_database_that_cannot_be_written_keeps_what_was_chosen(
    session: Session, tmp_path: Path, client: FlaskClient
) -> None:
    enter(session, client, subscribe(session, "stod"))
    cookie = client.get_cookie(COOKIE, path="/mina-amnen")
    assert cookie is not None
    shutil.copy(tmp_path / "newsroom.sqlite3", tmp_path / "copy.sqlite3")
    uri = f"sqlite:///file:{tmp_path / 'newsroom.sqlite3'}?mode=ro&uri=true"
    app = create_app(settings(tmp_path, SQLALCHEMY_DATABASE_URI=uri))
    reader = app.test_client()
    reader.set_cookie(COOKIE, cookie.value, path="/mina-amnen")

    answer = save(
        reader, topics=["kultur"], frequency="weekly", pause=f"{clock.now() + 20 * DAY:%Y-%m-%d}", language="en"
    )

    page = read_page(answer)
    assert (answer.status_code, title_of(page)) == (503, "Mina ämnen")
    assert "Vi kan inte spara just nu. Det du valde finns kvar här" in words_of(page)
    shown = filled_in(find_form(page, "topics"))
    assert (shown["topics"], shown["frequency"], shown["language"]) == (["kultur"], ["weekly"], ["en"])
    for path, sent in (("radera", {"block": "yes"}), ("adress", {"email": "ny@example.org"})):
        other = reader.post(f"/mina-amnen/{path}", data=sent)
        assert other.status_code == 503
        for one in (page, read_page(other)):
            assert words_of(one.xpath("//title")[0]).startswith("Det gick inte: ")
            assert one.xpath("//*[@autofocus]//h2 | //*[@autofocus]//li") == []  # There is nothing to mend.
    with app.app_context():
        db.engine.dispose()


@on_sqlite
def test_garbage_in_what_the_page_showed_changes_nothing_that_was_not_chosen(
    session: Session, client: FlaskClient
) -> None:
    enter(session, client, subscribe(session, "stod"))
    for shown in (["x"], ["stod:hourly"], ["\x00:direct"], [":"], ["stod:direct", "finns-inte:daily"]):
        answer = client.post(
            "/mina-amnen", data={"topics": "stod", "frequency": "direct", "language": "sv", "shown": shown}
        )
        assert answer.status_code == 200
        assert follows(session) == {"stod": "direct"}
    assert client.post("/mina-amnen", data={"topics": "x" * 600_000}).status_code == 413
    assert ANA in client.get("/mina-amnen").get_data(as_text=True)
