"""Saying what was corrected, and what topics cover, at the desk."""

from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from newsroom import clock
from newsroom.news.models import Correction, Topic
from tests.factories import HOUR, make_item
from tests.pages import check_error, filled_in, find_form, read_page, words_of

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def make_published(session: Session, **text: Any) -> int:
    item_id = make_item(session, "stod", headline="Bron öppnar", published_at=clock.now() - HOUR, **text).id
    session.commit()
    return item_id


def change(eva: FlaskClient, item_id: int, **changes: Any) -> Any:
    address = f"/desk/items/{item_id}/edit"
    return eva.post(address, data=filled_in(find_form(read_page(eva.get(address)), "headline"), **changes))


def corrections(session: Session) -> list[Correction]:
    session.rollback()
    return list(session.scalars(sa.select(Correction).order_by(Correction.id)))


def test_what_was_corrected_stands_on_the_page_the_newest_first(
    session: Session, eva: FlaskClient, client: FlaskClient
) -> None:
    item_id = make_published(session, body="Den 13 mars.")

    saved = change(eva, item_id, body="Den 12 mars.", correction=" Mötet är den 12 mars,  inte den 13 mars. ")
    assert saved.status_code == 303
    change(eva, item_id, correction="Namnet <b>Åsa</b> var fel.", announce_correction="yes")
    assert change(eva, item_id, body="Den 12 mars!").status_code == 303

    assert [(one.text, one.announce) for one in corrections(session)] == [
        ("Mötet är den 12 mars, inte den 13 mars.", False),
        ("Namnet <b>Åsa</b> var fel.", True),
    ]
    page = read_page(client.get("/nyheter/bron-oppnar"))
    rows = [words_of(row) for row in page.xpath("//section[@class='corrections']//li")]
    assert [row.split(" ", 4)[4] for row in rows] == [
        "Namnet <b>Åsa</b> var fel.",
        "Mötet är den 12 mars, inte den 13 mars.",
    ]
    assert page.xpath("//a[@href='#corrections']/time/@datetime") != []
    assert "Namnet" in words_of(read_page(eva.get(f"/desk/items/{item_id}")))


def test_a_correction_moves_the_feeds_time(session: Session, eva: FlaskClient, client: FlaskClient) -> None:
    item_id = make_published(session)
    before = client.get("/feeds/all.rss").headers["ETag"]
    change(eva, item_id, correction="Ett namn var fel.")
    assert client.get("/feeds/all.rss").headers["ETag"] != before


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"correction": "x" * 301}, "Texten är 301 tecken lång; högst 300 får plats här."),
        ({"correction": "a\x07b"}, "Det finns ett styrtecken (U+0007) i texten. Ta bort det."),
        ({"correction": " ", "announce_correction": "yes"}, "Skriv en rad här."),
    ],
)
def test_a_line_that_cannot_stand_is_refused_and_saves_nothing(
    session: Session, eva: FlaskClient, changes: dict[str, str], error: str
) -> None:
    item_id = make_published(session, body="Gammal.")

    answer = change(eva, item_id, body="Ny.", **changes)

    page = read_page(answer)
    assert answer.status_code == 422
    check_error(page, "correction", error)
    form = find_form(page, "headline")
    assert form.xpath(".//textarea[@name='body']")[0].text.strip() == "Ny."
    assert bool(form.xpath(".//input[@name='announce_correction']/@checked")) == ("announce_correction" in changes)
    assert corrections(session) == []
    assert "Gammal." in words_of(read_page(eva.get(f"/desk/items/{item_id}")))


@on_sqlite
def test_a_draft_cannot_be_corrected(session: Session, eva: FlaskClient) -> None:
    item_id = make_item(session, "stod", published_at=None).id
    session.commit()
    form = read_page(eva.get(f"/desk/items/{item_id}/edit"))
    assert form.xpath("//input[@name='correction']") == []

    answer = change(eva, item_id, correction="Ett namn var fel.")
    assert answer.status_code == 422
    check_error(read_page(answer), "correction", "Ingen kan läsa nyheten, så det finns inget att rätta. Töm raden.")
    assert corrections(session) == []


def test_an_editor_says_what_a_topic_covers(session: Session, eva: FlaskClient, client: FlaskClient) -> None:
    listed = read_page(eva.get("/desk/topics/"))
    assert len(listed.xpath("//ul[@class='desk-topics']/li")) == 13
    form = find_form(read_page(eva.get("/desk/topics/stod")), "about")
    assert "Pengar att söka" in filled_in(form)["about"][0]

    saved = eva.post("/desk/topics/stod", data=filled_in(form, about="Alla \r\n stöd.", about_en="All <grants>."))

    assert (saved.status_code, saved.location) == (303, "/desk/topics/")
    assert "Alla stöd." in words_of(read_page(client.get("/amnen/stod")))
    assert "All <grants>." in words_of(read_page(client.get("/en/amnen")))


@on_sqlite
def test_a_description_that_cannot_stand_is_refused_and_stays_in_the_form(session: Session, eva: FlaskClient) -> None:
    form = find_form(read_page(eva.get("/desk/topics/stod")), "about")
    answer = eva.post("/desk/topics/stod", data=filled_in(form, about="x" * 401, about_en="a\x07b"))

    page = read_page(answer)
    assert answer.status_code == 422
    check_error(page, "about", "Texten är 401 tecken lång; högst 400 får plats här.")
    check_error(page, "about_en", "Det finns ett styrtecken (U+0007) i texten. Ta bort det.")
    assert "x" * 401 in answer.get_data(as_text=True)
    session.rollback()
    assert session.scalars(sa.select(Topic.about).where(Topic.slug == "stod")).one().startswith("Pengar")


@on_sqlite
def test_topics_are_the_editors_business(session: Session, eva: FlaskClient, client: FlaskClient) -> None:
    assert client.get("/desk/topics/").status_code == 302
    assert client.post("/desk/topics/stod", data={"about": "x"}).status_code == 401
    assert eva.get("/desk/topics/finns-inte").status_code == 404
    assert eva.post("/desk/topics/stod", data={"about": "x"}).status_code == 400
