"""Writing, seeing, publishing and withdrawing; and nothing that an editor typed is ever lost."""

import datetime as dt
import json
import threading
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from newsroom import clock, create_app
from newsroom.delivery.transport import MemoryTransport
from newsroom.extensions import db
from newsroom.news.models import Item
from tests.conftest import LONG_ENOUGH, settings
from tests.desk.conftest import PASSWORD, Login, enter
from tests.factories import HOUR, MINUTE, deliver_everything, make_item, make_subscriber
from tests.pages import check_error, filled_in, find_form, log_in, read_page, title_of, words_of
from tests.tables import count_new, read_tables

WORDS = {
    "headline": "Bron öppnar",
    "lede": "På måndag & tisdag.",
    "body": "## Vägen dit\n\nMan kan **gå**.\n\n- ett\n- två",
    "facts": "Bron är 20 meter lång.",
}
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


def write(editor: FlaskClient, address: str = "/desk/items/new", **changes: Any) -> TestResponse:
    """Open a form, type into it, and save."""
    form = find_form(read_page(editor.get(address)), "headline")
    fields = (WORDS | {"topics": ["stod"]} if address.endswith("new") else {}) | changes
    return editor.post(form.get("action"), data=filled_in(form, **fields))


def press(editor: FlaskClient, address: str, **fields: str) -> TestResponse:
    """Press one of the buttons beside an item."""
    page = read_page(editor.get("/desk/items/1"))
    (form,) = page.xpath("//form[@action=$address]", address=address)
    return editor.post(address, data=filled_in(form, **fields))


def publish(editor: FlaskClient, **fields: str) -> TestResponse:
    return press(editor, "/desk/items/1/publish", **({"when": "now"} | fields))


def typed_in(page: Any) -> dict[str, Any]:
    """What the form on the page shows, as it would be sent again. A browser's line ends are CRLF; they don't count."""
    values = {"topics": [], "announce": [], "language": []} | filled_in(find_form(page, "headline"))
    texts = {name: value[0].replace("\r\n", "\n") for name, value in values.items() if name in WORDS}
    return values | texts


def only_item(session: Session) -> Item:
    session.rollback()
    item = session.scalars(sa.select(Item)).one()
    session.expunge_all()
    session.rollback()
    return item


# Writing


def test_an_editor_writes_sees_and_changes_an_item(session: Session, eva: FlaskClient) -> None:
    assert "Inget har skrivits än." in words_of(read_page(eva.get("/desk/")))

    saved = write(eva, topics=["offentlig-konst", "stod"])

    assert (saved.status_code, saved.location) == (303, "/desk/items/1")
    page = read_page(eva.get(saved.location))
    assert "Sparat." in words_of(page.xpath("//*[@role='status']")[0])
    assert words_of(page.xpath("//span[contains(@class, 'ds-tag')]")[0]) == "Utkast"
    assert [one.tag for one in page.xpath("//article//h1 | //article//h2 | //article//strong")] == [
        "h1",
        "h2",
        "strong",
        "h2",
    ]
    assert "Bron är 20 meter lång." in words_of(page.xpath("//article//aside")[0])

    kept = typed_in(read_page(eva.get("/desk/items/1/edit")))
    assert {name: kept[name] for name in WORDS} == WORDS
    assert (kept["topics"], kept["language"], kept["announce"]) == (["offentlig-konst", "stod"], ["sv"], ["yes"])

    changes = {"headline": "The bridge opens", "language": "en", "topics": ["kultur"], "announce": None}
    assert write(eva, "/desk/items/1/edit", **changes).status_code == 303
    item = only_item(session)
    assert (item.headline, item.body, item.language) == ("The bridge opens", WORDS["body"], "en")
    assert ([topic.slug for topic in item.topics], item.announce, item.version) == (["kultur"], False, 2)
    assert item.slug == "bron-oppnar"  # Addresses stay.
    row = words_of(read_page(eva.get("/desk/")).xpath("//tbody/tr")[0])
    assert row.startswith("The bridge opens Utkast Kultur")


def test_the_preview_is_the_page_that_readers_get(eva: FlaskClient, client: FlaskClient) -> None:
    write(eva, body="## Rubrik\n\n> Citat\n\n[länk](https://example.org/)\n\n| a | b |\n|---|---|\n| 1 | 2 |")
    publish(eva)

    def article(page: Any) -> str:
        (found,) = page.xpath("//article[@class='item']")
        return " ".join(str(one) for one in found.xpath(".//*[name()!='time']/text() | .//a/@href"))

    assert article(read_page(eva.get("/desk/items/1"))) == article(read_page(client.get("/nyheter/bron-oppnar")))


@on_sqlite
def test_a_draft_is_nobody_elses_business(eva: FlaskClient, client: FlaskClient) -> None:
    write(eva)

    assert client.get("/nyheter/bron-oppnar").status_code == 404
    for address in ("/", "/nyheter", "/amnen/stod", "/feeds/all.rss"):
        assert "Bron" not in client.get(address).get_data(as_text=True)


@on_sqlite
def test_the_desk_speaks_the_browsers_language(eva: FlaskClient) -> None:
    page = read_page(eva.get("/desk/items/new", headers={"Accept-Language": "en-GB,en;q=0.9,sv;q=0.5"}))

    assert (page.get("lang"), title_of(page)) == ("en", "Write an item")
    assert read_page(eva.get("/desk/items/new", headers={"Accept-Language": "fi"})).get("lang") == "sv"


@on_sqlite
def test_no_script_comes_through_from_what_was_written(eva: FlaskClient, client: FlaskClient) -> None:
    bad = (
        '<script>alert(1)</script> <img src=x onerror="alert(1)"> <a href="javascript:alert(1)">a</a> '
        '[b](javascript:alert(1)) [c](JaVaScRiPt&colon;alert(1)) [d](data:text/html,x) ![e](x "onerror=alert(1)") '
        '<https://example.org/"onclick=alert(1)> [f](//example.org) [g](/desk/logout) <style>*{}</style> '
        '[h](https://example.org/"onmouseover="alert(1)) </textarea><svg/onload=alert(1)> {{ 7*7 }} {% raw %}'
    )
    write(eva, headline=bad[:190], lede=bad, body=bad, facts=bad)
    publish(eva)
    address = read_page(eva.get("/desk/items/1")).xpath("//a[starts-with(@href, '/nyheter/')]/@href")[0]

    browsers = {"/desk/items/1": eva, "/desk/items/1/edit": eva, "/desk/": eva, address: client, "/": client}
    for page in (read_page(browser.get(one)) for one, browser in browsers.items()):
        data = page.xpath("//script[@type='application/ld+json']")  # Is read, never run.
        assert page.xpath("//script[not(@src)] | //img | //svg | //style | //iframe") == data
        assert [json.loads(one.text)["headline"] for one in data] == [bad[:190].strip()] * len(data)
        assert [one for one in page.xpath("//@*") if getattr(one, "attrname", "").startswith("on")] == []
        assert [
            one
            for one in page.xpath("//main//@href")
            if not one.startswith(("/", "#", "https://example.org/", "mailto:?subject="))
        ] == []
        assert "{{ 7*7 }}" in words_of(page) or "alert(1)" in words_of(page)  # Shown, as it was written.
    links = read_page(client.get(address)).xpath("//div[@class='prose']//a/@href")
    assert [one for one in links if not one.startswith("https://example.org/")] == []


# Publishing


def test_publishing_now_makes_it_readable_and_writes_no_letter(
    session: Session, eva: FlaskClient, client: FlaskClient
) -> None:
    make_subscriber(session, "ana@example.org", "stod")
    session.commit()
    write(eva)
    before = read_tables(session)

    answer = publish(eva)

    assert (answer.status_code, answer.location) == (303, "/desk/items/1")
    page = read_page(eva.get("/desk/items/1"))
    assert "Publicerad. Breven går iväg inom en minut." in words_of(page)
    assert client.get("/nyheter/bron-oppnar").status_code == 200
    after = read_tables(session)
    assert {name for name in after if after[name] != before[name]} == {"item"}
    assert (after["mailing"], after["delivery"]) == ([], [])


def test_what_was_published_is_found_by_delivery_and_counted_at_the_desk(
    app: Flask, session: Session, eva: FlaskClient
) -> None:
    make_subscriber(session, "ana@example.org", "stod")
    session.commit()
    write(eva)
    publish(eva)
    post = MemoryTransport()

    deliver_everything(app, session, post, now=clock.now())
    session.commit()

    assert [letter.to for letter in post.accepted] == ["ana@example.org"]
    panel = read_page(eva.get("/desk/items/1")).xpath("//dl[@class='totals']")[0]
    assert [words_of(one) for one in panel] == ["Totalt1", "Mottagna av e-postservern1"]


def test_publishing_at_a_time_is_in_stockholms_time(session: Session, eva: FlaskClient, client: FlaskClient) -> None:
    write(eva)
    year = clock.now().year + 1

    assert publish(eva, when="later", publish_at=f"{year}-07-01T09:30").status_code == 303
    assert only_item(session).published_at == dt.datetime(year, 7, 1, 7, 30, tzinfo=dt.UTC)
    page = read_page(eva.get("/desk/items/1"))
    assert "Nyheten publiceras av sig själv när tiden är inne." in words_of(page)
    assert f"Väntar till 1 juli {year} 09:30" in words_of(page)
    assert client.get("/nyheter/bron-oppnar").status_code == 404

    assert publish(eva, when="later", publish_at=f"{year}-12-01 09:30").status_code == 303  # A new time for the old.
    assert only_item(session).published_at == dt.datetime(year, 12, 1, 8, 30, tzinfo=dt.UTC)


NO_TIME = "Skriv ett datum och ett klockslag som finns, till exempel 2026-11-24 09:30."
PAST = "Den tiden har redan passerat. Välj en senare eller publicera nu."


@on_sqlite
def test_a_time_that_no_clock_shows_or_that_has_passed_is_refused_and_stays_in_the_field(
    session: Session, eva: FlaskClient
) -> None:
    write(eva)
    before = read_tables(session)
    for typed, error in (
        ("2027-03-28T02:30", NO_TIME),  # The clocks jump from two to three.
        ("", NO_TIME),
        ("i morgon", NO_TIME),
        ("2027-02-30T10:00", NO_TIME),
        ("2027-03-28T25:00", NO_TIME),
        ("2027-03-01T10:00\x00", NO_TIME),
        ("９９９９-01-01T00:00", NO_TIME),
        ("x" * 100_000, NO_TIME),
        ("0001-01-01T00:00", NO_TIME),  # Before the first year in UTC.
        ("2020-01-01T10:00", PAST),
        ((clock.now() - MINUTE).isoformat(), PAST),
    ):
        answer = publish(eva, when="later", publish_at=typed)

        page = read_page(answer)
        assert answer.status_code == 422
        check_error(page, "publish_at", error)
        if "\x00" not in typed:
            assert page.xpath("//input[@name='publish_at']/@value") == [typed]
            shows_it = typed in ("2027-03-28T02:30", "", "0001-01-01T00:00", "2020-01-01T10:00")
            assert page.xpath("//input[@name='publish_at']/@type") == ["datetime-local" if shows_it else "text"]
    assert read_tables(session) == before


@on_sqlite
def test_a_time_with_its_own_offset_keeps_it(session: Session, eva: FlaskClient) -> None:
    write(eva)

    assert publish(eva, when="later", publish_at="2030-03-31T02:30+05:30").status_code == 303
    assert only_item(session).published_at == dt.datetime(2030, 3, 30, 21, 0, tzinfo=dt.UTC)


@on_sqlite
def test_an_item_without_a_topic_is_saved_but_not_published(session: Session, eva: FlaskClient) -> None:
    assert write(eva, topics=None).status_code == 303

    for fields in ({"when": "now"}, {"when": "later", "publish_at": "2099-01-01T10:00"}):
        answer = publish(eva, **fields)
        assert answer.status_code == 422
        assert "Välj minst ett ämne först, annars kan ingen följa nyheten." in words_of(
            read_page(answer).xpath("//*[@autofocus]")[0]
        )
    assert only_item(session).published_at is None


@on_sqlite
def test_publishing_twice_is_refused_with_a_line(session: Session, eva: FlaskClient) -> None:
    write(eva)
    form = find_form(read_page(eva.get("/desk/items/1")), "publish_at")
    publish(eva)
    published_at = only_item(session).published_at

    again = eva.post("/desk/items/1/publish", data=filled_in(form, when="now"))

    page = read_page(again)
    assert (again.status_code, only_item(session).published_at) == (422, published_at)
    assert "Nyheten är redan publicerad." in words_of(page.xpath("//*[@autofocus]")[0])


def test_a_withdrawn_item_is_gone_and_can_come_back(session: Session, eva: FlaskClient, client: FlaskClient) -> None:
    write(eva)
    publish(eva)

    assert press(eva, "/desk/items/1/withdraw").status_code == 303
    page = read_page(eva.get("/desk/items/1"))
    assert words_of(page.xpath("//span[contains(@class, 'ds-tag')]")[0]) == "Tillbakadragen"
    assert client.get("/nyheter/bron-oppnar").status_code == 410

    assert publish(eva).status_code == 303
    assert client.get("/nyheter/bron-oppnar").status_code == 200


@on_sqlite
def test_a_waiting_item_can_be_a_draft_again(session: Session, eva: FlaskClient) -> None:
    write(eva)
    publish(eva, when="later", publish_at="2099-01-01T10:00")

    press(eva, "/desk/items/1/withdraw")

    item = only_item(session)
    assert (item.published_at, item.withdrawn_at) == (None, None)


@on_sqlite
def test_an_item_that_is_not_there_is_not_found(eva: FlaskClient) -> None:
    token = filled_in(find_form(read_page(eva.get("/desk/items/new")), "headline"))["csrf_token"]
    for number in ("7", "0", "-1", "x", "2147483647", "2147483648", "9" * 30):
        for end in ("", "/edit"):
            assert eva.get(f"/desk/items/{number}{end}").status_code == 404
        for end in ("/publish", "/withdraw"):
            assert eva.post(f"/desk/items/{number}{end}", data={"csrf_token": token}).status_code == 404
    assert eva.post("/desk/items/7/edit", data={"csrf_token": token}).status_code == 404


# Important messages


def test_an_important_message_is_marked_and_says_whom_it_goes_to(session: Session, eva: FlaskClient) -> None:
    write(eva, urgent="yes")

    page = read_page(eva.get("/desk/items/1"))
    panel = words_of(page.xpath("//section[@class='desk-panel']")[0])
    assert "Utkast Viktigt" in panel
    assert "Publicera nu och skicka till alla följare" in panel
    assert "också de som har valt brev varje dag eller varje vecka." in panel
    assert "Viktigt" in words_of(read_page(eva.get("/desk/")).xpath("//tbody/tr")[0])
    item = only_item(session)
    assert (item.urgent, item.version) == (True, 1)
    assert typed_in(read_page(eva.get("/desk/items/1/edit")))["urgent"] == ["yes"]

    write(eva, "/desk/items/1/edit", urgent=None)

    assert only_item(session).urgent is False
    assert "Alla som följer något av ämnena direkt får ett brev." in words_of(read_page(eva.get("/desk/items/1")))


def test_a_published_item_that_becomes_important_goes_to_those_who_have_not_had_it(
    app: Flask, session: Session, eva: FlaskClient
) -> None:
    make_subscriber(session, "ana@example.org", "stod")
    make_subscriber(session, "bo@example.org", "stod", frequency="weekly")
    session.commit()
    write(eva)
    publish(eva)
    post = MemoryTransport()
    deliver_everything(app, session, post, now=clock.now())
    session.commit()

    help_text = words_of(read_page(eva.get("/desk/items/1/edit")).get_element_by_id("urgent-help"))
    saved = write(eva, "/desk/items/1/edit", urgent="yes")

    assert "går brevet iväg så snart du sparar" in help_text
    words = words_of(read_page(eva.get(saved.location)))
    assert "Brev går inom en minut till alla som inte redan har fått ett om nyheten." in words
    deliver_everything(app, session, post, now=clock.now())
    session.commit()
    assert [letter.to for letter in post.accepted] == ["ana@example.org", "bo@example.org"]
    assert "Sparat." in words_of(read_page(eva.get(write(eva, "/desk/items/1/edit", urgent="yes").location)))


@on_sqlite
def test_an_important_message_without_letters_says_that_none_are_sent(session: Session, eva: FlaskClient) -> None:
    write(eva, urgent="yes", announce=None)

    panel = words_of(read_page(eva.get("/desk/items/1")).xpath("//section[@class='desk-panel']")[0])
    assert "Publicera nu utan brev" in panel
    assert "Inga brev skickas för den här nyheten." in panel


# Nothing typed is lost


TOO_LONG = "Texten är {} tecken lång; högst {} får plats här."
UNKNOWN = "Ett av ämnena finns inte längre. Välj på nytt."


@on_sqlite
@pytest.mark.parametrize(
    ("changes", "field", "error"),
    [
        ({"headline": ""}, "headline", "Skriv en rubrik."),
        ({"headline": " \t "}, "headline", "Skriv en rubrik."),
        ({"headline": "Bron\r\nBcc: bo@example.org"}, "headline", "Rubriken måste stå på en rad."),
        ({"headline": "x" * 201}, "headline", TOO_LONG.format(201, 200)),
        ({"headline": "Br\x07on"}, "headline", "Det finns ett styrtecken (U+0007) i texten. Ta bort det."),
        ({"lede": "På\x1bmåndag"}, "lede", "Det finns ett styrtecken (U+001B) i texten. Ta bort det."),
        ({"body": "Text\x0bmed\x0cstyrtecken"}, "body", "Det finns ett styrtecken (U+000B) i texten. Ta bort det."),
        ({"facts": "Fak\x85ta"}, "facts", "Det finns ett styrtecken (U+0085) i texten. Ta bort det."),
        ({"body": "Text\x00med nolla"}, "body", "Det finns ett styrtecken (U+0000) i texten. Ta bort det."),
        ({"lede": "å" * 1001}, "lede", TOO_LONG.format(1001, 1000)),
        ({"body": "x" * 5_000_000}, "body", TOO_LONG.format(5_000_000, 200_000)),
        ({"language": "fi"}, "language", "Välj ett språk."),
        ({"topics": ["stod", "finns-inte"]}, "topics", UNKNOWN),
        ({"topics": ["sto\x00d"]}, "topics", UNKNOWN),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else None,
)
def test_what_is_wrong_is_said_at_its_field_and_everything_typed_stays(
    session: Session, eva: FlaskClient, changes: dict[str, Any], field: str, error: str
) -> None:
    before = read_tables(session)

    answer = write(eva, announce=None, **changes)

    page = read_page(answer)
    assert answer.status_code == 422
    check_error(page, field, error)
    assert words_of(page.xpath("//title")[0]).startswith("Att rätta:")
    shown, source = typed_in(page), answer.get_data(as_text=True)
    for name, text in (WORDS | {one: changes[one] for one in changes if one in WORDS}).items():
        # What HTML's parser drops or changes stands in the bytes of the page all the same.
        exact = all(sign == "\n" or sign.isprintable() for sign in text)
        assert shown[name] == text if exact else text in source
    assert shown["topics"] == ["stod"] * ("stod" in changes.get("topics", ["stod"]))
    assert shown["announce"] == []
    assert read_tables(session) == before

    mended = {name: None if name == "topics" else WORDS.get(name, "sv") for name in changes}
    saved = eva.post("/desk/items/new", data=filled_in(find_form(page, "headline"), **mended))
    assert saved.status_code == 303
    item = only_item(session)
    assert (item.headline, item.body, item.announce) == (WORDS["headline"], WORDS["body"], False)


@on_sqlite
def test_every_mistake_is_said_at_once(eva: FlaskClient) -> None:
    page = read_page(write(eva, headline="", lede="\x07", facts="x" * 20_001, language="xx"))

    assert words_of(page.get_element_by_id("errors")) == "4 saker att rätta"
    for field, error in (("headline", "Skriv en rubrik."), ("language", "Välj ett språk.")):
        check_error(page, field, error)


def test_half_signs_crash_nothing_and_lose_nothing(session: Session, eva: FlaskClient) -> None:
    token = filled_in(find_form(read_page(eva.get("/desk/items/new")), "headline"))["csrf_token"][0]
    body = (
        f"csrf_token={token}&headline=Bron%ED%A0%80&lede=%ED%BF%BF&body=Text%ED%A0%80%20efter&topics=stod&language=sv"
    )

    answer = eva.post("/desk/items/new", data=body, content_type="application/x-www-form-urlencoded")

    assert answer.status_code in (303, 422)
    page = read_page(eva.get("/desk/items/1/edit") if answer.status_code == 303 else answer)
    shown = typed_in(page)
    assert shown["headline"].startswith("Bron")
    assert (shown["body"].startswith("Text"), shown["body"].endswith("efter")) == (True, True)
    assert eva.get("/desk/").status_code == 200


@on_sqlite
def test_line_ends_of_any_system_are_one_and_letters_are_composed(session: Session, eva: FlaskClient) -> None:
    write(eva, headline="  Bron o\u0308ppnar ", body="ett\r\ntvå\rtre\nfyra")

    item = only_item(session)
    assert (item.headline, item.body) == ("Bron öppnar", "ett\ntvå\ntre\nfyra")


@on_sqlite
@pytest.mark.parametrize("token", [None, "", "x"])
@pytest.mark.parametrize("address", ["/desk/items/new", "/desk/items/1/edit"])
def test_a_form_whose_proof_has_run_out_is_shown_again_with_everything_in_it(
    session: Session, eva: FlaskClient, token: str | None, address: str
) -> None:
    write(eva, headline="Den första")
    before = read_tables(session)

    answer = write(eva, address, **WORDS | {"topics": ["kultur"], "csrf_token": token})

    page = read_page(answer)
    assert answer.status_code == 400
    assert "Sidan hade varit öppen för länge. Inget har gått förlorat: tryck på knappen igen." in words_of(
        page.xpath("//*[@autofocus]")[0]
    )
    shown = typed_in(page)
    assert {name: shown[name] for name in WORDS} == WORDS
    assert shown["topics"] == ["kultur"]
    assert read_tables(session) == before

    form = find_form(page, "headline")
    assert form.get("action") == address
    assert eva.post(address, data=filled_in(form)).status_code == 303


@on_sqlite
def test_buttons_without_proof_do_nothing_and_say_so(session: Session, eva: FlaskClient) -> None:
    write(eva)
    before = read_tables(session)

    for address in ("/desk/items/1/publish", "/desk/items/1/withdraw"):
        answer = eva.post(address, data={"when": "now"}, follow_redirects=True)
        assert "Sidan hade varit öppen för länge." in words_of(read_page(answer))
    assert read_tables(session) == before


@on_sqlite
@pytest.mark.parametrize("address", ["/desk/items/new", "/desk/items/1/edit"])
def test_who_was_logged_out_while_typing_keeps_the_text_and_saves_it_after_logging_in(
    session: Session, eva: FlaskClient, address: str
) -> None:
    write(eva, headline="Den första")
    form = find_form(read_page(eva.get(address)), "headline")
    typed = filled_in(form, **WORDS, topics=["kultur"])
    eva.delete_cookie("newsroom_desk", path="/desk")
    before = read_tables(session)

    answer = eva.post(address, data=typed)

    page = read_page(answer)
    assert answer.status_code == 401
    assert "Du har blivit utloggad. Logga in igen i en annan flik och tryck sedan på Spara här." in words_of(
        page.xpath("//*[@autofocus]")[0]
    )
    shown = typed_in(page)
    assert ({name: shown[name] for name in WORDS}, shown["topics"]) == (WORDS, ["kultur"])
    assert read_tables(session) == before

    assert log_in(eva, "eva@example.org", PASSWORD).location == "/desk/"  # In another tab.
    again = eva.post(address, data=filled_in(find_form(page, "headline")))
    if again.status_code == 400:  # The proof was made before the login, and one more press is asked for.
        again = eva.post(address, data=filled_in(find_form(read_page(again), "headline")))
    assert again.status_code == 303
    assert session.scalars(sa.select(Item).where(Item.headline == WORDS["headline"])).one().body == WORDS["body"]


@on_sqlite
def test_a_stranger_who_sends_the_form_learns_nothing_of_the_item(
    session: Session, eva: FlaskClient, client: FlaskClient
) -> None:
    write(eva, body="Hemligt utkast")

    for address in ("/desk/items/1/edit", "/desk/items/7/edit"):
        answer = client.post(address, data={"headline": "Min", "body": "Mitt"})
        assert answer.status_code == 401
        assert "Hemligt" not in answer.get_data(as_text=True)


def test_who_saves_second_is_told_and_keeps_the_text(session: Session, eva: FlaskClient, bo: FlaskClient) -> None:
    write(eva)
    forms = {editor: find_form(read_page(editor.get("/desk/items/1/edit")), "headline") for editor in (eva, bo)}
    assert bo.post("/desk/items/1/edit", data=filled_in(forms[bo], headline="Bos rubrik")).status_code == 303

    answer = eva.post("/desk/items/1/edit", data=filled_in(forms[eva], headline="Evas rubrik", body="Evas text"))

    page = read_page(answer)
    assert (answer.status_code, only_item(session).headline) == (409, "Bos rubrik")
    assert "Någon annan har sparat nyheten sedan du öppnade den." in words_of(page.xpath("//*[@autofocus]")[0])
    assert (typed_in(page)["headline"], typed_in(page)["body"]) == ("Evas rubrik", "Evas text")

    assert eva.post("/desk/items/1/edit", data=filled_in(find_form(page, "headline"))).status_code == 303
    assert only_item(session).headline == "Evas rubrik"


@on_postgresql
def test_who_saves_at_the_very_same_moment_is_told_and_keeps_the_text(session: Session, eva: FlaskClient) -> None:
    write(eva)
    form = find_form(read_page(eva.get("/desk/items/1/edit")), "headline")
    answers: list[TestResponse] = []
    session.execute(sa.update(Item).values(headline="Bos rubrik", version=Item.version + 1))

    def save() -> None:
        answers.append(eva.post("/desk/items/1/edit", data=filled_in(form, headline="Evas rubrik")))

    eva_saves = threading.Thread(target=save)
    eva_saves.start()
    eva_saves.join(0.3)
    assert eva_saves.is_alive(), "Eva's save must wait for Bo's"
    session.commit()
    eva_saves.join(LONG_ENOUGH)

    page = read_page(answers[0])
    assert (answers[0].status_code, typed_in(page)["headline"]) == (409, "Evas rubrik")
    assert only_item(session).headline == "Bos rubrik"
    assert eva.post("/desk/items/1/edit", data=filled_in(find_form(page, "headline"))).status_code == 303


@on_sqlite
@pytest.mark.parametrize("version", ["", "x", "99", "-1", "9" * 30, None])
def test_a_version_that_never_was_is_a_conflict(session: Session, eva: FlaskClient, version: str | None) -> None:
    write(eva)

    answer = write(eva, "/desk/items/1/edit", headline="Ny rubrik", version=version)

    assert (answer.status_code, typed_in(read_page(answer))["headline"]) == (409, "Ny rubrik")
    assert only_item(session).headline == WORDS["headline"]


@on_sqlite
def test_a_read_only_database_keeps_the_text_and_says_so(
    session: Session, eva: FlaskClient, tmp_path: Path, logins: list[Login]
) -> None:
    write(eva)
    before = read_tables(session)
    uri = f"sqlite:///file:{tmp_path / 'newsroom.sqlite3'}?mode=ro&uri=true"
    app = create_app(settings(tmp_path, SQLALCHEMY_DATABASE_URI=uri))
    editor = enter(app, logins[0])

    for address in ("/desk/items/new", "/desk/items/1/edit"):
        answer = write(editor, address, **WORDS | {"headline": "Ny rubrik", "topics": ["kultur"]})

        page = read_page(answer)
        assert answer.status_code == 503
        assert "Det går inte att spara just nu. Det du skrev finns kvar här; försök igen om en stund." in words_of(
            page.xpath("//*[@autofocus]")[0]
        )
        shown = typed_in(page)
        assert (shown["headline"], shown["body"], shown["topics"]) == ("Ny rubrik", WORDS["body"], ["kultur"])
    assert publish(editor).status_code == 503
    assert read_tables(session) == before
    with app.app_context():
        db.engine.dispose()


@on_sqlite
def test_a_save_that_waits_too_long_for_another_writer_keeps_the_text(session: Session, eva: FlaskClient) -> None:
    form = find_form(read_page(eva.get("/desk/items/new")), "headline")
    with eva.application.app_context():
        sa.event.listen(db.engine, "checkout", lambda driver, *_: driver.execute("PRAGMA busy_timeout = 100"))
    session.execute(sa.update(Item).values(headline="Upptaget"))  # Holds SQLite's one write lock.

    answer = eva.post("/desk/items/new", data=filled_in(form, **WORDS))

    session.rollback()
    page = read_page(answer)
    assert (answer.status_code, typed_in(page)["body"]) == (503, WORDS["body"])
    assert eva.post("/desk/items/new", data=filled_in(find_form(page, "headline"))).status_code == 303


def test_a_database_that_does_not_answer_is_said_to_editors_too(logins: list[Login], tmp_path: Path) -> None:
    missing = f"sqlite:///{tmp_path / 'no' / 'such.sqlite3'}"
    editor = enter(create_app(settings(tmp_path, SQLALCHEMY_DATABASE_URI=missing)), logins[0])

    for answer in (editor.get("/desk/"), editor.get("/desk/items/new"), editor.post("/desk/items/new", data=WORDS)):
        assert answer.status_code == 503
        read_page(answer)


@on_sqlite
def test_the_list_shows_the_newest_hundred(session: Session, eva: FlaskClient) -> None:
    now = clock.now()
    for number in range(105):
        make_item(session, "stod", headline=f"Nyhet {number}", published_at=now - number * HOUR)
    session.commit()

    rows = [words_of(one) for one in read_page(eva.get("/desk/")).xpath("//tbody/tr/td[1]")]

    assert rows == [f"Nyhet {number}" for number in range(100)]


@on_sqlite
def test_opening_pages_at_the_desk_changes_nothing(session: Session, eva: FlaskClient) -> None:
    write(eva)
    before = read_tables(session)

    for address in ("/desk/", "/desk/items/new", "/desk/items/1", "/desk/items/1/edit", "/desk/login"):
        for method in ("GET", "HEAD", "OPTIONS"):
            assert eva.open(address, method=method).status_code in (200, 302)
    for address in ("/desk/items/1/publish", "/desk/items/1/withdraw", "/desk/logout"):
        assert eva.get(address).status_code == 405

    assert read_tables(session) == before
    assert count_new(before, read_tables(session)) == {}
