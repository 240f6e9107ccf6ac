"""Every address that leaves the site leads to a page of the site."""

import inspect
from urllib.parse import urlsplit

import pytest
from flask import Flask

from newsroom import create_app
from newsroom.extensions import make_token
from newsroom.links import Links
from tests.conftest import settings

SITE = "https://nyheter.example.org"
GIVEN = {"slug": "ny-strategi", "name": "all", "token": make_token(), "mailing_key": make_token()}
MAKERS = [
    name
    for name, maker in inspect.getmembers(Links, inspect.isfunction)
    if not name.startswith("_") and name != "in_language"
]
ENDPOINTS = {
    "front": "public.front",
    "news": "public.news",
    "all_topics": "public.all_topics",
    "item": "public.item",
    "topic": "public.topic",
    "feed": "feeds.rss",
    "subscribe": "signup.choose",
    "confirm": "signup.show_confirmation",
    "unsubscribe": "leaving.show",
    "leave_topic": "leaving.show_topic",
    "leave_all": "leaving.show_all",
    "my_topics": "preferences.show",
    "login": "login.show",
    "confirm_address": "addressing.show_confirmation",
}


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """An app whose addresses are asked about, and whose database isn't."""
    return create_app(settings(tmp_path_factory.mktemp("links")))


def make(name: str, language: str) -> str:
    maker = getattr(Links(SITE).in_language(language), name)
    address: str = maker(*(GIVEN[parameter] for parameter in inspect.signature(maker).parameters))
    return address


def test_every_kind_of_address_is_looked_at() -> None:
    assert set(MAKERS) == set(ENDPOINTS)


@pytest.mark.parametrize("language", ["sv", "en"])
@pytest.mark.parametrize("name", MAKERS)
def test_every_address_leads_to_a_page(app: Flask, name: str, language: str) -> None:
    address = make(name, language)
    parts = urlsplit(address)
    assert f"{parts.scheme}://{parts.netloc}" == SITE
    assert not parts.query
    assert not parts.fragment

    path = parts.path
    if language == "en" and name != "feed":
        assert path.startswith("/en/")
        path = path.removeprefix("/en")
    endpoint, values = app.url_map.bind(parts.netloc, url_scheme=parts.scheme).match(path, method="GET")
    assert endpoint == ENDPOINTS[name]
    assert set(values.values()) <= set(GIVEN.values())


def test_a_letter_can_be_unsubscribed_from_by_one_post(app: Flask) -> None:
    path = urlsplit(make("unsubscribe", "sv")).path
    found = app.url_map.bind("x").match(path, method="POST")
    assert found == ("leaving.leave", {"token": GIVEN["token"], "mailing_key": GIVEN["mailing_key"]})


def test_the_site_may_stand_on_a_port_of_its_own() -> None:
    assert Links("http://127.0.0.1:8000", "en").item("x") == "http://127.0.0.1:8000/en/nyheter/x"
