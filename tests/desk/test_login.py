"""Who comes in at the desk, who doesn't, and what their browser keeps of it."""

import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from newsroom import clock, create_app, editors
from newsroom.editors import Editor
from newsroom.extensions import db
from tests.conftest import settings
from tests.desk.conftest import PASSWORD, Login
from tests.pages import check_error, filled_in, find_form, log_in, read_page, title_of, words_of
from tests.tables import read_tables

WRONG = "E-postadressen eller lösenordet stämmer inte."
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def test_nobody_sees_the_desk_without_logging_in(desk: None, client: FlaskClient, session: Session) -> None:
    before = read_tables(session)
    for address in ("/desk/", "/desk/items/new", "/desk/items/1", "/desk/items/1/edit"):
        answer = client.get(address)
        assert (answer.status_code, answer.location) == (302, f"/desk/login?next={address}")
    for address in ("/desk/items/1/publish", "/desk/items/1/withdraw"):
        answer = client.post(address, data={"when": "now"})
        assert (answer.status_code, answer.location) == (302, "/desk/login")
    assert read_tables(session) == before


def test_an_editor_logs_in_and_comes_to_what_they_wanted(desk: None, client: FlaskClient) -> None:
    asked = client.get("/desk/items/new")
    form = find_form(read_page(client.get(asked.location)), "password")

    answer = client.post(form.get("action"), data=filled_in(form, email="EVA@Example.org", password=PASSWORD))

    assert (answer.status_code, answer.location) == (302, "/desk/items/new")
    assert title_of(read_page(client.get("/desk/items/new"))) == "Skriv en nyhet"
    assert title_of(read_page(client.get("/desk/"))) == "Nyheter"


@on_sqlite
def test_an_unknown_editor_and_a_wrong_password_get_the_same_page(desk: None, app: Flask) -> None:
    pages = []
    for email, password in (("eva@example.org", "wrong"), ("ida@example.org", PASSWORD), ("bo@example.org", "")):
        client = app.test_client()
        answer = log_in(client, email, password)
        page = read_page(answer)
        check_error(page, "email", WRONG)
        assert page.xpath("//input[@name='email']/@value") == [email]
        assert page.xpath("//input[@name='password']/@value") == []
        assert words_of(page.xpath("//title")[0]).startswith("Att rätta:")
        assert client.get("/desk/").status_code == 302
        text = answer.get_data(as_text=True).replace(email, "(address)")
        pages.append((answer.status_code, re.sub(r'(name="csrf_token"[^>]*value=")[^"]*', r"\1", text)))
    assert pages[0] == pages[1] == pages[2]


@on_sqlite
def test_an_editor_who_was_shut_out_gets_that_page_too(
    desk: None, session: Session, app: Flask, logins: list[Login], eva: FlaskClient
) -> None:
    for editor in session.query(Editor):
        editor.active = False
    session.commit()

    check_error(read_page(log_in(app.test_client(), "eva@example.org", PASSWORD)), "email", WRONG)
    assert eva.get("/desk/").status_code == 302  # Who was in is out.


def test_garbage_is_a_wrong_login_like_any_other(desk: None, client: FlaskClient) -> None:
    for email in ("", "eva", "eva@example.org\x00", "\x00", "a\r\nb@example.org", "x" * 1000, "%ED%A0%80@b.se", "'--"):
        check_error(read_page(log_in(client, email, "x")), "email", WRONG)


@on_sqlite
def test_half_signs_and_nul_in_a_password_are_a_wrong_password(desk: None, client: FlaskClient) -> None:
    for password in (b"%ED%A0%80", b"%00", b"R%C3%A4tt%00", b"%FF"):
        form = find_form(read_page(client.get("/desk/login")), "password")
        token = filled_in(form)["csrf_token"][0].encode()
        body = b"email=eva%40example.org&csrf_token=" + token + b"&password=" + password
        answer = client.post("/desk/login", data=body, content_type="application/x-www-form-urlencoded")
        check_error(read_page(answer), "email", WRONG)


@on_sqlite
def test_a_password_of_any_length_crashes_nothing(desk: None, client: FlaskClient) -> None:
    for email in ("eva@example.org", "ida@example.org"):
        for length, code in ((3000, 200), (4096, 413), (100_000, 413), (5_000_000, 413)):
            answer = log_in(client, email, "x" * length)
            assert (length, answer.status_code) == (length, code)
            read_page(answer)


@on_sqlite
def test_a_login_form_of_another_site_or_of_long_ago_is_shown_again(desk: None, client: FlaskClient) -> None:
    for token in (None, "", "x"):
        form = find_form(read_page(client.get("/desk/login")), "password")
        fields = filled_in(form, email="eva@example.org", password=PASSWORD, csrf_token=token)
        page = read_page(client.post("/desk/login", data=fields))
        assert "Sidan hade varit öppen för länge. Försök igen." in words_of(page.xpath("//*[@autofocus]")[0])
        again = find_form(page, "password")
        assert filled_in(again)["email"] == ["eva@example.org"]
        assert client.get("/desk/").status_code == 302
        assert client.post("/desk/login", data=filled_in(again, password="wrong")).status_code == 200


@on_sqlite
@pytest.mark.parametrize(
    "wanted", ["https://example.com/", "//example.com/", "/\\example.com", "\\\\example.com", "javascript:alert(1)"]
)
def test_logging_in_leads_to_no_other_site(desk: None, client: FlaskClient, wanted: str) -> None:
    form = find_form(read_page(client.get("/desk/login", query_string={"next": wanted})), "password")

    answer = client.post(form.get("action"), data=filled_in(form, email="eva@example.org", password=PASSWORD))

    assert re.match(r"(?![a-z]+:|//|/\\|\\)", answer.location or "")


def test_logging_out_is_a_press_of_a_button(eva: FlaskClient) -> None:
    assert eva.get("/desk/logout").status_code == 405
    assert eva.get("/desk/").status_code == 200
    (form,) = read_page(eva.get("/desk/")).xpath("//form[@action='/desk/logout']")
    assert form.get("method") == "post"

    answer = eva.post("/desk/logout", data=filled_in(form))

    assert (answer.status_code, answer.location) == (302, "/desk/login")
    assert eva.get("/desk/").status_code == 302


def test_a_new_password_ends_all_sessions(app: Flask, eva: FlaskClient, bo: FlaskClient) -> None:
    with app.app_context():
        editors.set_password("Eva@example.org", password="another long password")
        db.session.commit()

    assert (eva.get("/desk/").status_code, bo.get("/desk/").status_code) == (302, 200)
    check_error(read_page(log_in(app.test_client(), "eva@example.org", PASSWORD)), "email", WRONG)
    assert log_in(app.test_client(), "eva@example.org", "another long password").location == "/desk/"


def test_an_editor_is_one_however_the_address_is_written(app: Flask, desk: None) -> None:
    with app.app_context():
        for email in ("eva@example.org", "EVA@example.org", "Eva@Example.ORG "):
            with pytest.raises(editors.BadEditor):
                editors.add_editor(email, password=PASSWORD, now=clock.now())
        with pytest.raises(editors.BadEditor):
            editors.add_editor("eva", password=PASSWORD, now=clock.now())
        with pytest.raises(editors.BadEditor):
            editors.set_password("ida@example.org", password=PASSWORD)


@on_sqlite
def test_the_sessions_cookie_stays_at_the_desk(eva: FlaskClient, client: FlaskClient) -> None:
    for browser, address in ((client, "/desk/login"), (eva, "/desk/"), (eva, "/desk/items/new")):
        cookies = browser.get(address).headers.getlist("Set-Cookie")
        assert cookies != []
        for cookie in cookies:
            parts = cookie.split("; ")
            assert parts[0].startswith("newsroom_desk=")
            assert {"HttpOnly", "Path=/desk", "SameSite=Lax"} <= set(parts)
    for address in ("/", "/nyheter", "/prenumerera", "/feeds/all.rss"):
        assert "Set-Cookie" not in eva.get(address).headers


def test_over_https_the_cookie_travels_encrypted_only(tmp_path: Path, migrated_sqlite: Path) -> None:
    (tmp_path / "newsroom.sqlite3").write_bytes(migrated_sqlite.read_bytes())
    mail = {"MAIL_SERVER": "127.0.0.1", "MAIL_DEFAULT_SENDER": "nyheter@example.org"}
    app = create_app(settings(tmp_path, PUBLIC_URL="https://nyheter.example.org", **mail))

    answer = app.test_client().get("/desk/login", base_url="https://nyheter.example.org")

    assert "; Secure;" in answer.headers["Set-Cookie"]
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    with app.app_context():
        db.engine.dispose()


@on_sqlite
def test_no_cache_keeps_the_login_page(client: FlaskClient) -> None:
    assert set(client.get("/desk/login").headers["Cache-Control"].split(", ")) == {"private", "no-store"}


@on_sqlite
def test_only_the_desks_own_pages_stand_at_the_desk(app: Flask) -> None:
    theirs = {rule.rule for rule in app.url_map.iter_rules() if rule.endpoint.startswith("security.")}

    assert theirs == {"/desk/login", "/desk/logout", "/desk/fs-static/<path:filename>"}


@on_sqlite
def test_too_many_attempts_from_one_network_are_held_back_a_while(desk: None, tmp_path: Path) -> None:
    app = create_app(settings(tmp_path, LOGIN_LIMIT="3 per minute") | {"RATELIMIT_ENABLED": True})
    client = app.test_client()
    for _ in range(3):
        check_error(read_page(log_in(client, "eva@example.org", "wrong")), "email", WRONG)

    held = log_in(client, "eva@example.org", PASSWORD)

    assert (held.status_code, title_of(read_page(held))) == (429, "För många försök")
    assert client.get("/desk/").status_code == 302
    assert client.get("/desk/login").status_code == 200
    with app.app_context():
        db.engine.dispose()
