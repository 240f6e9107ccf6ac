"""The pages for what goes wrong: each says what happened and leads on, in both languages, whatever else is broken."""

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest
from flask import Flask, abort
from flask.testing import FlaskClient
from jinja2 import DictLoader
from sqlalchemy.orm import Session

from newsroom import create_app
from newsroom.extensions import db
from newsroom.news import publishing
from tests.conftest import settings
from tests.factories import HOUR, make_item, make_topics
from tests.pages import find_form, read_page, title_of, words_of

TITLES = {
    400: ("Det där förstod vi inte", "We couldn't understand that"),
    403: ("Det där kom från en annan webbplats", "That came from another site"),
    404: ("Sidan finns inte", "There is no such page"),
    405: ("Det går inte att göra här", "That can't be done here"),
    413: ("Det var för mycket på en gång", "That was too much at once"),
    500: ("Något gick fel hos oss", "Something went wrong here"),
    503: ("Sidan går inte att visa just nu", "We can't show this right now"),
}


def fail(code: int) -> NoReturn:
    """A page that goes wrong as it is told."""
    if code == 500:
        raise RuntimeError("on purpose")
    abort(code)


@pytest.fixture
def nothing(tmp_path: Path) -> Iterator[Flask]:
    """A site whose database's folder isn't there, with a page that goes wrong."""
    lost = f"sqlite:///{tmp_path / 'lost' / 'newsroom.sqlite3'}"
    app = create_app(settings(tmp_path, SQLALCHEMY_DATABASE_URI=lost))
    app.add_url_rule("/fel/<int:code>", view_func=fail)
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.mark.parametrize("code", TITLES)
@pytest.mark.parametrize("prefix", ["", "/en"])
def test_every_error_has_its_words_and_a_way_on_without_a_database(nothing: Flask, code: int, prefix: str) -> None:
    answer = nothing.test_client().get(f"{prefix}/fel/{code}")
    page = read_page(answer)
    assert answer.status_code == code
    assert title_of(page) == TITLES[code][bool(prefix)]
    assert page.xpath(f"//main//a[@href='{prefix}/']")
    assert f" {code}" in words_of(page.xpath("//main//*[@class='aside']")[0])
    assert "on purpose" not in answer.get_data(as_text=True)
    assert "Set-Cookie" not in answer.headers


def test_a_lost_database_is_said_and_when_to_come_back(nothing: Flask) -> None:
    answer = nothing.test_client().get("/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert title_of(read_page(answer)) == TITLES[503][0]


def test_a_site_whose_connections_are_all_taken_says_when_to_come_back(tmp_path: Path) -> None:
    engine = {"pool_size": 1, "max_overflow": 0, "pool_timeout": 0.1}
    app = create_app(settings(tmp_path) | {"SQLALCHEMY_ENGINE_OPTIONS": engine})
    with app.app_context(), db.engine.connect():
        answer = app.test_client().get("/nyheter")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert title_of(read_page(answer)) == TITLES[503][0]
    with app.app_context():
        db.engine.dispose()


def test_a_crash_is_told_even_where_no_page_can_be_made(nothing: Flask) -> None:
    nothing.jinja_env.loader = DictLoader({})  # The templates' folder is gone.
    answer = nothing.test_client().get("/fel/500")
    assert answer.status_code == 500
    assert title_of(read_page(answer)) == TITLES[500][0]


@pytest.mark.parametrize("prefix", ["", "/en"])
def test_what_may_go_well_in_a_while_can_be_tried_again(nothing: Flask, prefix: str) -> None:
    client, words = nothing.test_client(), "Try again" if prefix else "Försök igen"
    for address in ("/nyheter?q=br%C3%B6d&sida=2", "/amnen/%C3%A5%3F%22", "/fel/500?a=%22%3C&b="):
        buttons = read_page(client.get(prefix + address)).xpath("//main//a[contains(@class, 'ds-button')]")
        assert [(words_of(one), one.get("href")) for one in buttons] == [
            (words, prefix + address),
            ("To the latest news" if prefix else "Till de senaste nyheterna", f"{prefix}/"),
        ]
        assert [one.get("data-variant") for one in buttons] == [None, "secondary"]
    (only,) = read_page(client.get(f"{prefix}/")).xpath("//main//a")  # One page has one button.
    assert (words_of(only), only.get("href")) == (words, f"{prefix}/")
    for answer in (client.get(f"{prefix}/fel/404"), client.post(f"{prefix}/avsluta/x/y")):
        assert words not in [words_of(one) for one in read_page(answer).xpath("//main//a")]


@pytest.mark.parametrize("prefix", ["", "/en"])
def test_a_lost_database_is_said_in_plain_words(nothing: Flask, prefix: str) -> None:
    client = nothing.test_client()
    for answer in (client.get(f"{prefix}/"), client.post(f"{prefix}/avsluta/x/y")):
        said = words_of(read_page(answer).xpath("//main")[0])
        assert ("Something here doesn't answer" if prefix else "Något hos oss svarar inte just nu.") in said
        assert "databas" not in said.lower()


@pytest.mark.parametrize("prefix", ["", "/en"])
def test_a_missing_page_offers_a_search_among_the_news(nothing: Flask, prefix: str) -> None:
    form = find_form(read_page(nothing.test_client().get(f"{prefix}/finns-inte")), "q")
    assert (form.get("action"), form.method) == (f"{prefix}/nyheter", "GET")
    assert form.xpath(".//label[@for='q']")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize("prefix", ["", "/en"])
def test_a_withdrawn_item_says_when_and_leads_to_its_topics(session: Session, client: FlaskClient, prefix: str) -> None:
    make_topics(session)
    item = make_item(session, "kultur", published_at=dt.datetime(2025, 5, 1, tzinfo=dt.UTC))
    publishing.withdraw(item, now=dt.datetime(2025, 5, 5, 22, 30, tzinfo=dt.UTC))  # The day after, in Stockholm.
    address = f"{prefix}/nyheter/{item.slug}"
    session.commit()
    answer = client.get(address)
    page = read_page(answer)
    assert answer.status_code == 410
    assert ("6 May 2025" if prefix else "den 6 maj 2025") in words_of(page.xpath("//main")[0])
    assert page.xpath(f"//main//a[@href='{prefix}/amnen/kultur']")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("limit", "words"), [("1 per 30 second", "sekund"), ("1 per 2 hour", "120 minuter")])
@pytest.mark.parametrize("path", ["/prenumerera", "/mina-amnen/logga-in/x"])  # A form, and an error's page.
def test_whoever_comes_too_often_is_told_how_long_to_wait(
    database: str, tmp_path: Path, limit: str, words: str, path: str
) -> None:
    app = create_app(
        settings(tmp_path, SQLALCHEMY_DATABASE_URI=database, SIGNUP_LIMIT=limit) | {"RATELIMIT_ENABLED": True}
    )
    client = app.test_client()
    client.post(path)
    answer = client.post(path)
    with app.app_context():
        db.engine.dispose()
    assert answer.status_code == 429
    seconds = int(answer.headers["Retry-After"])
    assert 0 < seconds <= HOUR.total_seconds() * 2 + 1  # The limiter rounds up.
    said = words_of(read_page(answer).xpath("//main")[0])
    assert words in said
    assert "Vänta" in said
