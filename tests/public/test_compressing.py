"""Compression: what is open to everybody travels compressed, and what may hold a secret never does."""

import email.policy
import gzip
import re

import brotli
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from config import PROJECT
from newsroom import clock
from newsroom.delivery.transport import MemoryTransport
from tests.factories import deliver_everything, make_item, make_topics
from tests.public.test_leaving import receive, subscribe

WANTS = {"Accept-Encoding": "gzip, deflate, br, zstd"}

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def item(session: Session) -> str:
    """The address of an item that anybody can read."""
    make_topics(session)
    address = f"/nyheter/{make_item(session, 'kultur').slug}"
    session.commit()
    return address


def encoding_of(client: FlaskClient, path: str, **headers: str) -> str | None:
    return client.get(path, headers=WANTS | headers).headers.get("Content-Encoding")


def test_a_page_is_the_same_page_in_either_form_and_says_that_it_has_forms(client: FlaskClient, item: str) -> None:
    plain = client.get(item)
    assert "Content-Encoding" not in plain.headers
    for asked, read in (("gzip", gzip.decompress), ("br", brotli.decompress), ("br, gzip", brotli.decompress)):
        packed = client.get(item, headers={"Accept-Encoding": asked})
        assert packed.headers["Content-Encoding"] == asked.split(",")[0]
        assert read(packed.data) == plain.data
        assert len(packed.data) < len(plain.data) / 2
        assert packed.headers["Content-Length"] == str(len(packed.data))
        for answer in (plain, packed):
            assert "Accept-Encoding" in answer.headers["Vary"]


@pytest.mark.parametrize("path", ["/static/readers.css", "/static/progress.js"])
def test_a_static_file_keeps_an_etag_of_its_own_in_each_form(client: FlaskClient, path: str) -> None:
    tags = set()
    for asked in ("identity", "gzip", "br"):
        headers = {"Accept-Encoding": asked}
        answer = client.get(path, headers=headers)
        tags.add(answer.headers["ETag"])
        again = client.get(path, headers=headers | {"If-None-Match": answer.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")
        head = client.head(path, headers=headers)
        assert (head.data, head.headers["ETag"]) == (b"", answer.headers["ETag"])
        assert head.headers["Content-Length"] == str(len(answer.data))
    assert len(tags) == 3


def test_a_part_of_a_file_is_a_part_of_the_plain_file(client: FlaskClient) -> None:
    with client.get("/static/progress.js", headers=WANTS | {"Range": "bytes=0-9"}) as answer:
        begun = answer.data
    assert (answer.status_code, answer.headers.get("Content-Encoding")) == (206, None)
    assert begun == (PROJECT / "newsroom/static/progress.js").read_bytes()[:10]


def test_the_font_is_left_as_it_is(client: FlaskClient) -> None:
    with client.get("/static/vendor/schibsted-grotesk.woff2", headers=WANTS) as answer:
        assert answer.status_code == 200
        assert "Content-Encoding" not in answer.headers


def test_a_feed_is_compressed_once_and_not_twice(client: FlaskClient, item: str) -> None:
    answer = client.get("/feeds/all.rss", headers=WANTS)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(answer.data).startswith(b"<?xml")


def test_what_everybody_gets_alike_is_compressed(client: FlaskClient, item: str) -> None:
    for path in ("/", "/en/", "/nyheter", item, "/amnen", "/amnen/kultur", "/prenumerera", "/om", "/integritet"):
        assert (path, encoding_of(client, path)) == (path, "br")


def test_no_page_with_a_secret_in_it_is_compressed(app: Flask, session: Session, client: FlaskClient) -> None:
    subscribe(session, "kultur")
    secret = [receive(app, session, "kultur")]
    session.commit()
    client.post("/prenumerera", data={"email": "bo@example.org", "topics": "kultur", "frequency": "direct"})
    post = MemoryTransport()
    deliver_everything(app, session, post, now=clock.now())
    (letter,) = [one.letter for one in post.accepted if one.to == "bo@example.org"]
    body = email.message_from_bytes(letter, policy=email.policy.default).get_body(("plain",))
    assert body is not None
    secret += re.findall(r"https?://[^/\s]+(/bekrafta/\S+)", body.get_content())
    assert len(secret) == 2
    for path in [*secret, "/desk/login"]:
        answer = client.get(path, headers=WANTS)
        assert (path, answer.status_code, answer.headers.get("Content-Encoding")) == (path, 200, None)


def test_what_a_form_answers_is_not_compressed(client: FlaskClient, item: str) -> None:
    answer = client.post("/prenumerera", data={"email": "ana@", "topics": "kultur"}, headers=WANTS)
    assert answer.status_code == 422
    assert b"ana@" in answer.data
    assert "Content-Encoding" not in answer.headers
