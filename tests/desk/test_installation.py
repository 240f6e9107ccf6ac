"""An installation that the database doesn't know: nothing leaves before an editor has said yes."""

import logging

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from newsroom import clock
from newsroom.delivery import installation
from newsroom.delivery.models import Installation
from newsroom.engine.rules import rules_of
from tests.factories import DAY, HOUR, MINUTE, make_item, make_subscriber, tick_through
from tests.pages import filled_in, read_page, title_of, words_of
from tests.tables import read_tables

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
PAGE = "/desk/installation"


def meet(session: Session, *, problem: str = "unknown", name: str = "nyhetsserver") -> None:
    now = clock.now()
    session.add(
        Installation(fingerprint=f"{name}+{problem}", name=name, first_seen_at=now, seen_at=now, problem=problem)
    )
    session.commit()


def test_all_is_in_order_where_nothing_waits_for_a_yes(app: Flask, session: Session, eva: FlaskClient) -> None:
    assert installation.may_send(session, rules_of(app).identity, now=clock.now())

    page = read_page(eva.get(PAGE))

    assert "Allt är i sin ordning: brev får gå iväg." in words_of(page)
    assert page.xpath("//main//form") == []
    assert not read_page(eva.get("/desk/")).xpath("//*[contains(@class, 'ds-alert')]")


@pytest.mark.parametrize(
    ("problem", "words"),
    [
        ("unknown", "Databasen känner inte igen den här installationen."),
        ("restored", "den har återställts från en säkerhetskopia."),
    ],
)
def test_the_page_says_what_is_wrong_and_the_front_leads_there(
    session: Session, eva: FlaskClient, problem: str, words: str
) -> None:
    meet(session, problem=problem)

    front = read_page(eva.get("/desk/")).xpath("//*[contains(@class, 'ds-alert')]")[0]

    assert words_of(front).startswith("Inga brev går iväg från den här installationen.")
    (link,) = front.xpath(".//a/@href")
    page = read_page(eva.get(link))
    assert title_of(page) == "Installationen"
    assert words in words_of(page)
    assert "nyhetsserver" in words_of(page)


def test_the_page_says_what_would_leave(app: Flask, session: Session, eva: FlaskClient) -> None:
    now = clock.now()
    for number in range(3):
        make_subscriber(session, f"a{number}@example.org", "stod", now=now - DAY)
    make_subscriber(session, "d@example.org", "stod", frequency="daily", now=now - 20 * DAY)
    make_item(session, "stod", published_at=now - MINUTE)
    session.commit()
    with app.app_context():
        tick_through(session, rules_of(app), now=now)
    make_item(session, "stod", published_at=now - MINUTE)
    make_item(session, "stod", published_at=now - 15 * HOUR)
    meet(session)
    before = read_tables(session)

    words = words_of(read_page(eva.get(PAGE)).xpath("//ul[@class='reasons']")[0])

    assert "3 brev som väntar, i 1 pågående utskick" in words
    assert "brev om 2 publicerade nyheter som inte har skickats ut; 1 av dem är försenad" in words
    assert read_tables(session) == before


def test_a_yes_lets_it_send_and_is_logged_with_who_said_it(
    session: Session, eva: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    meet(session)
    meet(session, problem="restored")
    page = read_page(eva.get(PAGE))
    (form,) = page.xpath("//main//form")
    assert words_of(form.xpath(".//button")[0]) == "Ja, låt dessa 2 installationer skicka"

    with caplog.at_level(logging.WARNING, logger="newsroom"):
        answer = eva.post(PAGE, data=filled_in(form))

    assert (answer.status_code, answer.location) == (303, PAGE)
    assert "Installationen får skicka från och med nu." in words_of(read_page(eva.get(PAGE)))
    session.rollback()
    rows = session.execute(sa.select(Installation.accepted_at, Installation.problem)).all()
    assert [(at is not None, problem) for at, problem in rows] == [(True, None), (True, None)]
    session.rollback()
    (line,) = [one.getMessage() for one in caplog.records]
    assert line.startswith("editor 1 let 2 installations send")
    assert "@" not in line
    assert eva.post(PAGE, data=filled_in(form)).status_code == 303
    assert "Inget väntade på ett beslut." in words_of(read_page(eva.get(PAGE)))


@on_sqlite
def test_nobody_says_yes_without_a_login_or_from_another_site(
    session: Session, eva: FlaskClient, client: FlaskClient
) -> None:
    meet(session)
    before = read_tables(session)

    assert client.post(PAGE).location == "/desk/login"
    assert "/desk/login" in client.get(PAGE).location
    assert eva.post(PAGE, data={"csrf_token": "x"}).location == PAGE
    assert eva.get(PAGE).status_code == 200
    assert read_tables(session) == before
