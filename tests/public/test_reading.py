"""The readers' pages: what stands on them, what leaves with them, and what doesn't."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from newsroom import clock, create_app
from newsroom.extensions import db
from newsroom.links import Links
from newsroom.news import publishing
from newsroom.news.models import Item
from tests.conftest import settings
from tests.factories import DAY, HOUR, MINUTE, make_item, make_topics
from tests.pages import read_page, title_of, words_of

PAGES = [
    "/",
    "/nyheter",
    "/nyheter?sida=2",
    "/nyheter?q=bron",
    "/nyheter?q=finns+inte&amne=kultur",
    "/nyheter/bron-oppnar",
    "/nyheter/the-bridge-opens",
    "/amnen",
    "/amnen/kultur",
    "/amnen/offentlig-konst",
    "/amnen/bibliotek",
    "/prenumerera",
    "/prenumerera?topics=stod",
]
ERRORS = {
    "/nyheter/tillbakadragen": 410,
    "/nyheter/kommande": 404,
    "/nyheter/utkast": 404,
    "/nyheter/finns-inte": 404,
    "/nyheter/tomt%00": 404,
    "/nyheter/halvt%ED%A0%80": 404,
    "/amnen/finns-inte": 404,
    "/amnen/tomt%00": 404,
    "/finns-inte": 404,
    "/bekrafta/finns-inte": 404,
    "/avsluta/finns/inte": 404,
}
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "base-uri": "'none'",
    "form-action": "'self'",
    "frame-ancestors": "'none'",
}


def fill_site(session: Session) -> None:
    """Sixty items to read, the newest with everything that an item can have, and three that nobody may read."""
    now = clock.now()
    make_topics(session)
    for number in range(58):
        slug = "kultur" if number % 2 else "kollektivtrafik"
        make_item(session, slug, headline=f"Gammal nyhet {number}", published_at=now - (number + 2) * DAY)
    make_item(
        session,
        "stod",
        headline="The bridge opens",
        lede="On Monday.",
        language="en",
        published_at=now - 2 * HOUR,
    )
    make_item(
        session,
        "offentlig-konst",
        "stod",
        headline="Bron öppnar",
        lede="På måndag & tisdag.",
        body="## Vägen dit\n\nMan kan *gå* <script>alert(1)</script>.",
        facts="Bron är 20 meter lång.",
        published_at=now - HOUR,
    )
    publishing.withdraw(make_item(session, "stod", headline="Tillbakadragen", published_at=now - DAY), now=now - HOUR)
    make_item(session, "stod", headline="Kommande", published_at=now + DAY)
    make_item(session, "stod", headline="Utkast", published_at=None)
    session.commit()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Any) -> Iterator[Flask]:
    """A site that all tests read and none writes to."""
    folder = tmp_path_factory.mktemp("reading")
    shutil.copy(migrated_sqlite, folder / "newsroom.sqlite3")
    app = create_app(settings(folder))
    with app.app_context():
        engine = db.engine
    with Session(engine) as session:
        fill_site(session)
    yield app
    engine.dispose()


@pytest.fixture(scope="module")
def reader(site: Flask) -> FlaskClient:
    return site.test_client()


def headlines(page: Any) -> list[str]:
    return [words_of(one) for one in page.xpath("//article[contains(@class, 'teaser')]/*[self::h2 or self::h3]")]


# All pages


@pytest.mark.parametrize("prefix", ["", "/en"])
def test_every_page_opens_in_its_language(reader: FlaskClient, prefix: str) -> None:
    for address in PAGES:
        answer = reader.get(prefix + address)
        page = read_page(answer)

        assert (address, answer.status_code, page.get("lang")) == (address, 200, "en" if prefix else "sv")
        assert words_of(page.xpath("//header//nav")[0]).startswith("News Topics" if prefix else "Nyheter Ämnen")


@pytest.mark.parametrize("prefix", ["", "/en"])
def test_what_is_not_there_says_so_in_the_pages_language(reader: FlaskClient, prefix: str) -> None:
    for address, code in ERRORS.items():
        answer = reader.get(prefix + address)
        page = read_page(answer)

        assert (address, answer.status_code, page.get("lang")) == (address, code, "en" if prefix else "sv")
        assert page.xpath(f"//main//a[@href='{prefix}/']") != []
    titles = {404: "There is no such page", 410: "This news item has been withdrawn"}
    titles_sv = {404: "Sidan finns inte", 410: "Nyheten har dragits tillbaka"}
    for address in ("/nyheter/tillbakadragen", "/nyheter/kommande"):
        wanted = (titles if prefix else titles_sv)[ERRORS[address]]
        assert title_of(read_page(reader.get(prefix + address))) == wanted


@pytest.mark.parametrize("prefix", ["", "/en"])
def test_every_page_leads_to_itself_in_the_other_language(reader: FlaskClient, prefix: str) -> None:
    for address in PAGES:
        (link,) = read_page(reader.get(prefix + address)).xpath("//header//a[@hreflang]")

        assert link.get("href") == (address if prefix else "/en" + address)
        assert (link.get("lang"), link.get("hreflang")) == (("sv", "sv") if prefix else ("en", "en"))
        other = read_page(reader.get(link.get("href")))
        assert other.get("lang") == link.get("lang")


@pytest.mark.parametrize(
    ("address", "leads_to"),
    [("/prenumerera", "/en/prenumerera"), ("/mina-amnen", "/en/mina-amnen"), ("/prenumerera/igen", "/en/")],
)
def test_a_forms_answer_leads_to_its_page_in_the_other_language_or_to_the_front(
    reader: FlaskClient, address: str, leads_to: str
) -> None:
    for here, there in ((address, leads_to), ("/en" + address, leads_to.removeprefix("/en"))):
        (link,) = read_page(reader.post(here, data={"email": "ana"})).xpath("//header//a[@hreflang]")
        assert link.get("href") == there
        assert reader.get(there).status_code == 200


@pytest.mark.parametrize("prefix", ["", "/en"])
def test_every_link_on_every_page_leads_somewhere_in_the_same_language(reader: FlaskClient, prefix: str) -> None:
    found = {
        str(href)
        for address in PAGES
        for href in read_page(reader.get(prefix + address)).xpath("//a[not(@hreflang)]/@href[starts-with(., '/')]")
    }

    assert len(found) > 30
    for href in found:
        assert (href, reader.get(href).status_code) == (href, 200)
        assert href.startswith(("/feeds/", f"{prefix}/")), href
        assert prefix or not href.startswith("/en/"), href


def test_no_answer_to_a_reader_sets_a_cookie_or_depends_on_one(reader: FlaskClient) -> None:
    others = ["/healthz", "/feeds/all.rss", "/feeds/finns-inte.rss", "/static/icon.svg", "/en/healthz", "/desk"]
    for address in [*PAGES, *ERRORS, *others, *(f"/en{one}" for one in PAGES)]:
        for method in ("GET", "HEAD", "OPTIONS", "POST"):
            answer = reader.open(address, method=method, headers={"Cookie": "newsroom_desk=x"}, buffered=True)
            assert "Set-Cookie" not in answer.headers, (method, address)
            assert "cookie" not in answer.headers.get("Vary", "").lower(), (method, address)


def test_every_answer_carries_the_security_headers(reader: FlaskClient) -> None:
    for address in [*PAGES, *ERRORS, "/healthz", "/feeds/all.rss", "/static/icon.svg"]:
        headers = reader.get(address, buffered=True).headers
        policy = dict(one.split(" ", 1) for one in headers["Content-Security-Policy"].split("; "))
        assert policy | POLICY == policy, address
        assert "unsafe" not in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"


def test_no_page_holds_what_its_policy_forbids_or_loads_anything_from_elsewhere(reader: FlaskClient) -> None:
    for address in [*PAGES, *ERRORS]:
        page = read_page(reader.get(address))
        assert page.xpath("//@style | //style | //*[starts-with(name(@*), 'on')]") == []
        assert page.xpath("//script[not(@src or @type='application/ld+json')]") == []
        loaded = page.xpath("//script/@src | //img/@src | //link[not(@rel='canonical')]/@href")
        assert all(one.startswith(("/static/", "/feeds/")) for one in loaded)


def test_a_head_request_gets_the_same_head_and_no_body(reader: FlaskClient) -> None:
    for address in [*PAGES, *ERRORS, "/healthz", "/feeds/all.rss"]:
        whole, head = reader.get(address), reader.head(address)
        assert (address, head.status_code, head.get_data()) == (address, whole.status_code, b"")
        for answer in (head, whole):
            answer.headers.pop("Date", None)  # A second may pass between them.
        assert (address, sorted(head.headers)) == (address, sorted(whole.headers))


def test_other_methods_are_refused(reader: FlaskClient) -> None:
    for address in ("/", "/nyheter", "/nyheter/bron-oppnar", "/amnen", "/healthz"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            assert reader.open(address, method=method).status_code == 405


def test_the_desk_does_not_stand_under_the_english_address(reader: FlaskClient) -> None:
    # Its session's cookie is bound to /desk, so a login there could never succeed.
    for address in ("/en/desk/", "/en/desk/login"):
        assert reader.get(address).status_code == 404


# An item


def test_an_item_holds_everything_in_reading_order(reader: FlaskClient) -> None:
    page = read_page(reader.get("/nyheter/bron-oppnar"))
    text = words_of(page.xpath("//main")[0])

    places = [
        text.index(words)
        for words in (
            "Bron öppnar",
            "På måndag & tisdag.",
            "Vägen dit",
            "Man kan gå",
            "Fakta",
            "Bron är 20 meter lång.",
            "Håll dig uppdaterad! Prenumerera på nyheter du är intresserad av.",
            "Fler nyheter",
        )
    ]
    assert places == sorted(places)
    (article,) = page.xpath("//article[@class='item']")
    assert [one.tag for one in article.xpath(".//h1 | .//h2 | .//h3")] == ["h1", "h2", "h2"]
    assert article.xpath(".//time/@datetime")[0].endswith("+00:00")
    topics = {words_of(one): one.get("href") for one in article.xpath(".//a[@class='topic']")}
    assert topics == {"Offentlig konst": "/amnen/offentlig-konst", "Stöd": "/amnen/stod"}
    assert page.xpath("//article//script") == []
    assert "<script>alert(1)</script>" in text  # Shown as it was written, not run.


def test_an_item_invites_to_its_own_topics(reader: FlaskClient) -> None:
    page = read_page(reader.get("/nyheter/bron-oppnar"))
    (button,) = page.xpath("//aside[@class='invitation']//a")

    assert words_of(button) == "Prenumerera"
    form = read_page(reader.get(button.get("href")))
    assert form.xpath("//input[@name='topics'][@checked]/@value") == ["offentlig-konst", "stod"]


def test_more_news_names_the_newest_others(reader: FlaskClient) -> None:
    page = read_page(reader.get("/nyheter/bron-oppnar"))

    assert headlines(page) == ["The bridge opens", "Gammal nyhet 0", "Gammal nyhet 1"]


def test_an_item_without_facts_has_no_empty_box(reader: FlaskClient) -> None:
    page = read_page(reader.get("/nyheter/gammal-nyhet-0"))

    assert "Fakta" not in words_of(page)
    assert page.xpath("//*[@id='facts']") == []


def test_an_items_title_description_and_lasting_address_stand_in_its_head(reader: FlaskClient, site: Flask) -> None:
    links = Links(site.config["PUBLIC_URL"])
    for address in ("/nyheter/bron-oppnar", "/en/nyheter/bron-oppnar"):
        page = read_page(reader.get(address))
        assert words_of(page.xpath("//title")[0]) == "Bron öppnar – Region Stockholm Nyheter"
        assert page.xpath("//meta[@name='description']/@content") == ["På måndag & tisdag."]
        assert page.xpath("//link[@rel='canonical']/@href") == [links.item("bron-oppnar")]
    english = read_page(reader.get("/nyheter/the-bridge-opens"))
    assert english.xpath("//link[@rel='canonical']/@href") == [links.in_language("en").item("the-bridge-opens")]


def test_an_item_is_described_for_search_engines_in_data_that_no_browser_runs(
    session: Session, client: FlaskClient, app: Flask
) -> None:
    make_topics(session)
    item = make_item(
        session,
        "stod",
        headline="</script><script>alert(1)</script> & ”Bron”",
        lede="Ett <!-- två \u2028 tre",
        published_at=clock.now() - HOUR,
    )
    publishing.correct(item, "Bron är </script> 20 meter.", announce=False, now=clock.now())
    session.commit()
    slug, published = item.slug, item.published_at
    assert published is not None

    answer = client.get(f"/nyheter/{slug}")
    page = read_page(answer)
    (block,) = page.xpath("//script[@type='application/ld+json']")
    data = json.loads(block.text)

    assert answer.get_data(as_text=True).count("</script>") == 1
    assert page.xpath("//script") == [block]
    assert (data["@type"], data["headline"], data["inLanguage"]) == ("NewsArticle", item.headline, "sv")
    assert data["url"] == Links(app.config["PUBLIC_URL"]).item(slug)
    assert data["datePublished"] == published.isoformat(timespec="seconds")
    assert data["dateModified"] > data["datePublished"]
    assert [one["text"] for one in data["correction"]] == ["Bron är </script> 20 meter."]
    properties = {one.get("property"): one.get("content") for one in page.xpath("//meta[@property]")}
    assert (properties["og:title"], properties["og:url"]) == (item.headline, data["url"])
    assert (properties["og:type"], properties["og:locale"]) == ("article", "sv_SE")
    assert properties["og:description"] == data["description"] == item.lede
    assert properties["og:site_name"] == app.config["SITE_NAME"]
    assert data["publisher"]["name"] == data["author"]["name"] == app.config["ORGANISATION_NAME"]
    assert properties["article:published_time"] == data["datePublished"]
    assert properties["article:modified_time"] == data["dateModified"]
    assert properties["article:tag"] in [one["name"] for one in data["about"]]


def test_an_item_is_shared_by_plain_links(reader: FlaskClient, site: Flask) -> None:
    page = read_page(reader.get("/nyheter/bron-oppnar"))
    (mail,) = page.xpath("//section[@class='share']//a/@href")
    parts = parse_qs(urlsplit(mail).query)
    address = Links(site.config["PUBLIC_URL"]).item("bron-oppnar")

    assert mail.startswith("mailto:?")
    assert (parts["subject"], parts["body"]) == (["Bron öppnar"], [f"Bron öppnar\r\n{address}"])
    assert words_of(page.xpath("//*[@class='address-line']")[0]) == address


def test_a_table_scrolls_in_a_box_of_its_own_that_the_keyboard_reaches(session: Session, client: FlaskClient) -> None:
    make_topics(session)
    table = "| a | b |\n|---|---|\n| <table> | d |"
    make_item(session, "stod", headline="Tabell", body=table, facts=table, published_at=clock.now() - HOUR)
    session.commit()

    boxes = read_page(client.get("/nyheter/tabell")).xpath("//div[@class='wide']")
    assert [(one.get("role"), one.get("tabindex"), one.get("aria-label")) for one in boxes] == [
        ("region", "0", "Tabell")
    ] * 2
    assert [[words_of(cell) for cell in one.xpath("./table//td")] for one in boxes] == [["<table>", "d"]] * 2


def test_an_item_in_another_language_than_its_page_says_so(reader: FlaskClient) -> None:
    for prefix, slug, expected in (
        ("", "the-bridge-opens", "en"),
        ("/en", "bron-oppnar", "sv"),
        ("", "bron-oppnar", None),
        ("/en", "the-bridge-opens", None),
    ):
        article = read_page(reader.get(f"{prefix}/nyheter/{slug}")).xpath("//article[@class='item']")[0]
        assert article.get("lang") == expected
        # The topics are named in the page's language, not in the item's.
        topic = article.xpath(".//a[@class='topic']")[-1]
        assert (words_of(topic), topic.get("lang")) == (
            "Grants and support" if prefix else "Stöd",
            expected and ("en" if prefix else "sv"),
        )


def test_a_teaser_in_another_language_than_its_page_says_so(reader: FlaskClient) -> None:
    for address in ("/", "/nyheter", "/amnen/stod", "/nyheter/bron-oppnar"):
        page = read_page(reader.get(address))
        (link,) = page.xpath("//article//a[@href='/nyheter/the-bridge-opens']")
        assert link.get("lang") == "en"
        (lede,) = page.xpath("//article//p[. = 'On Monday.']")
        assert lede.get("lang") == "en"
        assert page.xpath("//a[starts-with(., 'Gammal')]/@lang") == []


# Lists


def test_the_front_shows_the_newest_item_first_and_large(reader: FlaskClient) -> None:
    page = read_page(reader.get("/"))

    assert headlines(page)[:3] == ["Bron öppnar", "The bridge opens", "Gammal nyhet 0"]
    assert words_of(page.xpath("//article[contains(@class, 'large')]/h2")[0]) == "Bron öppnar"
    assert len(headlines(page)) == 10
    assert page.xpath("//p[@class='onward']/a/@href") == ["/nyheter"]


def test_all_news_stand_once_over_the_pages_newest_first(reader: FlaskClient) -> None:
    found = []
    address: str | None = "/nyheter"
    for _ in range(10):
        if address is None:
            break
        page = read_page(reader.get(address))
        found += headlines(page)
        address = next(iter(page.xpath("//a[@rel='next']/@href")), None)

    assert found == ["Bron öppnar", "The bridge opens", *(f"Gammal nyhet {number}" for number in range(58))]


def test_pages_lead_back_and_forth(reader: FlaskClient) -> None:
    for prefix in ("", "/en"):
        middle = read_page(reader.get(f"{prefix}/nyheter?sida=2"))
        assert middle.xpath("//a[@rel='prev']/@href") == [f"{prefix}/nyheter"]
        assert middle.xpath("//a[@rel='next']/@href") == [f"{prefix}/nyheter?sida=3"]
        last = read_page(reader.get(f"{prefix}/nyheter?sida=3"))
        assert last.xpath("//a[@rel='prev']/@href") == [f"{prefix}/nyheter?sida=2"]
        assert last.xpath("//a[@rel='next']") == []
        assert words_of(last.xpath("//title")[0]).startswith("News, page 3 –" if prefix else "Nyheter, sida 3 –")


@pytest.mark.parametrize("number", ["0", "-1", "abc", "4", "99999999", "9" * 5000, "٣", "2.0", "1e1", " 1", "", "+1"])
def test_a_page_that_is_not_there_is_not_found(reader: FlaskClient, number: str) -> None:
    for address in ("/nyheter", "/amnen/kultur", "/en/nyheter"):
        answer = reader.get(address, query_string={"sida": number})
        read_page(answer)
        assert answer.status_code == 404


def test_a_topic_shows_its_own_news_and_its_childrens(reader: FlaskClient) -> None:
    page = read_page(reader.get("/amnen/kultur"))

    assert title_of(page) == "Kultur"
    assert headlines(page)[:3] == ["Bron öppnar", "Gammal nyhet 1", "Gammal nyhet 3"]
    cards = page.xpath("//section[h2[. = 'Omfattar också']]//li/a")
    assert [(words_of(one), one.get("href")) for one in cards] == [
        ("Kultur och hälsa", "/amnen/kultur-och-halsa"),
        ("Offentlig konst", "/amnen/offentlig-konst"),
        ("Konstnär och kulturutövare", "/amnen/konstnar-och-kulturutovare"),
    ]


def test_a_topic_says_what_it_covers_how_often_it_publishes_and_both_ways_to_follow_it(reader: FlaskClient) -> None:
    for address, about, rate, heading in (
        ("/amnen/kollektivtrafik", "Buss, tunnelbana,", "ungefär 3 i veckan", "Följ ämnet"),
        ("/en/amnen/kollektivtrafik", "Buses, metro,", "about 3 a week", "Follow the topic"),
    ):
        page = read_page(reader.get(address))
        assert words_of(page.xpath("//h1/following-sibling::p[1]")[0]).startswith(about)
        assert rate in words_of(page.xpath("//p[@class='rate']")[0])
        ways = page.xpath(f"//section[h2[. = '{heading}']]//a/@href")
        assert [one.removeprefix("/en") for one in ways] == [
            "/prenumerera?topics=kollektivtrafik",
            "/feeds/kollektivtrafik.rss",
        ]
    silent = read_page(reader.get("/amnen/bibliotek"))
    assert "Hur ofta: inget än" in words_of(silent)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_topics_later_pages_are_news_alone(session: Session, client: FlaskClient) -> None:
    make_topics(session)
    for number in range(25):
        make_item(session, "kultur", headline=f"Nyhet {number}")
    session.commit()
    first, second = (read_page(client.get(f"/amnen/kultur?sida={number}")) for number in (1, 2))
    for part in ("//p[@class='rate']", "//section[@class='follow']", "//ul[@class='topic-cards']"):
        assert (bool(first.xpath(part)), bool(second.xpath(part))) == (True, False), part
    assert len(second.xpath("//main//article")) == 5


def test_a_topic_under_another_leads_up_and_lists_only_its_own(reader: FlaskClient) -> None:
    page = read_page(reader.get("/amnen/offentlig-konst"))

    assert headlines(page) == ["Bron öppnar"]
    assert page.xpath("//p[@class='upward']/a/@href") == ["/amnen", "/amnen/kultur"]
    (button,) = page.xpath("//a[. = 'Följ via e-post']")
    form = read_page(reader.get(button.get("href")))
    assert form.xpath("//input[@name='topics'][@checked]/@value") == ["offentlig-konst"]


def test_a_topic_without_news_says_so(reader: FlaskClient) -> None:
    page = read_page(reader.get("/amnen/bibliotek"))

    assert "Inget har publicerats under ämnet än." in words_of(page)


def test_the_topic_tree_says_what_each_covers_and_how_often(reader: FlaskClient) -> None:
    rows = read_page(reader.get("/amnen")).xpath("//ul[@class='topic-tree']//li")
    said = {words_of(row.xpath("./*[self::h2 or self::h3]")[0]): row.xpath("./p") for row in rows}

    assert len(said) == 13
    assert [len(texts) for texts in said.values()] == [2] * 13
    assert words_of(said["Kollektivtrafik"][0]).startswith("Buss, tunnelbana, pendeltåg")
    assert {name: words_of(said[name][1]) for name in ("Kollektivtrafik", "Stöd", "Bibliotek")} == {
        "Kollektivtrafik": "ungefär 3 i veckan",
        "Stöd": "ungefär 2 i veckan",
        "Bibliotek": "inget än",
    }


def test_pages_advertise_their_feeds(reader: FlaskClient) -> None:
    for address, feeds in {
        "/": ["all"],
        "/nyheter": ["all"],
        "/nyheter/bron-oppnar": ["all", "offentlig-konst", "stod"],
        "/amnen/kultur": ["kultur"],
        "/en/amnen/kultur": ["kultur"],
    }.items():
        links = read_page(reader.get(address)).xpath("//link[@rel='alternate'][@type='application/rss+xml']")
        assert [one.get("href") for one in links] == [f"/feeds/{name}.rss" for name in feeds]
        assert all(one.get("title") for one in links)
        for link in links:
            assert reader.get(link.get("href")).status_code == 200


def test_dates_stand_in_the_readers_time_zone(app: Flask, session: Session, client: FlaskClient) -> None:
    make_topics(session)
    midnight = clock.now().replace(month=1, day=10, hour=23, minute=30)  # Half past midnight on the 11th in Stockholm.
    make_item(session, "stod", headline="Natten", published_at=midnight.replace(year=midnight.year - 1))
    session.commit()

    page = read_page(client.get("/nyheter/natten"))

    assert re.fullmatch(r"11 januari 20\d\d 00:30", words_of(page.xpath("//time")[0]))


# The database


def test_an_empty_site_opens(client: FlaskClient) -> None:
    for address in ("/", "/nyheter", "/amnen", "/prenumerera", "/feeds/all.rss", "/healthz"):
        assert client.get(address).status_code == 200
    assert "Inget har publicerats än." in words_of(read_page(client.get("/")))


def test_both_databases_read_the_same_pages(session: Session, client: FlaskClient) -> None:
    fill_site(session)
    session.rollback()

    for address in PAGES:
        assert (address, client.get(address).status_code) == (address, 200)
    for address, code in ERRORS.items():
        assert (address, client.get(address).status_code) == (address, code)
    assert client.get("/feeds/tomt%00.rss").status_code == 404


def test_an_embargo_ends_by_itself_and_a_withdrawal_takes_effect_at_once(session: Session, client: FlaskClient) -> None:
    make_topics(session)
    item_id = make_item(session, "stod", headline="Kommande", published_at=clock.now() + MINUTE).id
    session.commit()
    assert client.get("/nyheter/kommande").status_code == 404

    session.get_one(Item, item_id).published_at = clock.now()
    session.commit()
    assert client.get("/nyheter/kommande").status_code == 200

    publishing.withdraw(session.get_one(Item, item_id), now=clock.now())
    session.commit()
    assert client.get("/nyheter/kommande").status_code == 410
    assert "Kommande" not in client.get("/").get_data(as_text=True)


def test_the_sign_of_life_says_how_long_letters_have_waited(client: FlaskClient) -> None:
    answer = client.get("/healthz")

    assert answer.json == {"status": "ok", "open_batches": 0, "oldest_waiting_seconds": 0}
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_database_that_does_not_answer_is_said_on_every_page(tmp_path: Path) -> None:
    app = create_app(settings(tmp_path, SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path / 'no' / 'such.sqlite3'}"))
    client = app.test_client()

    for prefix, title in (("", "Sidan går inte att visa just nu"), ("/en", "We can't show this right now")):
        for address in ("/", "/nyheter", "/nyheter/bron", "/amnen", "/prenumerera", "/avsluta/x/y"):
            answer = client.get(prefix + address)
            assert (answer.status_code, title_of(read_page(answer))) == (503, title)
            assert answer.headers["Retry-After"] == "60"
    sent = client.post("/avsluta/x/y", data={"List-Unsubscribe": "One-Click"})
    assert (sent.status_code, title_of(read_page(sent))) == (503, "Det går inte att spara just nu")
    assert client.get("/healthz").status_code == 503
    assert client.get("/static/icon.svg", buffered=True).status_code == 200
    assert client.get("/finns-inte").status_code == 404
