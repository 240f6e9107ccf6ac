"""Logging in to one's own topics: an address, a letter, a link, a button; and nothing that tells who subscribes."""

import re
import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from newsroom import clock, create_app
from newsroom.extensions import db
from newsroom.subscribers import erasing
from newsroom.subscribers.models import PersonalLetter, ReaderSession, Subscriber
from newsroom.subscribers.signup import make_link_token
from tests.conftest import SECRET, settings
from tests.factories import HOUR, MINUTE, make_signup
from tests.pages import check_error, filled_in, find_form, read_page, title_of, words_of
from tests.reader import ANA, ask_for_link, link_in, log_in, receive, subscribe, text_of
from tests.tables import count_new, read_tables

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
PAGES = ("", "/adress", "/brev", "/radera")


def backdate(session: Session, span: object) -> None:
    """Let the time of all login links be over so much earlier."""
    for letter in session.scalars(sa.select(PersonalLetter)):
        letter.good_until -= span  # type: ignore[operator]
    session.commit()


def test_from_the_address_through_the_letter_to_the_topics(app: Flask, session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod")
    said = read_page(ask_for_link(client))
    assert title_of(said) == "Titta i din inkorg"
    ((to, letter),) = receive(app, session)
    assert (to, letter["Subject"]) == (ANA, "Din länk till Mina ämnen")
    link = link_in(letter, "logga-in")
    before = read_tables(session)

    for method in ("GET", "HEAD", "GET"):  # Link scanners open everything.
        assert client.open(link, method=method).status_code == 200
    page = read_page(client.get(link))
    assert (title_of(page), len(page.xpath("//main//button"))) == ("Ett tryck kvar", 1)
    assert read_tables(session) == before
    assert title_of(read_page(client.get("/mina-amnen"))) == "Mina ämnen"
    assert client.get_cookie("newsroom_reader", path="/mina-amnen") is None

    pressed = client.post(link)

    assert (pressed.status_code, pressed.location) == (303, "/mina-amnen")
    own = read_page(client.get("/mina-amnen"))
    assert ANA in words_of(own)
    assert own.xpath("//input[@name='topics' and @checked]/@value") == ["stod"]


def test_a_link_works_once_and_for_thirty_minutes(app: Flask, session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod")
    ask_for_link(client)
    first = link_in(receive(app, session)[0][1], "logga-in")
    ask_for_link(client)
    second = link_in(receive(app, session)[0][1], "logga-in")
    client.post(first)
    other = app.test_client()
    before = read_tables(session)

    for link in (first, second):  # Who is in needs none of the others.
        for answer in (other.get(link), other.post(link)):
            page = read_page(answer)
            assert (answer.status_code, title_of(page)) == (410, "Länken fungerar inte längre")
            assert find_form(page, "email").get("action") == "/mina-amnen/lank"
    assert read_tables(session) == before

    ask_for_link(other)
    third = link_in(receive(app, session)[0][1], "logga-in")
    backdate(session, 31 * MINUTE)
    assert (other.get(third).status_code, other.post(third).status_code) == (410, 410)


def test_the_answer_is_the_same_whatever_the_address_is(app: Flask, session: Session, client: FlaskClient) -> None:
    app.config["SIGNUP_LETTERS_PER_HOUR"] = 2
    subscribe(session, "stod", address="known@example.org")
    subscribe(session, "stod", address="often@example.org")
    gone = session.get_one(Subscriber, subscribe(session, "stod", address="erase@example.org"))
    erasing.erase(session, gone, block=False, keys=[SECRET], now=clock.now())
    make_signup(session, "waits@example.org", "stod", now=clock.now())
    session.commit()
    receive(app, session)
    for _ in range(2):
        ask_for_link(client, "often@example.org")
    receive(app, session)
    before = read_tables(session)

    answers = [ask_for_link(client, f"{name}@example.org") for name in ("known", "nobod", "waits", "erase", "often")]

    first, *others = [
        (answer.status_code, sorted(answer.headers), re.sub(rb"\b[a-z]+@example\.org", b"(address)", answer.data))
        for answer in answers
    ]
    assert first[0] == 200
    assert first[2].count(b"(address)") == 1
    assert others == [first] * 4
    assert count_new(before, read_tables(session)) == {"personal_letter": 1}  # And nothing else is kept.
    assert [to for to, _letter in receive(app, session)] == ["known@example.org"]


def test_the_database_does_the_same_work_for_known_and_unknown_addresses(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    subscribe(session, "stod")
    with app.app_context():
        engine = db.engine
    verbs: list[str] = []
    sa.event.listen(
        engine, "before_cursor_execute", lambda *args: verbs.append(str(args[2]).split()[0].lower()), named=False
    )

    def work(address: str) -> list[str]:
        verbs.clear()
        assert client.post("/mina-amnen/lank", data={"email": address}).status_code == 200
        return [verb for verb in verbs if verb in ("select", "insert", "begin")]

    assert work("nobody@example.org") == work(ANA)


@on_sqlite
def test_an_address_with_another_case_is_the_same_and_an_english_page_gives_an_english_letter(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    subscribe(session, "stod")
    ask_for_link(client, " Ana@Example.ORG ", prefix="/en")
    ((to, letter),) = receive(app, session)
    assert (to, letter["Subject"]) == (ANA, "Your link to your topics")
    link = link_in(letter, "logga-in")
    assert link.startswith("/en/mina-amnen/logga-in/")
    assert client.post(link).location == "/en/mina-amnen"
    for prefix, title in (("", "Mina ämnen"), ("/en", "My topics")):  # One session, in both languages.
        page = read_page(client.get(f"{prefix}/mina-amnen"))
        assert title_of(page) == title
        assert ANA in words_of(page)


@on_sqlite
def test_what_is_no_address_is_said_at_the_field_and_stays(session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod")
    before = read_tables(session)
    wrong = "Det här är inte en fullständig e-postadress. Den ska se ut som namn@example.org."
    for typed, text in (("ana", wrong), ("  ", "Skriv din e-postadress."), ("a b@example.org", wrong)):
        answer = ask_for_link(client, typed)
        page = read_page(answer)
        assert answer.status_code == 422
        check_error(page, "email", text)
        assert find_form(page, "email").fields["email"] == typed
    assert client.post("/mina-amnen/lank").status_code == 422
    assert client.post("/mina-amnen/lank", data={"email": "x" * 600_000}).status_code == 413
    assert read_tables(session) == before


@on_sqlite
def test_a_database_that_cannot_be_written_says_so_and_keeps_the_address(session: Session, tmp_path: Path) -> None:
    subscribe(session, "stod")
    shutil.copy(tmp_path / "newsroom.sqlite3", tmp_path / "copy.sqlite3")
    uri = f"sqlite:///file:{tmp_path / 'newsroom.sqlite3'}?mode=ro&uri=true"
    app = create_app(settings(tmp_path, SQLALCHEMY_DATABASE_URI=uri))
    answer = ask_for_link(app.test_client())
    page = read_page(answer)
    assert answer.status_code == 503
    assert words_of(page.xpath("//title")[0]).startswith("Det gick inte: Mina ämnen")
    (box,) = page.xpath("//*[@autofocus]")
    assert words_of(box) == "Vi kan inte skicka någon länk just nu. Försök igen om en stund."
    assert box.xpath(".//h2 | .//li") == []
    assert find_form(page, "email").fields["email"] == ANA
    with app.app_context():
        db.engine.dispose()


# The session


def test_only_the_hash_of_a_sessions_name_is_kept_and_it_ends_by_itself(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    subscribe(session, "stod")
    log_in(app, session, client)
    cookie = client.get_cookie("newsroom_reader", path="/mina-amnen")
    assert cookie is not None
    assert (cookie.http_only, cookie.same_site, cookie.max_age, len(cookie.value)) == (True, "Lax", 3600, 22)
    assert cookie.value not in repr(read_tables(session))

    one = session.scalars(sa.select(ReaderSession)).one()
    assert HOUR - MINUTE < one.ends_at - clock.now() <= HOUR
    one.ends_at = clock.now() - MINUTE
    session.commit()
    for page in PAGES:
        assert ANA not in client.get(f"/mina-amnen{page}").get_data(as_text=True)
    log_in(app, session, client)
    assert session.scalar(sa.select(sa.func.count()).select_from(ReaderSession)) == 1  # What has run out goes.


@on_sqlite
def test_the_cookie_is_secure_where_the_site_is(session: Session, tmp_path: Path) -> None:
    subscribe(session, "stod")
    secret = "long enough to be a secret, and more than that"
    changes = {"PUBLIC_URL": "https://nyheter.example.org", "MAIL_SERVER": "mail.example.org", "SECRET_KEY": secret}
    changes |= {"MAIL_DEFAULT_SENDER": "nyheter@example.org"}
    app = create_app(settings(tmp_path, **changes))
    token = make_link_token(make_signup(session, "bo@example.org", "stod", now=clock.now()), keys=[secret])
    session.commit()
    answer = app.test_client().post(f"/bekrafta/{token}")
    cookies = answer.headers.getlist("Set-Cookie")
    assert len(cookies) == 2
    for cookie in cookies:
        assert {"Secure", "HttpOnly", "SameSite=Lax"} <= set(cookie.split("; "))
    with app.app_context():
        db.engine.dispose()


def test_logging_out_ends_it_here_and_in_the_browser(app: Flask, session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod")
    log_in(app, session, client)
    cookie = client.get_cookie("newsroom_reader", path="/mina-amnen")
    assert cookie is not None
    form = find_form(read_page(client.get("/mina-amnen")), "topics")  # That the page is there.
    assert form is not None

    assert title_of(read_page(client.post("/mina-amnen/logga-ut"))) == "Du är utloggad"

    assert client.get_cookie("newsroom_reader", path="/mina-amnen") is None
    assert session.scalars(sa.select(ReaderSession)).all() == []
    session.rollback()
    client.set_cookie("newsroom_reader", cookie.value, path="/mina-amnen")  # Somebody kept it.
    assert ANA not in client.get("/mina-amnen").get_data(as_text=True)
    assert client.post("/mina-amnen/logga-ut").status_code == 200


@on_sqlite
def test_nothing_of_ones_own_is_kept_in_a_cache_or_shown_to_others(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    subscribe(session, "stod")
    stranger = app.test_client()
    for name in ("", "x", "\x00", "å", "'; --", "x" * 3000):
        stranger.set_cookie("newsroom_reader", name, path="/mina-amnen")
        assert stranger.get("/mina-amnen").status_code == 200
    log_in(app, session, client)
    for page in (*PAGES, "/uppgifter.json"):
        own, theirs = client.get(f"/mina-amnen{page}"), stranger.get(f"/mina-amnen{page}")
        assert own.headers["Cache-Control"] == theirs.headers["Cache-Control"] == "no-store"
        assert ANA not in theirs.get_data(as_text=True)
        assert "Set-Cookie" not in theirs.headers


@on_sqlite
def test_forms_from_another_site_are_refused(app: Flask, session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod")
    ask_for_link(client)
    link = link_in(receive(app, session)[0][1], "logga-in")
    log_in(app, session, client)
    before = read_tables(session)
    paths = ["", "/lank", "/logga-ut", "/adress", "/adress/avbryt", "/radera"]
    for path in [f"/mina-amnen{one}" for one in paths] + [link]:
        for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://example.com"}):
            assert client.post(path, data={"email": "bo@example.org"}, headers=headers).status_code == 403
    assert read_tables(session) == before


@on_sqlite
def test_a_link_that_is_not_ours_is_not_found(session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod")
    of_signup = make_link_token(make_signup(session, "bo@example.org", "stod"), keys=[SECRET])
    session.commit()
    for token in ("x", "%00", "%ED%A0%80", of_signup, "x" * 9000):
        for kind in ("logga-in", "ny-adress"):
            for method in ("GET", "POST"):
                assert client.open(f"/mina-amnen/{kind}/{token}", method=method).status_code == 404


# Right after a sign-up


def test_who_has_just_confirmed_a_sign_up_is_in_and_who_opens_the_link_later_is_not(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    subscribe(session, "bibliotek")
    link = f"/bekrafta/{make_link_token(make_signup(session, ANA, 'stod', now=clock.now()), keys=[SECRET])}"
    session.commit()
    welcome = read_page(client.post(link, headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=True))
    (way,) = welcome.xpath("//main//a[@href = '/mina-amnen']")
    assert ANA in client.get(way.get("href")).get_data(as_text=True)

    forwarded = app.test_client()
    for method in ("GET", "POST", "GET"):
        assert "Set-Cookie" not in forwarded.open(link, method=method).headers
    assert ANA not in forwarded.get("/mina-amnen").get_data(as_text=True)


@pytest.mark.parametrize(
    ("known", "minutes", "let_in"), [(True, 29, True), (True, 31, False), (False, 4 * 24 * 60, True)]
)
def test_an_older_letter_lets_in_only_who_has_nothing_to_be_seen_yet(
    session: Session, client: FlaskClient, known: bool, minutes: int, let_in: bool
) -> None:
    subscribe(session, "bibliotek", address=ANA if known else "bo@example.org")
    wish = make_signup(session, ANA, "stod", now=clock.now() - minutes * MINUTE)
    link = f"/bekrafta/{make_link_token(wish, keys=[SECRET])}"
    session.commit()

    welcome = read_page(client.post(link, headers={"Sec-Fetch-Site": "same-origin"}, follow_redirects=True))

    assert title_of(welcome) == "Klart!"
    assert (ANA in client.get("/mina-amnen").get_data(as_text=True)) is let_in


def test_logging_in_shows_that_the_address_is_read_again(app: Flask, session: Session, client: FlaskClient) -> None:
    ana = session.get_one(Subscriber, subscribe(session, "stod"))
    ana.refusals = 3
    session.commit()
    log_in(app, session, client)
    session.refresh(ana)
    assert ana.refusals == 0


@on_sqlite
def test_the_letter_says_what_to_do_and_where_it_came_from(app: Flask, session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod")
    ask_for_link(client)
    ((_to, letter),) = receive(app, session)
    for kind in ("plain", "html"):
        text = " ".join(text_of(letter, kind).split())
        assert "/mina-amnen/logga-in/" in text
        assert "Länken fungerar en gång, inom 30 minuter." in text
        assert "Var det inte du?" in text
    assert letter["From"].endswith("<bekrafta@localhost>")
    assert (letter["List-Unsubscribe"], letter["Auto-Submitted"]) == (None, "auto-generated")


def test_a_letter_that_waited_too_long_does_not_leave(app: Flask, session: Session, client: FlaskClient) -> None:
    subscribe(session, "stod")
    ask_for_link(client)
    backdate(session, 31 * MINUTE)
    assert receive(app, session) == []


@on_sqlite
def test_a_form_filled_in_when_the_session_has_ended_loses_nothing(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    subscribe(session, "stod")
    log_in(app, session, client)
    form = find_form(read_page(client.get("/mina-amnen")), "topics")
    sent = filled_in(form, topics=["stod", "kultur"], frequency="weekly")
    session.execute(sa.delete(ReaderSession))
    session.commit()
    before = read_tables(session)

    answer = client.post("/mina-amnen", data=sent)

    page = read_page(answer)
    assert (answer.status_code, title_of(page)) == (403, "Du har loggats ut")
    assert read_tables(session) == before
    log_in(app, session, client)  # In another tab.
    (kept,) = page.xpath("//main//form[@action='/mina-amnen']")
    saved = read_page(client.post(kept.get("action"), data=filled_in(kept)))
    assert "Du följer nu Kultur, varje vecka." in words_of(saved)
    assert "Brev om Stöd kommer nu varje vecka." in words_of(saved)


@on_sqlite
def test_a_page_that_kept_what_was_chosen_is_used_from_the_top_down(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    subscribe(session, "stod")
    sent = {"topics": ["stod", "kultur"], "frequency": "weekly", "language": "sv", "shown": "stod:direct"}
    kept = {name: value if isinstance(value, list) else [value] for name, value in sent.items()}
    page = read_page(client.post("/mina-amnen", data=sent))
    for typed, code in (("ana", 422), (ANA, 200)):
        first, between, last = page.xpath("//main//ol/li")
        (ask,), (save,) = first.xpath(".//form"), last.xpath(".//form")
        assert (ask.get("action"), save.get("action")) == ("/mina-amnen/lank", "/mina-amnen")
        assert between.xpath(".//form") == []
        answer = client.post(ask.get("action"), data=filled_in(ask, email=typed))
        page = read_page(answer)
        assert (answer.status_code, title_of(page)) == (code, "Du har loggats ut")
        if code == 422:
            check_error(
                page, "email", "Det här är inte en fullständig e-postadress. Den ska se ut som namn@example.org."
            )

    (said,) = page.xpath("//*[@autofocus]")
    assert words_of(said).startswith(f"Om det går brev till {ANA} har vi skickat en länk dit.")
    ((_to, letter),) = receive(app, session)
    client.post(link_in(letter, "logga-in"))
    (save,) = page.xpath("//main//ol/li[3]//form")
    assert filled_in(save) == kept
    assert "Du följer nu Kultur, varje vecka." in words_of(read_page(client.post("/mina-amnen", data=filled_in(save))))


@on_sqlite
def test_an_address_that_is_held_back_stays_and_so_does_what_was_chosen(session: Session, tmp_path: Path) -> None:
    app = create_app(settings(tmp_path, SIGNUP_LIMIT="1 per minute") | {"RATELIMIT_ENABLED": True})
    client, sent = app.test_client(), {"email": "ana@", "topics": ["stod", "kultur"]}
    client.post("/mina-amnen/lank", data=sent)
    for prefix, title in (("", "Det gick inte:"), ("/en", "It didn't work:")):
        answer = client.post(f"{prefix}/mina-amnen/lank", data=sent)
        page = read_page(answer)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (429, "no-store")
        assert 0 < int(answer.headers["Retry-After"]) <= 61
        assert words_of(page.xpath("//title")[0]).startswith(title)
        assert filled_in(find_form(page, "email")) == {"email": ["ana@"], "topics": ["stod", "kultur"]}
    plain = read_page(client.post("/mina-amnen/lank", data={"email": "ana@"}))
    assert title_of(plain) == "Mina ämnen"
    refused = client.post("/mina-amnen/lank", data=sent, headers={"Sec-Fetch-Site": "cross-site"})
    assert refused.status_code == 403
    with app.app_context():
        db.engine.dispose()
