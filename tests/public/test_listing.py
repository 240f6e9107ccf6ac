"""Lists of news by words, topic and year: what an address asks for, and what stands on the page."""

import datetime as dt
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from newsroom import clock
from tests.factories import DAY, HOUR, MINUTE, make_item, make_topics
from tests.letters import STOCKHOLM
from tests.pages import filled_in, find_form, read_page, title_of, words_of

on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def year(session: Session) -> int:
    """Four items to find; gives the year of the oldest."""
    make_topics(session)
    now = clock.now()
    old = dt.datetime(now.year - 2, 6, 1, tzinfo=dt.UTC)
    make_item(session, "offentlig-konst", headline="Avgifterna för konsten höjs", published_at=old)
    make_item(session, "stod", headline="Bron & <b>avgiften</b>", lede="Bussarna.", published_at=now - HOUR)
    make_item(session, "stod", headline="Nyast", body="## Pengar\n\n- En *avgift* för alla.", published_at=now - MINUTE)
    make_item(session, "kultur", headline="Libraries lend skates", language="en", published_at=now - DAY)
    session.commit()
    return old.year


def headlines(page: Any) -> list[str]:
    return [words_of(one) for one in page.xpath("//article[contains(@class, 'teaser')]/*[self::h2 or self::h3]")]


def filters(page: Any) -> dict[str, str]:
    return {words_of(one).removeprefix("Ta bort: "): one.get("href") for one in page.xpath("//ul[@class='filters']//a")}


def test_a_search_marks_what_was_found_and_counts_it(client: FlaskClient, year: int) -> None:
    page = read_page(client.get("/nyheter?q=avgift"))

    assert headlines(page) == ["Bron & <b>avgiften</b>", "Avgifterna för konsten höjs", "Nyast"]
    assert [words_of(one) for one in page.xpath("//mark")] == ["avgiften", "Avgifterna", "avgift"]
    assert words_of(page.xpath("//p[@class='hits']")[0]) == "3 träffar"
    assert "… " not in words_of(page.xpath("//article[3]")[0])
    assert words_of(page.xpath("//article//p[@class='lede']")[2]) == "Pengar En avgift för alla."
    assert page.xpath("//meta[@name='robots']/@content") == ["noindex, follow"]
    assert words_of(page.xpath("//title")[0]).startswith("”avgift” i nyheterna")
    assert page.xpath("//input[@name='q']/@value") == ["avgift"]


def test_hits_stand_by_relevance_or_by_date(client: FlaskClient, year: int) -> None:
    page = read_page(client.get("/nyheter?q=avgift"))
    (link,) = page.xpath("//p[@class='order']/a")

    assert (words_of(link), link.get("href")) == ("nyaste först", "/nyheter?q=avgift&ordning=datum")
    page = read_page(client.get(link.get("href")))
    assert headlines(page) == ["Nyast", "Bron & <b>avgiften</b>", "Avgifterna för konsten höjs"]
    assert page.xpath("//p[@class='order']/a/@href") == ["/nyheter?q=avgift"]
    kept = filled_in(find_form(page, "q"))
    assert kept["ordning"] == ["datum"]


def test_filters_narrow_together_and_each_can_be_taken_away(client: FlaskClient, year: int) -> None:
    page = read_page(client.get(f"/nyheter?q=avgift&amne=kultur&ar={year}"))

    assert headlines(page) == ["Avgifterna för konsten höjs"]
    assert words_of(page.xpath("//p[@class='hits']")[0]) == "1 träff"
    assert filters(page) == {
        "”avgift”": f"/nyheter?amne=kultur&ar={year}",
        "Kultur": f"/nyheter?q=avgift&ar={year}",
        str(year): "/nyheter?q=avgift&amne=kultur",
    }
    assert page.xpath("//select[@name='amne']/option[@selected]/@value") == ["kultur"]
    assert page.xpath("//select[@name='ar']/option[@selected]/@value") == [str(year)]
    assert headlines(read_page(client.get("/nyheter?amne=kultur"))) == [
        "Libraries lend skates",
        "Avgifterna för konsten höjs",
    ]


def test_the_form_leads_to_an_address_without_empty_fields(client: FlaskClient, year: int) -> None:
    form = find_form(read_page(client.get("/nyheter")), "q")
    sent = client.get("/nyheter", query_string=filled_in(form, q="avgift"))

    assert (sent.status_code, sent.location) == (303, "/nyheter?q=avgift")
    assert client.get("/en/nyheter?q=&amne=&ar=").location == "/en/nyheter"
    years = form.xpath(".//select[@name='ar']/option/@value")
    assert years == ["", *map(str, range(clock.now().astimezone(STOCKHOLM).year, year - 1, -1))]


def test_nothing_found_leads_onward(client: FlaskClient, year: int) -> None:
    answer = client.get("/nyheter?q=häst&amne=kultur")
    page = read_page(answer)

    assert answer.status_code == 200
    assert headlines(page) == []
    assert words_of(page.get_element_by_id("nothing")) == "Inget stämmer med det"
    onward = page.xpath("//section[@class='nothing']//a/@href")
    assert onward == ["/nyheter?q=h%C3%A4st", "/amnen/kultur", "/nyheter", "/amnen"]
    for href in onward:
        assert client.get(href).status_code == 200


def test_where_no_item_has_all_the_words_those_with_one_of_them_are_shown(client: FlaskClient, year: int) -> None:
    page = read_page(client.get("/nyheter?q=bussar skridskor häst"))

    assert headlines(page) == ["Bron & <b>avgiften</b>"]
    assert words_of(page.xpath("//p[@class='hits']")[0]) == "Ingen nyhet har alla orden. En har något av dem."


def test_an_english_item_is_found_by_its_words_and_says_its_language(client: FlaskClient, year: int) -> None:
    page = read_page(client.get("/nyheter?q=library"))

    assert headlines(page) == ["Libraries lend skates"]
    assert page.xpath("//article//a/@lang") == ["en"]
    assert title_of(read_page(client.get("/en/nyheter?q=library"))) == "News"


def test_all_news_stand_under_their_months(client: FlaskClient, session: Session) -> None:
    make_topics(session)
    for month in (3, 3, 1):
        make_item(session, "stod", published_at=dt.datetime(2024, month, 5, tzinfo=dt.UTC))
    session.commit()

    page = read_page(client.get("/nyheter"))
    assert [words_of(one) for one in page.xpath("//h2[contains(@class, 'month')]")] == ["Mars 2024", "Januari 2024"]
    english = read_page(client.get("/en/nyheter"))
    assert [words_of(one) for one in english.xpath("//h2[contains(@class, 'month')]")] == ["March 2024", "January 2024"]


def test_pages_of_hits_keep_what_was_asked_for(client: FlaskClient, session: Session) -> None:
    make_topics(session)
    for number in range(45):
        make_item(session, "stod", headline=f"Buss {number}", published_at=clock.now() - (number + 1) * MINUTE)
    session.commit()

    address, found = "/nyheter?q=buss&amne=stod", []
    for _ in range(3):
        page = read_page(client.get(address))
        found += headlines(page)
        assert words_of(page.xpath("//p[@class='hits']")[0]) == "45 träffar"
        address = next(iter(page.xpath("//a[@rel='next']/@href")), "")
    assert address == ""
    assert found == [f"Buss {number}" for number in range(45)]
    assert client.get("/nyheter?q=buss&sida=4").status_code == 404


@on_sqlite
@pytest.mark.parametrize(
    "query",
    [
        "amne=finns-inte",
        "amne=%00",
        "ar=abc",
        "ar=0",
        "ar=99999",
        "ar=20٣4",
        "ar=1e3",
        "ordning=x",
        "sida=0",
        "q=x&sida=9",
    ],
)
def test_what_no_list_can_be_is_not_found(client: FlaskClient, year: int, query: str) -> None:
    answer = client.get(f"/nyheter?{query}")
    read_page(answer)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "text",
    [
        "%00",
        "%ED%A0%80",
        "%22%3E%3Cscript%3E",
        "%25%28text%29s",
        "a" * 5_000,
        "å " * 2_000,
        "*",
        "'",
        "%0Abro",
        "{{7*7}}",
    ],
)
def test_whatever_is_typed_is_only_text(client: FlaskClient, year: int, text: str) -> None:
    answer = client.get(f"/nyheter?q={text}")
    page = read_page(answer)
    assert answer.status_code == 200
    assert page.xpath("//script") == []
    assert len(page.xpath("//input[@name='q']/@value")[0]) <= 200


@on_sqlite
def test_a_fresh_important_message_is_marked(client: FlaskClient, session: Session) -> None:
    make_topics(session)
    for headline, age in (("Färskt", HOUR), ("Gammalt", 3 * DAY)):
        make_item(session, "stod", headline=headline, published_at=clock.now() - age).urgent = True
    make_item(session, "stod", headline="Vanligt", published_at=clock.now() - HOUR)
    session.commit()

    for address in ("/", "/nyheter", "/amnen/stod"):
        marked = read_page(client.get(address)).xpath("//article[.//strong[@class='alarm']]")
        assert [words_of(one.xpath("./*[self::h2 or self::h3]")[0]) for one in marked] == ["Färskt"]
    assert words_of(read_page(client.get("/nyheter/farskt")).xpath("//strong[@class='alarm']")[0]) == (
        "Viktigt meddelande"
    )
    assert read_page(client.get("/nyheter/gammalt")).xpath("//article[@class='item']//strong[@class='alarm']") == []
