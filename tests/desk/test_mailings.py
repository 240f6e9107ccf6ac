"""Mailings at the desk: what needs a decision, how far each has come, and what a person can do about it."""

import datetime as dt
import json
import re
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from newsroom import clock
from newsroom.delivery import certificate, controlling, deliveries
from newsroom.delivery.answers import Outcome, Result
from newsroom.delivery.models import Certificate, Delivery, Mailing, MailingEvent
from newsroom.delivery.progress import Reason
from newsroom.delivery.transport import MemoryTransport
from newsroom.desk import mailings, wording
from newsroom.engine.rules import rules_of
from newsroom.news.models import Item
from tests.factories import DAY, HOUR, MINUTE, deliver_everything, make_item, make_signup, make_subscriber, tick_through
from tests.pages import filled_in, read_page, title_of, words_of
from tests.tables import read_tables

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
DEAD = Outcome(Result.REFUSED, 550, "5.1.1 <bo@example.org> No such user", "address")
GONE_ON = "Det går inte längre: utskicket har kommit vidare sedan sidan öppnades."


def send(app: Flask, session: Session, *addresses: str, refused: str = "", **item: Any) -> Mailing:
    """An item about grants that went to these subscribers a moment ago; gives its mailing."""
    now = clock.now()
    for address in addresses:
        make_subscriber(session, address, "stod", now=now - DAY)
    words: dict[str, Any] = {"headline": "Bron öppnar", "published_at": now - MINUTE} | item
    wanted = make_item(session, "stod", **words).id
    session.commit()
    answers: dict[str, list[Any]] = {refused: [DEAD]} if refused else {}
    deliver_everything(app, session, MemoryTransport(answers=answers), now=now)
    session.commit()
    return only_mailing(session, wanted)


def match(app: Flask, session: Session, *addresses: str, **item: Any) -> Mailing:
    """The same, but nothing has left yet."""
    now = clock.now()
    for address in addresses:
        make_subscriber(session, address, "stod", now=now - DAY)
    words: dict[str, Any] = {"headline": "Bron öppnar", "published_at": now - MINUTE} | item
    wanted = make_item(session, "stod", **words).id
    session.commit()
    with app.app_context():
        tick_through(session, rules_of(app), now=now)
    session.commit()
    return only_mailing(session, wanted)


def only_mailing(session: Session, item_id: int) -> Mailing:
    session.expire_all()
    found = session.scalars(sa.select(Mailing).where(Mailing.item_id == item_id)).one()
    session.expunge_all()
    session.rollback()
    return found


def again(session: Session, mailing: Mailing) -> Mailing:
    """The mailing as it is by now."""
    session.rollback()
    found = session.get_one(Mailing, mailing.id, populate_existing=True)
    session.expunge(found)
    session.rollback()
    return found


def press(editor: FlaskClient, mailing: Mailing, action: str, *, page: str = "") -> Any:
    """Press a button on a mailing's page and follow to the page that answers."""
    address = f"/desk/mailings/{mailing.id}"
    shown = read_page(editor.get(address + page))
    (form,) = shown.xpath("//form[@action=$action]", action=f"{address}/{action}")
    answer = editor.post(form.get("action"), data=filled_in(form))
    assert (answer.status_code, answer.location) == (303, address)
    return read_page(editor.get(address))


def buttons(page: Any) -> list[str]:
    return [words_of(one) for one in page.xpath("//*[@id='controls']//*[contains(@class, 'ds-button')]")]


def figures(page: Any) -> dict[str, str]:
    (found,) = page.xpath("//dl[@class='figures']")
    return {words_of(one[0]): words_of(one[1]) for one in found}


def said(page: Any) -> str:
    return words_of(page.xpath("//*[contains(@class, 'ds-alert')]")[0])


def take_event(editor: FlaskClient, mailing: Mailing, last: str = "") -> tuple[dict[str, str], dict[str, Any]]:
    """What the live view's address answers: the event's fields, and its data."""
    answer = editor.get(f"/desk/mailings/{mailing.id}/progress", headers={"Last-Event-ID": last} if last else {})
    assert answer.content_type == "text/event-stream; charset=utf-8"
    assert answer.headers["Cache-Control"] == "no-store"
    text = answer.get_data(as_text=True)
    assert text.endswith("\n\n")
    assert text.count("\n\n") == 1
    fields = dict(line.split(": ", 1) for line in text.strip().split("\n"))
    return fields, json.loads(fields["data"])


# The list


def test_what_needs_a_person_stands_first_then_what_is_on_its_way_then_what_is_finished(
    app: Flask, session: Session, eva: FlaskClient
) -> None:
    send(app, session, "ana@example.org", headline="Klar")
    match(app, session, headline="På väg")
    paused = match(app, session, headline="Pausad")
    controlling.pause(session, paused.id, by="bo@example.org", now=clock.now())
    session.commit()
    match(app, session, headline="Sen", published_at=clock.now() - DAY)
    make_signup(session, "bo@example.org", "stod", now=clock.now())
    session.commit()
    match(app, session, headline="Nyast")

    page = read_page(eva.get("/desk/mailings"))

    assert [words_of(one) for one in page.xpath("//main//h2")] == ["Behöver ett beslut", "På väg", "Klara"]
    parts = [[words_of(one) for one in part.xpath(".//a")] for part in page.xpath("//main//section")]
    assert parts == [["Sen", "Pausad"], ["Nyast", "På väg"], ["Klar"]]
    labels = [words_of(one) for one in page.xpath("//main//section[1]//span[contains(@class, 'ds-tag')]")]
    assert labels == ["Väntar på beslut", "Pausat"]
    row = words_of(page.xpath("//li[contains(., 'Klar')][.//dl]")[-1])
    assert row.endswith("Totalt1Mottagna1Avvisade0")


def test_a_digest_is_named_by_its_day_and_one_without_news_is_left_out(
    app: Flask, session: Session, eva: FlaskClient
) -> None:
    now = clock.now()
    make_subscriber(session, "ana@example.org", "stod", frequency="daily", now=now - 20 * DAY)
    make_item(session, "stod", published_at=now - 9 * DAY)
    session.commit()
    for days in range(8, 0, -1):
        deliver_everything(app, session, MemoryTransport(), now=now - days * DAY)
    session.commit()

    links = [words_of(one) for one in read_page(eva.get("/desk/mailings")).xpath("//ul[@class='mailings']//a")]

    assert len(links) == 2  # The item's own mailing, which nobody got, and the digest that told of it.
    assert any(re.fullmatch(r"Dagligt utskick \d+ \w+ \d{4}", link) for link in links)


def test_a_finished_mailings_numbers_are_those_of_its_certificate(
    app: Flask, session: Session, eva: FlaskClient
) -> None:
    send(app, session, "ana@example.org", "bo@example.org", refused="bo@example.org")
    row = "//ul[@class='mailings']//dl"
    assert words_of(read_page(eva.get("/desk/mailings")).xpath(row)[0]) == "Totalt2Mottagna1Avvisade1"

    session.execute(sa.delete(Delivery))  # Counted once, when it was finished.
    session.commit()

    assert words_of(read_page(eva.get("/desk/mailings")).xpath(row)[0]) == "Totalt2Mottagna1Avvisade1"


@on_sqlite
def test_finished_mailings_are_paged(
    app: Flask, session: Session, eva: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailings, "PER_PAGE", 2)
    for number in range(3):
        send(app, session, headline=f"Nyhet {number}")

    first = read_page(eva.get("/desk/mailings"))
    (older,) = first.xpath("//a[@rel='next']/@href")
    second = read_page(eva.get(older))

    names = [words_of(one) for page in (first, second) for one in page.xpath("//ul[@class='mailings']//a")]
    assert sorted(names) == ["Nyhet 0", "Nyhet 1", "Nyhet 2"]
    for wrong in ("?sida=x", "?sida=-1", "?sida=999999999999999999999"):
        assert eva.get(f"/desk/mailings{wrong}").status_code == 200


def test_the_front_says_so_where_a_mailing_needs_a_decision(app: Flask, session: Session, eva: FlaskClient) -> None:
    assert not read_page(eva.get("/desk/")).xpath("//*[contains(@class, 'ds-alert')]")

    match(app, session, "ana@example.org", published_at=clock.now() - DAY)

    page = read_page(eva.get("/desk/"))
    assert said(page) == "1 utskick behöver ett beslut. Se vilka"
    assert page.xpath("//*[contains(@class, 'ds-alert')]//a/@href") == ["/desk/mailings"]


# One mailing


def test_the_numbers_of_a_mailing_add_up_and_say_why(app: Flask, session: Session, eva: FlaskClient) -> None:
    mailing = send(app, session, "ana@example.org", "bo@example.org", refused="bo@example.org")

    page = read_page(eva.get(f"/desk/mailings/{mailing.id}"))

    assert title_of(page) == "Bron öppnar"
    numbers = figures(page)
    assert numbers == {
        "Totalt": "2",
        "Mottagna av e-postservern": "1",
        "Avvisade": "1",
        "Överhoppade": "0",
        "Väntar": "0",
        "Osäkra": "0",
    }
    (reason,) = page.xpath("//ul[@class='reasons']/li")
    assert "Avvisade: 1 Adressen finns inte, eller kan inte ta emot e-post." in words_of(reason)
    assert "550 5.1.1 <…@example.org> No such user" in words_of(reason)
    assert "bo@example.org" not in words_of(page.xpath("//main")[0])
    assert [words_of(one) for one in page.xpath("//*[@id='editions']//tbody/tr")] == ["StödSvenska2"]
    assert page.xpath("//ul[@class='told']//a/@href") == [f"/desk/items/{mailing.item_id}"]
    assert page.xpath("//progress/@value") == ["2"]
    happened = [words_of(one) for one in page.xpath("//*[@class='history']//span")]
    assert happened[0] == "Utskicket blev klart"
    assert happened[-1] == "Utskicket påbörjades"


def test_every_reason_that_the_ledger_writes_has_a_sentence(app: Flask) -> None:
    with app.test_request_context("/desk/"):
        for state, reason in (
            ("skipped", "unsubscribed"),
            ("skipped", "withdrawn"),
            ("skipped", "cancelled"),
            ("skipped", "already confirmed"),
            ("skipped", "address refused before"),
            ("skipped", "not on the list of allowed addresses"),
            ("refused", "address"),
            ("refused", "server"),
            ("refused", "content"),
            ("refused", "gave up"),
            ("uncertain", "answer lost"),
            ("uncertain", "worker lost"),
        ):
            words = wording.explain(Reason(state, reason, None, None, 1))
            assert words.endswith(".")
            assert words not in (reason, "Inget skäl angavs.")


def test_what_was_put_off_says_what_the_server_said_and_when_it_is_tried_again(
    app: Flask, session: Session, eva: FlaskClient
) -> None:
    now = clock.now()
    make_subscriber(session, "ana@example.org", "stod", now=now - DAY)
    make_item(session, "stod", published_at=now - MINUTE)
    session.commit()
    later = Outcome(Result.LATER, 451, "4.7.1 Greylisted")
    deliver_everything(app, session, MemoryTransport(answers={"ana@example.org": [later]}), now=now)
    session.commit()

    words = words_of(read_page(eva.get("/desk/mailings/1")).xpath("//main")[0])

    assert "Väntar De brev som är kvar har skjutits upp. Nästa försök" in words
    assert "Mottagarens e-postserver ber oss återkomma. Nya försök görs av sig själva." in words
    assert "451 4.7.1 Greylisted" in words


@on_sqlite
def test_a_confirmation_and_what_is_not_there_have_no_page(session: Session, app: Flask, eva: FlaskClient) -> None:
    make_signup(session, "ana@example.org", "stod", now=clock.now())
    session.commit()
    deliver_everything(app, session, MemoryTransport(), now=clock.now())
    session.commit()
    mailing = session.scalars(sa.select(Mailing)).one()

    assert mailing.kind == "confirmation"
    for number in (str(mailing.id), "7", "0", "-1", "x", "2147483648", "9" * 30):
        for end in ("", "/progress", "/cancel", "/certificate", "/certificate.json"):
            assert eva.get(f"/desk/mailings/{number}{end}").status_code == 404
    assert "ana@example.org" not in eva.get("/desk/mailings").get_data(as_text=True)


# What a person decides


def test_pausing_and_continuing_say_who_did_it(app: Flask, session: Session, eva: FlaskClient) -> None:
    mailing = match(app, session, "ana@example.org")

    page = press(eva, mailing, "pause")

    assert said(page) == "Pausat. Efter några sekunder går inget mer iväg."
    assert buttons(page) == ["Fortsätt", "Avbryt utskicket …"]
    assert again(session, mailing).paused_at is not None
    page = press(eva, mailing, "resume")
    assert again(session, mailing).paused_at is None
    assert buttons(page) == ["Pausa", "Avbryt utskicket …"]
    events = session.execute(sa.select(MailingEvent.kind, MailingEvent.by).order_by(MailingEvent.id)).all()
    assert [tuple(event) for event in events] == [("paused", "eva@example.org"), ("resumed", "eva@example.org")]
    assert "Återupptogs av eva@example.org" in words_of(page.xpath("//*[@class='history']")[0])


def test_cancelling_asks_once_and_says_in_numbers_what_it_means(app: Flask, session: Session, eva: FlaskClient) -> None:
    mailing = match(app, session, "ana@example.org", "bo@example.org")
    ask = f"/desk/mailings/{mailing.id}/cancel"

    page = read_page(eva.get(ask))

    assert title_of(page) == "Avbryta utskicket?"
    words = words_of(page.xpath("//main")[0])
    assert "0 brev har gått iväg och kan inte kallas tillbaka." in words
    assert "2 brev väntar och kommer aldrig att skickas." in words
    assert again(session, mailing).cancelled_at is None
    page = press(eva, mailing, "cancel", page="/cancel")
    assert said(page) == "Avbrutet. Det som inte har gått iväg skickas inte."
    assert buttons(page) == []
    deliver_everything(app, session, MemoryTransport(), now=clock.now())
    session.commit()
    page = read_page(eva.get(f"/desk/mailings/{mailing.id}"))
    assert "Avbrutet" in words_of(page.xpath("//*[@class='phase']")[0])
    assert figures(page)["Överhoppade"] == "2"
    assert eva.get(ask).status_code == 303


def test_a_held_mailing_says_how_late_it_is_and_waits_for_a_yes(app: Flask, session: Session, eva: FlaskClient) -> None:
    mailing = match(app, session, "ana@example.org", published_at=clock.now() - 15 * HOUR)

    page = read_page(eva.get(f"/desk/mailings/{mailing.id}"))

    assert mailing.state == "held"
    assert "alltså för 15 timmar sedan." in words_of(page.xpath("//*[@class='phase']")[0])
    assert "1 läsare skulle få brevet." in words_of(page.get_element_by_id("controls"))
    assert buttons(page) == ["Skicka ändå", "Skicka inte …"]
    press(eva, mailing, "release")
    post = MemoryTransport()
    deliver_everything(app, session, post, now=clock.now())
    assert [letter.to for letter in post.accepted] == ["ana@example.org"]


def test_a_held_mailing_that_nobody_wants_is_never_sent(app: Flask, session: Session, eva: FlaskClient) -> None:
    mailing = match(app, session, "ana@example.org", published_at=clock.now() - 15 * HOUR)
    ask = read_page(eva.get(f"/desk/mailings/{mailing.id}/cancel"))

    assert title_of(ask) == "Ska det inte skickas?"
    assert "Nyheten ligger kvar på webbplatsen." in words_of(ask)
    press(eva, mailing, "cancel", page="/cancel")

    post = MemoryTransport()
    deliver_everything(app, session, post, now=clock.now())
    assert post.accepted == []


def test_what_was_refused_is_tried_again_and_nobody_else_gets_another(
    app: Flask, session: Session, eva: FlaskClient
) -> None:
    mailing = send(app, session, "ana@example.org", "bo@example.org", refused="bo@example.org")
    assert "Skicka det avvisade brevet igen (1)" in buttons(read_page(eva.get(f"/desk/mailings/{mailing.id}")))

    page = press(eva, mailing, "retry")

    assert said(page) == "1 brev skickas en gång till."
    post = MemoryTransport()
    deliver_everything(app, session, post, now=clock.now())
    assert [letter.to for letter in post.accepted] == ["bo@example.org"]


def test_letters_in_doubt_that_are_held_for_a_person_can_be_sent_again(
    app: Flask, session: Session, eva: FlaskClient
) -> None:
    app.config["UNCERTAIN_LETTERS"] = "hold"
    mailing = send(app, session, "ana@example.org", "bo@example.org")
    session.execute(sa.update(Delivery).values(state="uncertain", reason="answer lost", code=None, reply=""))
    session.commit()
    assert "Skicka de 2 osäkra igen" in buttons(read_page(eva.get(f"/desk/mailings/{mailing.id}")))

    page = press(eva, mailing, "resend")

    assert said(page) == "2 brev skickas en gång till."
    assert "Det som var osäkert skickas igen, av eva@example.org" in words_of(page)
    post = MemoryTransport()
    deliver_everything(app, session, post, now=clock.now())
    assert sorted(letter.to for letter in post.accepted) == ["ana@example.org", "bo@example.org"]


def test_a_button_of_yesterdays_page_says_that_it_is_too_late_and_changes_nothing(
    app: Flask, session: Session, eva: FlaskClient, bo: FlaskClient
) -> None:
    mailing = match(app, session, "ana@example.org")
    page = read_page(eva.get(f"/desk/mailings/{mailing.id}"))
    token = filled_in(page.xpath("//*[@id='controls']//form")[0])
    deliver_everything(app, session, MemoryTransport(), now=clock.now())
    before = read_tables(session)

    for action in ("pause", "resume", "release", "cancel", "retry", "resend"):
        answer = eva.post(f"/desk/mailings/{mailing.id}/{action}", data=token)
        assert answer.status_code == 303
        assert said(read_page(eva.get(answer.location))) == GONE_ON
    assert read_tables(session) == before


@on_sqlite
def test_nobody_decides_without_a_login_or_from_another_site(
    app: Flask, session: Session, eva: FlaskClient, client: FlaskClient
) -> None:
    mailing = match(app, session, "ana@example.org")
    before = read_tables(session)

    for action in ("pause", "resume", "release", "cancel", "retry", "resend"):
        address = f"/desk/mailings/{mailing.id}/{action}"
        assert client.post(address).location == "/desk/login"
        answer = eva.post(address, data={"csrf_token": "x"})
        assert (answer.status_code, answer.location) == (302, f"/desk/mailings/{mailing.id}")
        assert "Sidan hade varit öppen för länge." in said(read_page(eva.get(answer.location)))
    for address in ("", "/1", "/1/progress", "/1/cancel", "/1/certificate", "/1/certificate.json"):
        assert "/desk/login" in client.get(f"/desk/mailings{address}").location
    assert read_tables(session) == before


def test_looking_changes_nothing(app: Flask, session: Session, eva: FlaskClient) -> None:
    mailing = send(app, session, "ana@example.org")
    match(app, session, published_at=clock.now() - DAY)
    before = read_tables(session)

    for address in ("", *(f"/{mailing.id}{end}" for end in ("", "/progress", "/certificate", "/certificate.json"))):
        assert eva.get(f"/desk/mailings{address}").status_code == 200
        assert eva.head(f"/desk/mailings{address}").status_code == 200
    for action in ("pause", "resume", "release", "retry", "resend"):
        assert eva.get(f"/desk/mailings/{mailing.id}/{action}").status_code == 405
    assert read_tables(session) == before


# The live view


def test_the_live_view_answers_one_event_and_lets_go(app: Flask, session: Session, eva: FlaskClient) -> None:
    mailing = send(app, session, "ana@example.org", "bo@example.org", refused="bo@example.org")

    fields, data = take_event(eva, mailing)

    assert fields["retry"] == "2000"
    assert (data["phase"], data["moves"], data["troubles"]) == ("done", False, 1)
    assert data["says"].startswith("Klart. Allt var skickat")
    assert "2 av 2 brev är klara" in data["html"]


def test_the_live_rate_is_the_difference_between_two_events(app: Flask, session: Session, eva: FlaskClient) -> None:
    mailing = match(app, session, *(f"a{number}@example.org" for number in range(60)))
    fields, data = take_event(eva, mailing)
    assert "brev i sekunden" not in data["html"]
    assert fields["id"].startswith("0-")
    with ten_seconds_earlier(fields["id"]) as last:
        ids = session.scalars(sa.select(Delivery.id).order_by(Delivery.id).limit(40)).all()
        deliveries.settle(session, dict.fromkeys(ids, Outcome(Result.ACCEPTED, 250, "Ok")), now=clock.now())
        session.commit()

        fields, data = take_event(eva, mailing, last)

    # 40 in ten seconds or a little more, and 0 before that: about 2.
    assert re.search(r"ungefär (2|1,[5-9]) brev i sekunden", data["html"])
    assert re.search(r"ungefär 1\d sekunder kvar", data["html"])
    assert re.fullmatch(r"40-\d+-[12]\.\d{3}", fields["id"])


class ten_seconds_earlier:  # noqa: N801 — it reads as a sentence.
    """An event's id as if it had come ten seconds before."""

    def __init__(self, given: str) -> None:
        left, milliseconds, rate = given.split("-")
        self.last = f"{left}-{int(milliseconds) - 10_000}-{rate}"

    def __enter__(self) -> str:
        return self.last

    def __exit__(self, *_: object) -> None:
        return None


@on_sqlite
@pytest.mark.parametrize(
    "last", ["x", "1-2", "1-2-3-4", "9" * 400 + "-1-1", "0-0-nan", "0-9999999999999999-1", "-1-1-1"]
)
def test_an_event_id_that_is_not_ours_is_passed_over(app: Flask, session: Session, eva: FlaskClient, last: str) -> None:
    mailing = match(app, session, "ana@example.org")

    assert take_event(eva, mailing, last)[1]["phase"] == "sending"


# At the item


def test_an_items_page_leads_to_its_mailings_of_both_kinds(app: Flask, session: Session, eva: FlaskClient) -> None:
    first = send(app, session, "ana@example.org")
    now = clock.now()
    make_subscriber(session, "cy@example.org", "stod", frequency="weekly", now=now - DAY)
    session.get_one(Item, first.item_id).urgent = True
    session.commit()
    post = MemoryTransport()
    deliver_everything(app, session, post, now=now)
    session.commit()

    page = read_page(eva.get(f"/desk/items/{first.item_id}"))

    assert [letter.to for letter in post.accepted] == ["cy@example.org"]
    urgent, news = page.xpath("//section[@class='desk-panel']//a[starts-with(@href, '/desk/mailings/')]/@href")
    assert (urgent, news) == (f"/desk/mailings/{first.id + 1}", f"/desk/mailings/{first.id}")
    assert [words_of(one) for one in page.xpath("//section[@class='desk-panel']//h2")] == ["Viktigt meddelande", "Brev"]


# The certificate


def test_the_certificate_downloads_exactly_as_it_was_kept_and_verifies(
    app: Flask, session: Session, eva: FlaskClient
) -> None:
    mailing = send(app, session, "ana@example.org", "bo@example.org", refused="bo@example.org")

    answer = eva.get(f"/desk/mailings/{mailing.id}/certificate.json")

    kept = certificate.newest(session, mailing.id)
    assert kept is not None
    text = answer.get_data(as_text=True)
    assert text == kept.body
    assert answer.headers["Content-Disposition"] == 'attachment; filename="utskicksprotokoll-1.json"'
    assert answer.mimetype == "application/json"
    assert certificate.verify(session, text) == []


def test_the_certificates_page_shows_every_line_with_its_hash(app: Flask, session: Session, eva: FlaskClient) -> None:
    mailing = send(app, session, "ana@example.org", "bo@example.org", refused="bo@example.org")
    lines = eva.get(f"/desk/mailings/{mailing.id}/certificate.json").get_json()["lines"]

    page = read_page(eva.get(f"/desk/mailings/{mailing.id}/certificate"))

    assert title_of(page) == "Utskicksprotokoll 1"
    rows = page.xpath("//table//tbody/tr")[1:]
    assert [words_of(row.xpath(".//code")[0]) for row in rows] == [line["hash"] for line in lines]
    for row, line in zip(rows, lines, strict=True):
        for name, value in line.items():
            if name not in ("line", "hash") and value is not None:
                assert str(value) in words_of(row)
    assert "newsroom certificate verify utskicksprotokoll-1.json" in words_of(page)


@on_sqlite
def test_a_mailing_on_its_way_has_no_certificate(app: Flask, session: Session, eva: FlaskClient) -> None:
    mailing = match(app, session, "ana@example.org")

    for end in ("certificate", "certificate.json"):
        assert eva.get(f"/desk/mailings/{mailing.id}/{end}").status_code == 404


@on_sqlite
def test_a_page_opened_between_the_last_letter_and_the_certificate_waits_for_it(
    app: Flask, session: Session, eva: FlaskClient
) -> None:
    mailing = send(app, session, "ana@example.org")
    session.execute(sa.delete(Certificate))
    session.commit()

    page = read_page(eva.get(f"/desk/mailings/{mailing.id}"))

    assert page.xpath("//script[contains(@src, 'progress.js')]")
    assert page.xpath("//*[@data-awaiting]")


@on_sqlite
def test_the_desk_speaks_english_too(app: Flask, session: Session, eva: FlaskClient) -> None:
    mailing = send(app, session, "ana@example.org")

    for end in ("", f"/{mailing.id}", f"/{mailing.id}/certificate"):
        page = read_page(eva.get(f"/desk/mailings{end}", headers={"Accept-Language": "en"}))
        assert page.get("lang") == "en"
    assert dt.timedelta(0) < clock.now() - mailing.created_at
