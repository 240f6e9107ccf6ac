"""Erasing a subscriber: nothing in the database says who they were, and every count stays as it was."""

import datetime as dt
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from newsroom import clock
from newsroom.delivery import deliveries
from newsroom.delivery.answers import Outcome, Result
from newsroom.delivery.certificate import verify
from newsroom.delivery.models import Batch, Certificate, Delivery, Mailing
from newsroom.delivery.transport import MemoryTransport
from newsroom.engine.rules import rules_of
from newsroom.extensions import Base
from newsroom.subscribers import changing, preferences
from newsroom.subscribers.addresses import read_address
from newsroom.subscribers.models import BlockedAddress, PersonalLetter, ReaderSession, Signup, Subscriber
from tests.conftest import SECRET
from tests.factories import DAY, HOUR, MINUTE, deliver_everything, make_item, make_signup, tick_through
from tests.pages import filled_in, find_form, read_page, title_of, words_of
from tests.reader import ANA, ask_for_link, link_in, log_in, receive, subscribe, text_of
from tests.tables import read_tables

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
OK = Outcome(Result.ACCEPTED, 250, "2.1.5 <ana@example.org> taken")


def dump(session: Session) -> str:
    """Every column of every row of every table, letters as text."""
    session.commit()
    words: list[str] = []
    for table in Base.metadata.sorted_tables:
        for row in session.execute(sa.select(table)):
            words += [one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one) for one in row]
    session.rollback()
    return "\n".join(words).lower().replace("=\r\n", "").replace("=40", "@")


def send_item(app: Flask, session: Session, *, ago: dt.timedelta = MINUTE, **answers: list[Outcome]) -> None:
    """Publish an item and send its letters; the mail server names addresses in its answers."""
    now = clock.now()
    make_item(session, "stod", published_at=now - ago)
    session.commit()
    deliver_everything(app, session, MemoryTransport(answers={ANA: [OK] * 20}), now=now)
    session.commit()


def erase(client: FlaskClient, **fields: Any) -> Any:
    page = read_page(client.get("/mina-amnen/radera"))
    (form,) = page.xpath("//main//form")
    return client.post("/mina-amnen/radera", data=filled_in(form, **fields))


def test_what_goes_and_what_remains_is_said_before_and_one_press_does_it(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    number = subscribe(session, "stod")
    log_in(app, session, client)
    before = read_tables(session)
    page = read_page(client.get("/mina-amnen/radera"))
    assert [words_of(one) for one in page.xpath("//main//h2")] == ["Det här försvinner", "Det här finns kvar"]
    assert len(page.xpath("//main//button")) == 1
    assert page.xpath("//input[@name='block' and @checked]") == []
    assert read_tables(session) == before

    done = read_page(erase(client))

    assert title_of(done) == "Allt om dig är raderat"
    assert client.get_cookie("newsroom_reader", path="/mina-amnen") is None
    one = session.get_one(Subscriber, number)
    assert (one.address, one.confirmed_at) == (f"erased {number}", None)
    assert one.erased_at is not None
    session.rollback()
    ((to, letter),) = receive(app, session)
    assert (to, letter["Subject"]) == (ANA, "Allt om dig är raderat")
    assert "Det här är det sista brevet." in " ".join(text_of(letter).split())
    assert receive(app, session) == []


def test_the_whole_database_no_longer_holds_the_address_once_the_last_letter_has_left(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    number = subscribe(session, "stod", "bibliotek")
    subscribe(session, "stod", address="bo@example.org")
    send_item(app, session)
    make_signup(session, ANA, "kultur", now=clock.now())
    session.commit()
    log_in(app, session, client)
    client.post("/mina-amnen/adress", data={"email": "ana.ny@example.org"})
    bo = session.scalars(sa.select(Subscriber).where(Subscriber.address == "bo@example.org")).one()
    now = clock.now()
    # Bo wants Ana's address for his, in other letters.
    changing.ask(
        session, bo, read_address("ANA@example.org"), language="sv", keys=[SECRET], now=now, letters_per_hour=9
    )
    receive(app, session)
    token = session.get_one(Subscriber, number).token
    session.rollback()
    client.get("/mina-amnen")
    assert ANA in dump(session)

    erase(client)
    assert dump(session).count(ANA) == 1  # Where the last letter goes.
    assert [to for to, _letter in receive(app, session)] == [ANA]
    tick_through(session, rules_of(app), now=clock.now())

    said = dump(session)
    assert ANA not in said
    assert "ana.ny@" not in said
    assert token.lower() not in said
    assert "bo@example.org" in said
    assert session.scalars(sa.select(Delivery).where(Delivery.subscriber_id == number)).all() != []
    assert session.scalars(sa.select(ReaderSession)).all() == []


def test_a_certificate_made_before_still_verifies(app: Flask, session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod")
    subscribe(session, "stod", address="bo@example.org")
    send_item(app, session)
    text = session.scalars(sa.select(Certificate.body)).one()
    assert verify(session, text) == []
    session.rollback()
    log_in(app, session, client)

    erase(client)
    receive(app, session)

    assert verify(session, text) == []


def test_what_waits_is_taken_back_and_what_is_on_a_wire_is_settled_without_the_servers_words(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    number = subscribe(session, "stod")
    log_in(app, session, client)
    make_item(session, "stod", published_at=clock.now() - MINUTE)
    session.commit()
    tick_through(session, rules_of(app), now=clock.now())
    row = session.scalars(sa.select(Delivery).join(Mailing).where(Mailing.kind == "news")).one()
    row_id = row.id
    session.commit()

    erase(client)
    session.refresh(row)
    assert (row.state, row.reason) == ("skipped", "erased")
    deliveries.settle(session, {row_id: OK}, now=clock.now())  # It had left a moment before.
    session.commit()

    session.refresh(row)
    assert (row.state, row.code, row.reply, row.subscriber_id) == ("accepted", 250, None, number)
    session.rollback()
    assert [to for to, _letter in receive(app, session)] == [ANA]  # The farewell alone.
    assert session.scalars(sa.select(Batch).where(Batch.state == "open")).all() == []


def test_a_farewell_that_can_never_leave_is_forgotten_all_the_same(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    subscribe(session, "stod")
    log_in(app, session, client)
    erase(client)
    tick_through(session, rules_of(app), now=clock.now() + 9 * DAY)  # No engine ran for nine days.
    assert ANA not in dump(session)


def test_the_same_address_can_begin_anew_as_somebody_else(app: Flask, session: Session, client: FlaskClient) -> None:
    number = subscribe(session, "stod")
    log_in(app, session, client)
    erase(client)
    client.post("/prenumerera", data={"email": ANA, "topics": "stod", "frequency": "direct"})
    assert {to for to, _letter in receive(app, session)} == {ANA}
    fresh = session.scalars(sa.select(Subscriber).where(Subscriber.address == ANA)).one()
    assert fresh.id != number


def test_nobody_can_sign_up_an_address_whose_owner_wished_so_and_an_operator_can_lift_it(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    subscribe(session, "stod")
    log_in(app, session, client)
    done = read_page(erase(client, block="yes"))
    assert "Ingen kan anmäla adressen igen." in words_of(done)
    receive(app, session)
    form = {"topics": "stod", "frequency": "direct"}
    before = read_tables(session)

    blocked = client.post("/prenumerera", data={"email": "Ana@Example.org", **form})

    free = client.post("/prenumerera", data={"email": "Bob@Example.org", **form})
    pages = [words_of(read_page(answer)).replace("Ana@", "Bob@") for answer in (blocked, free)]
    forms = [filled_in(find_form(read_page(answer), "shown"), email="", shown="") for answer in (blocked, free)]
    assert (blocked.status_code, pages[0], forms[0]) == (200, pages[1], forms[1])  # But for the second they came in.
    assert [to for to, _letter in receive(app, session)] == ["Bob@example.org"]
    assert len(before["blocked_address"]) == 1
    assert ANA not in dump(session)

    # A new secret knows the address as long as the old one is among the fallbacks.
    app.config["SECRET_KEY"], app.config["SECRET_KEY_FALLBACKS"] = "a newer secret of sufficient length", [SECRET]
    client.post("/prenumerera", data={"email": ANA, **form})
    assert receive(app, session) == []

    runner = app.test_cli_runner()
    for text, code in ((" ANA@example.org", 0), (ANA, 1), ("x", 1)):
        assert runner.invoke(args=["subscribers", "unblock", text]).exit_code == code
    assert session.scalars(sa.select(BlockedAddress)).all() == []
    session.rollback()
    client.post("/prenumerera", data={"email": ANA, **form})
    assert [to for to, _letter in receive(app, session)] == [ANA]


@on_sqlite
def test_an_operator_exports_and_erases_for_who_cannot_log_in(app: Flask, session: Session) -> None:
    subscribe(session, "stod")
    runner = app.test_cli_runner()
    assert ANA in runner.invoke(args=["subscribers", "export", ANA]).output
    assert runner.invoke(args=["subscribers", "erase", ANA], input="n\n").exit_code == 1
    assert runner.invoke(args=["subscribers", "export", "bo@example.org"]).exit_code == 1
    assert runner.invoke(args=["subscribers", "erase", ANA, "--block", "--yes"]).exit_code == 0
    assert [to for to, _letter in receive(app, session)] == [ANA]
    tick_through(session, rules_of(app), now=clock.now())
    assert ANA not in dump(session)


@on_sqlite
def test_links_of_an_erased_person_let_nobody_in(app: Flask, session: Session, client: FlaskClient) -> None:
    number = subscribe(session, "stod")
    ask_for_link(client)
    link = link_in(receive(app, session)[0][1], "logga-in")
    log_in(app, session, client)
    erase(client)
    assert client.get(link).status_code == client.post(link).status_code == 404
    nobody = session.get_one(Subscriber, number)
    wish = preferences.Wish({}, {"stod": "direct"}, "sv", None)
    assert not preferences.save(session, nobody, wish, consent_text="", now=clock.now())
    session.rollback()


@on_sqlite
def test_letters_about_a_new_address_forget_it_when_they_have_done_their_work(app: Flask, session: Session) -> None:
    number = subscribe(session, "stod")
    ana, now = session.get_one(Subscriber, number), clock.now()
    ny = read_address("ny@example.org")
    changing.ask(session, ana, ny, language="sv", keys=[SECRET], now=now, letters_per_hour=9)
    assert sorted(to for to, _letter in receive(app, session)) == [ANA, "ny@example.org"]
    tick_through(session, rules_of(app), now=now + HOUR)
    assert session.scalars(sa.select(PersonalLetter.address).order_by(PersonalLetter.id)).all() == [
        None,
        "ny@example.org",  # It waits for its yes.
    ]
    tick_through(session, rules_of(app), now=now + 25 * HOUR)
    assert "ny@example.org" not in dump(session)
    assert session.scalar(sa.select(sa.func.count()).select_from(Signup)) == 1
