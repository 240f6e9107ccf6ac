"""What holds for every letter that Newsroom writes, by its bytes alone. tests/letters.py lists them."""

import email.utils
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import lxml.html
import pytest
from flask import Flask

from newsroom.delivery.models import SINGLE_KINDS
from newsroom.news.markdown import TEXT_WIDTH
from tests.letters import MAKERS, NAMES, OTHER, SINGLE, WORDS, Specimen

SITE = "https://nyheter.example.org"
GMAIL_CUTS_AT = 102_000
TO_MANY = [kind for kind in MAKERS if kind not in SINGLE]

pytestmark = pytest.mark.xdist_group("letters")  # They are written once, for all who look at them.

every_letter = pytest.mark.parametrize("name", NAMES, ids=", ".join)
Letters = Mapping[tuple[str, str], Specimen]


def in_one_line(text: str) -> str:
    return " ".join(text.split()).casefold()


def visible(html: str) -> lxml.html.HtmlElement:
    """A letter's body without what is hidden in it."""
    body = lxml.html.fromstring(html).find("body")
    for hidden in body.xpath("//*[@class='preheader']"):
        hidden.drop_tree()
    return body


def links_in(letter: Specimen) -> list[str]:
    """Every address that a letter leads to, by its text or its HTML."""
    found = [str(one) for one in lxml.html.fromstring(letter.html).xpath("//@href")]
    return found + re.findall(r"https?://[^\s)]+", letter.text)


def test_every_kind_of_letter_to_one_person_is_looked_at() -> None:
    assert {kind.split()[0] for kind in SINGLE} == set(SINGLE_KINDS)


# As mail clients open it


@every_letter
def test_the_text_alone_says_all_that_the_html_says(letters: Letters, name: tuple[str, str]) -> None:
    letter = letters[name]
    text = in_one_line(re.sub(r"\s\(https?://[^\s)]+\)", "", re.sub(r"^> ", "", letter.text, flags=re.M)))
    for part in visible(letter.html).xpath(".//h1 | .//h2 | .//h3 | .//h4 | .//p | .//li | .//td | .//th"):
        if part.xpath(".//h1 | .//h2 | .//p | .//li | .//td") or part.xpath(".//a[@class='button']"):
            continue  # Its parts are asked about themselves; a button's words name a press, the text's an address.
        assert in_one_line(part.text_content()) in text
    own = {one for one in links_in(letter) if one.startswith(SITE)}
    assert own
    assert own <= set(letter.text.split("\n"))  # Each on a line of its own.


@every_letter
def test_the_text_is_narrow_enough_to_read(letters: Letters, name: tuple[str, str]) -> None:
    lines = letters[name].text.split("\n")

    assert [line for line in lines if len(line) > TEXT_WIDTH and not line.startswith("https://")] == []
    assert "\n\n\n" not in letters[name].text
    assert re.search("</?[a-z]+>|&[a-z]+;|None", letters[name].text) is None


@every_letter
def test_the_html_has_one_headline_a_title_and_its_readers_language(letters: Letters, name: tuple[str, str]) -> None:
    page, subject = lxml.html.fromstring(letters[name].html), letters[name].message["Subject"]

    assert page.get("lang") == name[1]
    assert [one.get("lang") for one in page.xpath("//*[@role='article']")] == [name[1]]
    assert len(page.xpath("//h1")) == 1
    (title,) = page.xpath("/html/head/title/text()")
    assert title.strip()
    assert subject.strip()
    levels = [int(one.tag[1]) for one in page.xpath("//h1 | //h2 | //h3 | //h4")]
    assert all(after - before <= 1 for before, after in zip([0, *levels], levels, strict=False))
    assert page.xpath("//table[@role='presentation']") != []
    assert page.xpath("//table[not(@role='presentation') and not(thead//th)]") == []
    assert all(one.text_content().strip() for one in page.xpath("//a"))


@pytest.mark.parametrize("language", ["sv", "en"])
@pytest.mark.parametrize("kind", ["news in another language", "daily", "weekly", "correction"])
def test_what_is_in_another_language_says_so(letters: Letters, kind: str, language: str) -> None:
    other = OTHER[language]
    body = visible(letters[kind, language].html)
    texts = {WORDS[other]["headline"], WORDS[other]["lede"]}
    found = [one for one in body.xpath(".//*[not(*)]") if one.text in texts]
    assert found
    for one in found:
        assert one.xpath("ancestor-or-self::*[@lang][1]/@lang") == [other]
    ways_out = body.xpath(".//*[@role='article']//a[contains(@href, '/avsluta/')]")
    assert ways_out
    for one in ways_out:
        assert one.xpath("ancestor-or-self::*[@lang][1]/@lang") == [language]


@pytest.mark.parametrize("language", ["sv", "en"])
def test_the_preheader_of_an_item_is_its_lede(letters: Letters, language: str) -> None:
    (preheader,) = lxml.html.fromstring(letters["news", language].html).xpath("//*[@class='preheader']")
    assert preheader.text_content().startswith(WORDS[language]["lede"])
    assert letters["news", language].message["Subject"] == WORDS[language]["headline"]


@every_letter
def test_it_shows_no_image_loads_nothing_and_follows_nobody(letters: Letters, name: tuple[str, str]) -> None:
    html = letters[name].html
    page = lxml.html.fromstring(html)

    assert (
        page.xpath("//img | //script | //link | //iframe | //object | //form | //video | //@src | //@background") == []
    )
    assert "url(" not in html
    assert "@import" not in html
    for link in links_in(letters[name]):
        parts = urlsplit(link)
        assert parts.scheme in ("https", "mailto")
        assert not parts.query
        assert not parts.fragment
        assert parts.scheme == "mailto" or parts.netloc in ("nyheter.example.org", "www.example.org")


@every_letter
def test_its_preheader_goes_on_where_the_subject_ended_and_hides_what_follows(
    letters: Letters, name: tuple[str, str]
) -> None:
    (preheader,) = lxml.html.fromstring(letters[name].html).xpath("//*[@class='preheader']")
    words, pad = re.fullmatch(r"(.*?)((?:\u034f\u200c\xa0)*)", preheader.text_content(), re.S).groups()  # type: ignore[union-attr]

    assert "display: none" in preheader.get("style")
    assert words.strip() or name[0] == "headline alone"
    assert in_one_line(words) != in_one_line(str(letters[name].message["Subject"]))
    assert len(pad) >= 200


@every_letter
def test_it_is_small_enough_to_be_shown_whole(letters: Letters, name: tuple[str, str]) -> None:
    assert len(letters[name].html.encode()) < len(letters[name].raw) < GMAIL_CUTS_AT


@every_letter
def test_every_address_of_the_site_in_it_answers(letters_app: Flask, letters: Letters, name: tuple[str, str]) -> None:
    own = {one for one in links_in(letters[name]) if one.startswith(SITE)}
    answers = {link: letters_app.test_client().get(link.removeprefix(SITE), base_url=SITE).status_code for link in own}
    assert answers == dict.fromkeys(own, 200)


# The head


@every_letter
def test_its_head_is_whole_and_answers_reach_people(letters: Letters, name: tuple[str, str]) -> None:
    message = letters[name].message

    for field in ("From", "To", "Date", "Subject", "Message-ID", "MIME-Version"):
        assert len(message.get_all(field, [])) == 1
    assert message["Message-ID"].endswith("@nyheter.example.org>")
    assert message["Reply-To"] == "press@example.org"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["Content-Language"] == name[1]
    assert "press" not in message["From"].addresses[0].addr_spec
    organisation = "Region Stockholm"
    assert organisation in letters[name].text
    assert email.utils.parsedate_to_datetime(message["Date"]).tzinfo is not None


@pytest.mark.parametrize("kind", TO_MANY)
def test_a_letter_to_many_says_of_which_list_it_is_and_how_to_leave_it(letters: Letters, kind: str) -> None:
    letter = letters[kind, "sv"]
    message = letter.message

    assert re.fullmatch(r".+ <[a-z-]+\.nyheter\.example\.org>", message["List-Id"])
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    leave = message["List-Unsubscribe"].strip("<>")
    assert re.fullmatch(rf"{SITE}/avsluta/[\w-]{{22}}/[\w-]{{22}}", leave)
    assert any(link.startswith(f"{leave}/amne/") for link in links_in(letter))
    assert f"{leave}/alla" in letter.text
    assert f"{SITE}/mina-amnen" in letter.text
    assert message["List-Post"] == "NO"
    assert message["List-Help"] == f"<{SITE}/mina-amnen>"
    assert message["List-Owner"] == "<mailto:press@example.org>"
    assert message["Precedence"] == "bulk"


@pytest.mark.parametrize("kind", SINGLE)
def test_a_letter_to_one_person_is_of_no_list_and_comes_from_another_address(letters: Letters, kind: str) -> None:
    message = letters[kind, "sv"].message

    assert [field for field in message if field.startswith("List-") or field == "Precedence"] == []
    assert message["From"].addresses[0].addr_spec == "bekrafta@nyheter.example.org"
    assert letters["news", "sv"].message["From"].addresses[0].addr_spec == "nyheter@nyheter.example.org"


@pytest.mark.parametrize("language", ["sv", "en"])
def test_an_important_message_and_a_correction_say_so_wherever_they_are_listed(letters: Letters, language: str) -> None:
    words = {
        "urgent": {"sv": "Viktigt meddelande", "en": "Important message"},
        "correction": {"sv": "Rättelse", "en": "Correction"},
    }
    for kind, word in words.items():
        letter = letters[kind, language]
        assert letter.message["Subject"].startswith(f"{word[language]}: ")
        assert letter.text.casefold().startswith(word[language].casefold())
        assert word[language] in visible(letter.html).text_content()
    assert letters["urgent", language].message["Importance"] == "high"
    assert not letters["news", language].message["Subject"].startswith("Viktigt")
