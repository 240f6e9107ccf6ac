"""Feeds over HTTP, asked for as feed readers do."""

import datetime as dt
import gzip
from typing import Any

import feedparser
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session
from werkzeug.http import http_date
from werkzeug.test import TestResponse

from newsroom.feeds.serving import LONGEST
from newsroom.news import publishing, topics
from newsroom.news.models import Item
from newsroom.news.writing import ItemText, change_item
from tests.factories import DAY, HOUR, MINUTE, make_item, make_topics

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)  # The pages ask the clock themselves.


@pytest.fixture
def session(session: Session) -> Session:
    """The test's session, with the start topics."""
    make_topics(session)
    session.commit()
    return session


def publish(session: Session, *slugs: str, ago: dt.timedelta = HOUR, **words: Any) -> Item:
    item = make_item(session, *slugs, published_at=NOW - ago, **words)
    session.commit()
    return item


def titles(client: FlaskClient, name: str = "all") -> list[str]:
    response = client.get(f"/feeds/{name}.rss")
    assert response.status_code == 200
    feed = feedparser.parse(response.data)
    assert not feed.bozo
    return [entry.title for entry in feed.entries]


def ask_again(client: FlaskClient, first: TestResponse, **headers: str) -> TestResponse:
    return client.get("/feeds/all.rss", headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_the_feed_lists_what_can_be_read_newest_first(client: FlaskClient, session: Session) -> None:
    publish(session, "stod", headline="Äldre", ago=2 * DAY)
    publish(session, "kultur", headline="Nyare", ago=DAY)
    make_item(session, "stod", headline="Utkast", published_at=None)
    make_item(session, "stod", headline="Snart", published_at=NOW + DAY)
    publishing.withdraw(publish(session, "stod", headline="Tillbakadragen"), now=NOW)
    session.commit()

    assert titles(client) == ["Nyare", "Äldre"]
    assert titles(client, "stod") == ["Äldre"]


def test_items_of_the_same_moment_stand_in_a_fixed_order(client: FlaskClient, session: Session) -> None:
    for number in range(4):
        publish(session, "stod", headline=f"Nummer {number}")
    assert titles(client) == [f"Nummer {number}" for number in (3, 2, 1, 0)]


def test_a_parents_feed_carries_its_childrens_items_once(client: FlaskClient, session: Session) -> None:
    publish(session, "offentlig-konst", "kultur", headline="Barn och förälder")
    publish(session, "kultur", headline="Förälder")

    assert titles(client, "kultur") == ["Förälder", "Barn och förälder"]
    assert titles(client, "offentlig-konst") == ["Barn och förälder"]
    assert titles(client, "kultur-och-halsa") == []


def test_a_topics_feed_names_its_topic_its_page_and_itself(client: FlaskClient, app: Flask, session: Session) -> None:
    site = app.config["PUBLIC_URL"]
    feed = feedparser.parse(client.get("/feeds/stod.rss").data).feed
    assert feed.title == f"Stöd – {app.config['SITE_NAME']}"
    assert feed.subtitle == "Nyheter från Region Stockholm om Stöd"
    assert feed.link == f"{site}/amnen/stod"
    assert [link.href for link in feed.links if link.rel == "self"] == [f"{site}/feeds/stod.rss"]
    whole = feedparser.parse(client.get("/feeds/all.rss").data).feed
    assert (whole.title, whole.link) == (app.config["SITE_NAME"], f"{site}/")


def test_a_feed_is_no_longer_than_it_needs_to_be(client: FlaskClient, session: Session) -> None:
    for number in range(LONGEST + 2):
        make_item(session, "stod", headline=f"Nummer {number}", published_at=NOW - HOUR)
    session.commit()
    assert len(titles(client)) == LONGEST
    assert titles(client)[0] == f"Nummer {LONGEST + 1}"


@pytest.mark.parametrize("path", ["/feeds/finns-inte.rss", "/feeds/all.atom", "/feeds/", "/feeds/%00.rss"])
def test_a_feed_that_does_not_exist_is_404_in_one_line(client: FlaskClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 404
    assert response.mimetype == "text/plain"
    assert response.text == "404 Not Found\n"


def test_a_feed_says_what_a_cache_needs_to_know(client: FlaskClient, session: Session) -> None:
    publish(session, "stod")
    response = client.get("/feeds/all.rss")

    assert response.headers["Content-Type"] == "application/rss+xml; charset=utf-8"
    assert response.get_etag()[0]
    assert response.get_etag()[1] is False
    assert response.last_modified == NOW - HOUR
    assert response.headers["Cache-Control"] == "public, max-age=300"
    assert response.headers["Vary"] == "Accept-Encoding"
    assert response.headers["Access-Control-Allow-Origin"] == "*"
    assert int(response.headers["Content-Length"]) == len(response.data)


def test_nobody_gets_a_cookie(client: FlaskClient, session: Session) -> None:
    for path in ("/feeds/all.rss", "/feeds/stod.rss", "/feeds/finns-inte.rss"):
        assert "Set-Cookie" not in client.get(path).headers


def test_asking_twice_gives_the_same_bytes(client: FlaskClient, session: Session) -> None:
    publish(session, "stod")
    first, second = client.get("/feeds/all.rss"), client.get("/feeds/all.rss")
    assert first.data == second.data
    assert first.headers["ETag"] == second.headers["ETag"]


def test_who_has_the_bytes_already_is_told_so_by_their_tag(client: FlaskClient, session: Session) -> None:
    publish(session, "stod")
    first = client.get("/feeds/all.rss")
    for tag in (first.headers["ETag"], f"W/{first.headers['ETag']}", f'"x", {first.headers["ETag"]}', "*"):
        again = ask_again(client, first, If_None_Match=tag)
        assert (again.status_code, again.data) == (304, b"")
        for name in ("ETag", "Cache-Control", "Vary", "Access-Control-Allow-Origin"):
            assert again.headers[name] == first.headers[name]


def test_who_has_the_bytes_already_is_told_so_by_their_time(client: FlaskClient, session: Session) -> None:
    publish(session, "stod")
    first = client.get("/feeds/all.rss")
    again = ask_again(client, first, If_Modified_Since=first.headers["Last-Modified"])
    assert (again.status_code, again.data) == (304, b"")
    for name in ("ETag", "Cache-Control", "Vary"):
        assert again.headers[name] == first.headers[name]


def test_who_has_older_bytes_gets_the_new_ones(client: FlaskClient, session: Session) -> None:
    publish(session, "stod", ago=DAY)
    first = client.get("/feeds/all.rss")
    publish(session, "stod", ago=HOUR)
    for condition in (
        {"If_None_Match": first.headers["ETag"]},
        {"If_Modified_Since": first.headers["Last-Modified"]},
        {"If_None_Match": '"other"', "If_Modified_Since": http_date(NOW)},
        {"If_Modified_Since": "yesterday"},
    ):
        again = ask_again(client, first, **condition)
        assert (again.status_code, len(feedparser.parse(again.data).entries)) == (200, 2)


def test_a_correction_is_noticed_by_tag_and_by_time(client: FlaskClient, session: Session) -> None:
    item = publish(session, "stod", ago=DAY)
    first = client.get("/feeds/all.rss")
    change_item(item, ItemText("Rättad"), topics.find_topics(session, ["stod"]), now=NOW)
    session.commit()
    for condition in ({"If_None_Match": first.headers["ETag"]}, {"If_Modified_Since": first.headers["Last-Modified"]}):
        again = ask_again(client, first, **condition)
        assert (again.status_code, feedparser.parse(again.data).entries[0].title) == (200, "Rättad")


@pytest.mark.parametrize("which", [0, 1])
def test_a_withdrawal_is_noticed_by_tag_and_by_time(client: FlaskClient, session: Session, which: int) -> None:
    items = [publish(session, "stod", ago=2 * DAY), publish(session, "stod", ago=DAY)]
    first = client.get("/feeds/all.rss")
    publishing.withdraw(items[which], now=NOW - MINUTE)
    session.commit()
    for condition in ({"If_None_Match": first.headers["ETag"]}, {"If_Modified_Since": first.headers["Last-Modified"]}):
        again = ask_again(client, first, **condition)
        assert (again.status_code, len(feedparser.parse(again.data).entries)) == (200, 1)


def test_an_item_that_moves_to_another_topic_is_noticed_by_time_where_it_was(
    client: FlaskClient, session: Session
) -> None:
    item = publish(session, "stod", ago=DAY)
    publish(session, "stod", ago=HOUR)
    first = client.get("/feeds/stod.rss")
    change_item(item, ItemText("Rubrik"), topics.find_topics(session, ["kultur"]), now=NOW)
    session.commit()
    again = client.get("/feeds/stod.rss", headers={"If-Modified-Since": first.headers["Last-Modified"]})
    assert (again.status_code, len(feedparser.parse(again.data).entries)) == (200, 1)


def test_an_embargoed_item_is_noticed_by_time_when_its_hour_has_come(client: FlaskClient, session: Session) -> None:
    publish(session, "stod", ago=DAY)
    first = client.get("/feeds/all.rss")
    waiting = make_item(session, "stod", published_at=NOW - MINUTE, now=NOW - 3 * DAY)
    assert waiting.updated_at < NOW - DAY
    session.commit()
    assert ask_again(client, first, If_Modified_Since=first.headers["Last-Modified"]).status_code == 200


def test_an_item_that_still_waits_changes_nothing(client: FlaskClient, session: Session) -> None:
    publish(session, "stod", ago=DAY)
    first = client.get("/feeds/all.rss")
    make_item(session, "stod", published_at=NOW + DAY, now=NOW - 2 * DAY)
    session.commit()
    assert ask_again(client, first, If_Modified_Since=first.headers["Last-Modified"]).status_code == 304
    assert client.get("/feeds/all.rss").data == first.data


def test_head_answers_as_get_does_without_the_bytes(client: FlaskClient, session: Session) -> None:
    publish(session, "stod")
    got, head = client.get("/feeds/all.rss"), client.head("/feeds/all.rss")
    assert (head.status_code, head.data) == (200, b"")
    assert {name: value for name, value in head.headers if name != "Date"} == {
        name: value for name, value in got.headers if name != "Date"
    }


def test_the_compressed_bytes_are_the_same_under_a_tag_of_their_own(client: FlaskClient, session: Session) -> None:
    publish(session, "stod")
    plain = client.get("/feeds/all.rss")
    zipped = client.get("/feeds/all.rss", headers={"Accept-Encoding": "br;q=1.0, gzip;q=0.8"})

    assert "Content-Encoding" not in plain.headers
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(zipped.data) == plain.data
    assert zipped.data[4:8] == bytes(4), "the time of compressing stands in the bytes"
    assert zipped.headers["ETag"] != plain.headers["ETag"]
    assert zipped.headers["Vary"] == plain.headers["Vary"]
    assert int(zipped.headers["Content-Length"]) == len(zipped.data) < len(plain.data)
    assert zipped.data == client.get("/feeds/all.rss", headers={"Accept-Encoding": "gzip"}).data

    again = client.get("/feeds/all.rss", headers={"Accept-Encoding": "gzip", "If-None-Match": zipped.headers["ETag"]})
    assert (again.status_code, again.headers["ETag"]) == (304, zipped.headers["ETag"])


def test_who_refuses_compression_gets_plain_bytes(client: FlaskClient, session: Session) -> None:
    for accepted in ("gzip;q=0", "identity", "br"):
        response = client.get("/feeds/all.rss", headers={"Accept-Encoding": accepted})
        assert response.data.startswith(b"<?xml")


def test_an_empty_site_has_a_feed_that_does_not_change(client: FlaskClient, session: Session) -> None:
    first = client.get("/feeds/all.rss")
    assert titles(client) == []
    assert ask_again(client, first, If_None_Match=first.headers["ETag"]).status_code == 304


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_feeds_are_for_reading(client: FlaskClient, session: Session, method: str) -> None:
    response = client.open("/feeds/all.rss", method=method)
    assert (response.status_code, response.mimetype) == (405, "text/plain")


def test_a_method_that_is_not_taken_is_told_which_are(client: FlaskClient) -> None:
    answer = client.post("/feeds/all.rss")
    assert answer.status_code == 405
    assert "GET" in answer.headers["Allow"]
