"""The sitemaps: every address that can be read, once, with the time of its last change."""

import datetime as dt
from typing import Any

import lxml.etree
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from newsroom import clock
from newsroom.news import publishing
from newsroom.news.models import Item
from tests.factories import DAY, HOUR, make_item, make_topics

NAMES = {
    "map": "http://www.sitemaps.org/schemas/sitemap/0.9",
    "xhtml": "http://www.w3.org/1999/xhtml",
    "news": "http://www.google.com/schemas/sitemap-news/0.9",
}


def read(client: FlaskClient, address: str) -> Any:
    answer = client.get(address)
    assert (answer.status_code, answer.mimetype) == (200, "application/xml")
    return lxml.etree.fromstring(answer.data)


def find(tree: Any, path: str) -> list[Any]:
    return list(tree.xpath(path, namespaces=NAMES))


def paths(tree: Any) -> list[str]:
    return [one.removeprefix("http://127.0.0.1:8000") for one in find(tree, "//map:loc/text()")]


@pytest.fixture
def filled(session: Session) -> dt.datetime:
    """A few items and when the oldest came: an old one, a new one in English, and three that nobody may read."""
    make_topics(session)
    now = clock.now().replace(microsecond=0)
    make_item(session, "stod", headline="Gammal & kär", published_at=now - 9 * DAY)
    make_item(session, "kultur", headline="New <today>", language="en", published_at=now - HOUR)
    make_item(session, "stod", headline="Utkast", published_at=None)
    make_item(session, "stod", headline="Kommande", published_at=now + DAY)
    publishing.withdraw(make_item(session, "stod", headline="Tillbaka", published_at=now - DAY), now=now)
    session.commit()
    return now - 9 * DAY


def test_the_sitemap_holds_every_readable_item_once_and_both_languages_of_other_pages(
    client: FlaskClient, session: Session, filled: dt.datetime
) -> None:
    tree = read(client, "/sitemap.xml")
    found = paths(tree)

    assert len(found) == len(set(found)) == 2 * (4 + 13) + 2
    assert {one for one in found if "/nyheter/" in one} == {"/nyheter/gammal-kar", "/en/nyheter/new-today"}
    assert {"/", "/en/", "/nyheter", "/en/nyheter", "/amnen/stod", "/en/amnen/stod"} <= set(found)
    for path in found:
        assert client.get(path).status_code == 200
    (old,) = find(tree, "//map:url[contains(map:loc, 'gammal-kar')]")
    assert find(old, "map:lastmod/text()") == [filled.isoformat()]
    assert find(old, "xhtml:link") == []
    (topic,) = find(tree, "//map:url[map:loc[contains(., '8000/amnen/stod')]]")
    assert [(one.get("hreflang"), one.get("href")) for one in find(topic, "xhtml:link")] == [
        ("sv", "http://127.0.0.1:8000/amnen/stod"),
        ("en", "http://127.0.0.1:8000/en/amnen/stod"),
    ]


def test_a_correction_moves_an_items_last_change(client: FlaskClient, session: Session, filled: dt.datetime) -> None:
    now = clock.now().replace(microsecond=0)
    item = session.query(Item).filter_by(slug="gammal-kar").one()
    publishing.correct(item, "Ett namn var fel.", announce=False, now=now)
    session.commit()

    (old,) = find(read(client, "/sitemap.xml"), "//map:url[contains(map:loc, 'gammal-kar')]")
    assert find(old, "map:lastmod/text()") == [now.isoformat()]


def test_more_than_a_map_holds_becomes_an_index_of_maps(app: Flask, client: FlaskClient, filled: dt.datetime) -> None:
    everything = set(paths(read(client, "/sitemap.xml")))
    app.config["SITEMAP_ADDRESSES"] = 1

    tree = read(client, "/sitemap.xml")
    assert tree.tag.endswith("}sitemapindex")
    assert paths(tree) == [f"/sitemap-{number}.xml" for number in (0, 1, 2)]
    found = [one for path in paths(tree) for one in paths(read(client, path))]
    assert len(found) == len(set(found))
    assert set(found) == everything
    assert [one for one in find(tree, "//map:lastmod/text()") if not one] == []
    assert client.get("/sitemap-3.xml").status_code == 404


def test_the_news_sitemap_holds_the_last_two_days(client: FlaskClient, filled: dt.datetime) -> None:
    tree = read(client, "/sitemap-news.xml")

    assert paths(tree) == ["/en/nyheter/new-today"]
    assert find(tree, "//news:title/text()") == ["New <today>"]
    assert find(tree, "//news:language/text()") == ["en"]
    assert find(tree, "//news:name/text()") == ["Region Stockholm Nyheter"]
    assert dt.datetime.fromisoformat(find(tree, "//news:publication_date/text()")[0]) > clock.now() - DAY


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_robots_are_told_of_the_sitemaps(app: Flask, client: FlaskClient) -> None:
    said = client.get("/robots.txt").get_data(as_text=True)
    named = [line.partition(": ")[2] for line in said.splitlines() if line.startswith("Sitemap: ")]

    assert named == ["http://127.0.0.1:8000/sitemap.xml", "http://127.0.0.1:8000/sitemap-news.xml"]
    for address in named:
        assert client.get(address.removeprefix("http://127.0.0.1:8000")).status_code == 200
