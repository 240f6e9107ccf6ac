"""Another address: the old one is told at once, the new one says yes, and what was followed goes on there."""

import json
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from newsroom import clock, create_app
from newsroom.delivery.models import Delivery
from newsroom.delivery.transport import MemoryTransport
from newsroom.extensions import db, make_token
from newsroom.subscribers import blocking, erasing
from newsroom.subscribers.addresses import read_address
from newsroom.subscribers.models import ConsentEvent, PersonalLetter, ReaderSession, Subscriber, Subscription
from tests.conftest import SECRET, settings
from tests.factories import HOUR, MINUTE, deliver_everything, make_item
from tests.pages import check_error, filled_in, find_form, read_page, title_of, words_of
from tests.public.test_my_topics import enter
from tests.reader import ANA, ask_for_link, link_in, receive, subscribe, text_of
from tests.tables import count_new, read_tables

NY = "ny@example.org"
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def ask(client: FlaskClient, address: str = NY) -> str:
    """Ask for another address; gives the answer's text."""
    (form,) = read_page(client.get("/mina-amnen/adress")).xpath("//main//form")
    answer = client.post("/mina-amnen/adress", data=filled_in(form, email=address))
    assert answer.status_code == 200
    return answer.get_data(as_text=True)


def link_to(app: Flask, session: Session, address: str = NY) -> str:
    (letter,) = [letter for to, letter in receive(app, session) if to == address]
    return link_in(letter, "ny-adress")


def follows(session: Session, address: str) -> dict[str, str]:
    session.rollback()
    rows = session.scalars(
        sa.select(Subscription)
        .join(Subscriber, Subscriber.id == Subscription.subscriber_id)
        .where(Subscriber.address == address, Subscription.ended_at.is_(None))
    )
    found = {row.topic.slug: row.frequency for row in rows}
    session.rollback()
    return found


def test_the_old_address_is_told_and_the_new_one_says_yes(app: Flask, session: Session, client: FlaskClient) -> None:
    number = subscribe(session, "stod", "kultur", frequency="weekly")
    enter(session, client, number)
    enter(session, app.test_client(), number)  # Logged in elsewhere, too.
    assert title_of(read_page(client.get("/mina-amnen/adress"))) == "Byt adress"

    assert NY in ask(client)

    letters = dict(receive(app, session))
    assert set(letters) == {ANA, NY}
    assert "Logga genast in på Mina ämnen" in " ".join(text_of(letters[ANA]).split())
    for kind in ("plain", "html"):
        assert NY not in text_of(letters[ANA], kind)  # Who reads the old mailbox needn't know the new one,
        assert ANA not in text_of(letters[NY], kind)  # nor the other way round.
    assert follows(session, ANA) == {"stod": "weekly", "kultur": "weekly"}
    link = link_in(letters[NY], "ny-adress")
    before = read_tables(session)
    stranger = app.test_client()
    page = read_page(stranger.get(link))
    assert (title_of(page), len(page.xpath("//main//button"))) == ("Ett tryck kvar", 1)
    assert read_tables(session) == before
    ana = session.get_one(Subscriber, number)
    ana.refusals = 3
    session.commit()

    done = read_page(stranger.post(link))

    assert title_of(done) == "Din adress är bytt"
    assert follows(session, NY) == {"stod": "weekly", "kultur": "weekly"}
    session.refresh(ana)
    assert (ana.address, ana.address_key, ana.refusals, ana.id) == (NY, NY, 0, number)
    event = session.scalars(sa.select(ConsentEvent).where(ConsentEvent.kind == "address_changed")).one()
    assert event.text == f"{ANA} → {NY}"
    assert session.scalar(sa.select(sa.func.count()).select_from(ReaderSession)) == 1
    session.rollback()
    assert ANA not in client.get("/mina-amnen").get_data(as_text=True)  # Logged out.
    assert NY in stranger.get("/mina-amnen").get_data(as_text=True)
    for prefix, title in (("", "Adressen är redan bytt"), ("/en", "Your address has already been changed")):
        for answer in (stranger.get(prefix + link), stranger.post(prefix + link)):
            assert (answer.status_code, title_of(read_page(answer))) == (410, title)
            assert ANA not in answer.get_data(as_text=True)
            assert NY not in answer.get_data(as_text=True)  # A letter can be forwarded.


def test_a_change_can_be_taken_back_from_my_topics(app: Flask, session: Session, client: FlaskClient) -> None:
    enter(session, client, subscribe(session, "stod"))
    ask(client)
    link = link_to(app, session)
    page = read_page(client.get("/mina-amnen"))
    assert NY in words_of(page)
    (form,) = page.xpath("//form[@action = '/mina-amnen/adress/avbryt']")

    assert client.post(form.get("action")).status_code == 303

    assert NY not in client.get("/mina-amnen").get_data(as_text=True)
    for answer in (client.get(link), client.post(link)):
        assert (answer.status_code, title_of(read_page(answer))) == (410, "Länken fungerar inte längre")
    assert follows(session, ANA) == {"stod": "direct"}


@on_sqlite
def test_a_new_question_takes_the_place_of_an_older_and_a_link_lives_for_a_day(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    enter(session, client, subscribe(session, "stod"))
    ask(client, "forst@example.org")
    first = link_to(app, session, "forst@example.org")
    ask(client)
    second = link_to(app, session)
    assert client.post(first).status_code == 410
    for letter in session.scalars(sa.select(PersonalLetter).where(PersonalLetter.kind == "change")):
        assert letter.good_until is not None
        letter.good_until -= 24 * HOUR
    session.commit()
    assert client.get(second).status_code == client.post(second).status_code == 410
    assert follows(session, ANA) == {"stod": "direct"}


def test_an_address_that_subscribes_already_is_put_together_with_the_old_one(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    old = subscribe(session, "stod", "kultur", frequency="daily", language="en")
    new = subscribe(session, "stod", address=NY, frequency="direct")
    subscribe(session, "kultur", "bibliotek", address=NY, frequency="weekly")
    now = clock.now()
    make_item(session, "bibliotek", "stod", published_at=now)  # Too late for any digest that is due.
    session.commit()
    post = MemoryTransport()
    deliver_everything(app, session, post, now=now)
    assert [one.to for one in post.accepted] == [NY]
    enter(session, client, old)
    same = ask(client, NY).replace(NY, "x@example.org")
    link = link_to(app, session)
    assert same == ask(client, "x@example.org")  # Whether it subscribes isn't told here,
    receive(app, session)
    ask(client)
    link = link_to(app, session)
    assert "Den här adressen följer redan ämnen." in client.get(link).get_data(as_text=True)  # but there.

    done = read_page(client.post(link))

    assert "Det du följde på båda adresserna har lagts ihop." in words_of(done)
    assert title_of(read_page(client.get(link))) == "Adressen är redan bytt"
    assert follows(session, NY) == {"stod": "direct", "kultur": "daily", "bibliotek": "weekly"}
    assert follows(session, ANA) == {}
    one = session.get_one(Subscriber, new)
    assert (one.address, one.language) == (NY, "en")
    nobody = session.get_one(Subscriber, old)
    assert (nobody.address, nobody.confirmed_at) == (f"erased {old}", None)
    consent = session.scalars(sa.select(ConsentEvent.subscriber_id).distinct()).all()
    assert consent == [new]
    ended = session.scalars(sa.select(Subscription).where(Subscription.end_reason == "moved")).all()
    assert {row.topic.slug for row in ended} == {"stod", "kultur"}
    session.rollback()


def test_links_to_leave_in_letters_to_either_address_go_on_working(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    old, new = subscribe(session, "stod"), subscribe(session, "kultur", address=NY)
    make_item(session, "stod", "kultur", published_at=clock.now() - MINUTE)
    site = "<http://127.0.0.1:8000"
    links = {to: str(letter["List-Unsubscribe"]).removeprefix(site).rstrip(">") for to, letter in receive(app, session)}
    enter(session, client, old)
    ask(client)
    client.post(link_to(app, session))
    one_click = {"List-Unsubscribe": "One-Click"}

    assert client.post(links[ANA], data=one_click).status_code == 200
    assert follows(session, NY) == {"kultur": "direct"}
    assert client.post(links[NY], data=one_click).status_code == 200
    assert follows(session, NY) == {}
    assert session.get_one(Subscriber, new).address == NY
    session.rollback()


def test_a_letter_to_an_address_left_twice_over_still_leaves_with_undo_until_all_is_erased(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    """Ana moved to an address that subscribed already, and from there to another that did."""
    subscribe(session, "kultur", address=NY)
    last = subscribe(session, "bibliotek", address="sist@example.org")
    enter(session, client, subscribe(session, "stod"))
    make_item(session, "stod", headline="Bron stängs i helgen", published_at=clock.now() - MINUTE)
    ((to, letter),) = receive(app, session)
    link = str(letter["List-Unsubscribe"]).removeprefix("<http://127.0.0.1:8000").rstrip(">")
    for address in (NY, "sist@example.org"):
        ask(client, address)
        client.post(link_to(app, session, address))
    assert to == ANA
    assert follows(session, "sist@example.org") == {"stod": "direct", "kultur": "direct", "bibliotek": "direct"}

    left = read_page(client.post(link))

    assert follows(session, "sist@example.org") == {"kultur": "direct", "bibliotek": "direct"}
    (form,) = left.xpath("//form[contains(@action, '/angra')]")
    assert client.post(form.get("action"), data=filled_in(form)).status_code == 200
    assert follows(session, "sist@example.org") == {"stod": "direct", "kultur": "direct", "bibliotek": "direct"}
    listed = words_of(read_page(client.get("/mina-amnen/brev")))
    assert "Bron stängs i helgen" in listed
    (whole,) = json.loads(client.get("/mina-amnen/uppgifter.json").get_data(as_text=True))["letters"][:1]
    assert whole["mailing"] in link
    erasing.erase(session, session.get_one(Subscriber, last), block=False, keys=[SECRET], now=clock.now())
    session.commit()
    assert client.get(link).status_code == 404


@on_sqlite
def test_a_question_too_many_leaves_the_one_that_waits(app: Flask, session: Session, client: FlaskClient) -> None:
    app.config["SIGNUP_LETTERS_PER_HOUR"] = 1
    enter(session, client, subscribe(session, "stod"))
    ask(client)
    link = link_to(app, session)

    ask(client, "en.till@example.org")

    assert receive(app, session) == []
    assert NY in client.get("/mina-amnen").get_data(as_text=True)
    assert client.post(link, follow_redirects=True).status_code == 200
    assert follows(session, NY) == {"stod": "direct"}


def test_nobody_can_be_flooded_and_a_blocked_address_stays_in_peace(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    app.config["SIGNUP_LETTERS_PER_HOUR"] = 2
    number = subscribe(session, "stod")
    other = subscribe(session, "stod", address="bo@example.org")
    blocking.block(session, read_address("lugn@example.org"), keys=[SECRET], now=clock.now())
    session.commit()
    enter(session, client, number)

    quiet = ask(client, "lugn@example.org")

    assert quiet.replace("lugn@", "ny@") == ask(client)
    to = [one for one, _letter in receive(app, session)]
    assert "lugn@example.org" not in to
    ask(client, "Ny@example.org")
    enter(session, client, other)
    ask(client)  # A third letter to ny@ within the hour, from somebody else.
    assert NY not in [one for one, _letter in receive(app, session)]


@on_sqlite
def test_what_is_no_new_address_is_said_at_the_field_and_stays(session: Session, client: FlaskClient) -> None:
    enter(session, client, subscribe(session, "stod"))
    before = read_tables(session)
    for typed, text in (
        ("", "Skriv din nya e-postadress."),
        ("ny", "Det här är inte en fullständig e-postadress. Den ska se ut som namn@example.org."),
        ("ANA@example.org", "Det är den adress som dina brev redan går till."),
    ):
        answer = client.post("/mina-amnen/adress", data={"email": typed})
        page = read_page(answer)
        assert answer.status_code == 422
        check_error(page, "email", text)
        assert find_form(page, "email").fields["email"] == typed
    assert read_tables(session) == before
    client.set_cookie("newsroom_reader", make_token(), path="/mina-amnen")
    assert client.post("/mina-amnen/adress", data={"email": NY}).status_code == 403
    assert client.post("/mina-amnen/adress/avbryt").status_code == 403
    assert count_new(before, read_tables(session)) == {}


@on_sqlite
def test_a_new_address_that_is_held_back_stays_for_who_is_logged_in(session: Session, tmp_path: Path) -> None:
    app = create_app(settings(tmp_path, SIGNUP_LIMIT="1 per minute") | {"RATELIMIT_ENABLED": True})
    client, stranger = app.test_client(), app.test_client()
    enter(session, client, subscribe(session, "stod"))
    client.post("/mina-amnen/adress", data={"email": "ny@"})
    before = read_tables(session)

    answer = client.post("/mina-amnen/adress", data={"email": "ny@"})

    page = read_page(answer)
    assert (answer.status_code, title_of(page)) == (429, "Byt adress")
    assert words_of(page.xpath("//title")[0]).startswith("Det gick inte:")
    assert "Vänta" in words_of(page.xpath("//*[@autofocus]")[0])
    assert find_form(page, "email").fields["email"] == "ny@"
    nobody = stranger.post("/mina-amnen/adress", data={"email": "ny@"})
    assert (nobody.status_code, title_of(read_page(nobody))) == (429, "För många försök")
    refused = client.post("/mina-amnen/adress", data={"email": "ny@"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert refused.status_code == 403
    assert read_tables(session) == before
    with app.app_context():
        db.engine.dispose()


def test_a_login_link_that_went_to_the_old_address_lets_nobody_in(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    enter(session, client, subscribe(session, "stod"))
    ask_for_link(app.test_client())
    ask(client)
    letters = receive(app, session)
    (login,) = [link_in(letter, "logga-in") for to, letter in letters if "/logga-in/" in text_of(letter)]
    (change,) = [link_in(letter, "ny-adress") for to, letter in letters if to == NY]
    client.post(change)
    assert app.test_client().post(login).status_code == 410
    assert session.scalars(sa.select(Delivery.reply).where(Delivery.reply.like("%ana@%"))).all() == []
    session.rollback()
