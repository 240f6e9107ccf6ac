"""The pages about the site: whole in both languages, true of this installation, and true of the last test run."""

import json
import re
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient

from config import PROJECT
from newsroom import create_app
from newsroom.public import about
from tests.conftest import settings
from tests.pages import read_page, title_of, words_of

TEXTS = PROJECT / "templates" / "texts"
PAGES = ("/om", "/integritet", "/tillganglighet")

pytestmark = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


def read(client: FlaskClient, address: str) -> str:
    answer = client.get(address)
    assert (address, answer.status_code) == (address, 200)
    return words_of(read_page(answer).xpath("//main")[0])


@pytest.mark.parametrize("name", ["about", "privacy", "accessibility"])
def test_a_text_has_the_same_parts_in_both_languages(database: str, name: str) -> None:
    sv, en = ((TEXTS / f"{name}.{language}.html").read_text() for language in ("sv", "en"))
    for pattern in (r"<h\d>", r"<li\b", r"\{%.*?%\}", r"config\.\w+", r"mailto:|url_for\('[\w.]+'\)|/mina-amnen"):
        found = [[re.sub(r"\s+lang=.*", "", one) for one in re.findall(pattern, text)] for text in (sv, en)]
        assert sorted(found[0]) == sorted(found[1])


@pytest.mark.parametrize("prefix", ["", "/en"])
def test_every_page_leads_to_them_and_they_set_no_cookie(client: FlaskClient, prefix: str) -> None:
    links = read_page(client.get(f"{prefix}/amnen")).xpath("//footer//a/@href")
    for path in PAGES:
        assert prefix + path in links
        answer = client.get(prefix + path)
        page = read_page(answer)
        assert answer.status_code == 200
        assert page.xpath("//meta[@name='description']/@content")[0] not in ("", title_of(page))
        assert "Set-Cookie" not in answer.headers


def test_what_differs_between_authorities_comes_from_the_settings(database: str, tmp_path: Path) -> None:
    given = {
        "ORGANISATION_NAME": "Skogsjö kommun",
        "SITE_NAME": "Nytt från Skogsjö",
        "CONTACT_ADDRESS": "oss@example.org",
        "PRIVACY_CONTROLLER": "Kommunstyrelsen, Skogsjö kommun",
        "PRIVACY_ADDRESS": "dso@example.org",
        "PRIVACY_PROCESSORS": "Exempel Drift AB",
        "PRIVACY_SUPERVISION": "Tillsynen, www.example.org",
        "ACCESSIBILITY_ADDRESS": "alla@example.org",
        "ACCESSIBILITY_SHORTCOMINGS": "Kartor saknar text. | Filmer saknar syntolkning.",
        "ACCESSIBILITY_SUPERVISION": "www.example.org/anmal",
    }
    client = create_app(settings(tmp_path, SQLALCHEMY_DATABASE_URI=database, **given)).test_client()
    for prefix in ("", "/en"):
        said = " ".join(read(client, prefix + path) for path in PAGES)
        for value in given.values():
            for part in value.split(" | "):
                assert part in said
        assert "Region Stockholm" not in said


def test_what_the_statement_calls_by_its_address_can_be_opened(client: FlaskClient) -> None:
    names = read_page(client.get("/tillganglighet")).xpath("//details//li/text()")
    addresses = [name for name in names if name.startswith("/")]
    assert len(addresses) > 5
    assert [one for one in addresses if client.get(one).status_code != 200] == []
    assert not [name for name in names if re.search("[<>]|error", name)]


def test_the_statement_tells_what_the_last_run_found(client: FlaskClient) -> None:
    kept = json.loads((PROJECT / "newsroom" / "accessibility.json").read_text())
    page = read_page(client.get("/tillganglighet"))
    assert page.xpath("//time/@datetime") == [kept["date"]] * 2
    said = words_of(page.xpath("//main")[0])
    assert f"{kept['tool']} {kept['version']}" in said
    assert f"omfattade {sum(kept['counts'].values())} sidor och brev" in said
    assert "hittade inga fel" in said
    for path in ("/", "/nyheter", "/prenumerera", "en nyhet", f"{kept['counts']['letters']} brev, av alla slag"):
        assert page.xpath("//details//li[. = $path]", path=path)


@pytest.mark.parametrize(
    ("prefix", "found", "says"),
    [
        ("", [("pages", "/nyheter/<slug>", "color-contrast", 1)], ["en sak", "En nyhet: color-contrast (1 ställe)"]),
        ("/en", [("pages", "/nyheter/<slug>", "list", 1)], ["one thing", "A news item: list (1 place)"]),
        (
            "",
            [("pages", "error 400", "list", 1), ("pages", "error 500", "list", 1), ("letters", "daily", "list", 3)],
            ["2 saker", "Sidorna för det som gick fel: list (2 ställen)", "Brev: list (3 ställen)"],
        ),
        (
            "/en",
            [("desk", "/desk/", "has to be scrolled sideways", 1), ("pages", "/om", "list", 1)],
            ["2 things", "The editors' own pages: has to be scrolled sideways (1 place)", "/om: list (1 place)"],
        ),
        (
            "",
            [("desk", "/desk/", "has to be scrolled sideways", 1)],
            ["Redaktörernas egna sidor: måste rullas i sidled"],
        ),
    ],
)
def test_the_statement_does_not_hide_what_was_found(
    database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    prefix: str,
    found: list[tuple[str, str, str, int]],
    says: list[str],
) -> None:
    kept = json.loads(about.RESULTS.read_text())
    kept["findings"] = [dict(zip(("part", "page", "rule", "count"), one, strict=True)) for one in found]
    (tmp_path / "found.json").write_text(json.dumps(kept))
    monkeypatch.setattr(about, "RESULTS", tmp_path / "found.json")
    given = {"ACCESSIBILITY_REVIEW": "Granskarna AB, mars 2027"}
    client = create_app(settings(tmp_path, SQLALCHEMY_DATABASE_URI=database, **given)).test_client()
    said = read(client, f"{prefix}/tillganglighet")
    for words in [*says, "partly compliant" if prefix else "delvis förenlig"]:
        assert words in said
    assert "inga fel" not in said
    assert "no errors" not in said


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ({}, "delvis förenlig"),
        ({"ACCESSIBILITY_REVIEW": "Granskarna AB, mars 2027"}, "helt förenlig"),
        ({"ACCESSIBILITY_REVIEW": "Granskarna AB", "ACCESSIBILITY_SHORTCOMINGS": "Kartor."}, "delvis förenlig"),
    ],
)
def test_nobody_is_told_that_all_is_well_before_people_have_looked(
    database: str, tmp_path: Path, given: dict[str, str], status: str
) -> None:
    client = create_app(settings(tmp_path, SQLALCHEMY_DATABASE_URI=database, **given)).test_client()
    said = read(client, "/tillganglighet")
    assert status in said
    assert ("granskats i sin helhet" in said) is (given == {})


def test_robots_are_welcome_to_the_news_and_to_nothing_personal(app: Flask, client: FlaskClient) -> None:
    answer = client.get("/robots.txt")
    assert answer.content_type == "text/plain; charset=utf-8"
    said = answer.get_data(as_text=True)
    assert "Disallow: /desk\n" in said
    assert "Disallow: /en/avsluta\n" in said
    assert "Disallow: /\n" not in said
