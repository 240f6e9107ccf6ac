"""A letter's bytes: valid whatever the editor wrote, the same for the same words, and personal only in its places."""

import email
import email.policy
import email.utils
import re
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from email.header import decode_header, make_header
from email.message import EmailMessage
from typing import Any

import flask_mail
import lxml.html
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from newsroom import create_app
from newsroom.delivery.composing import (
    LONGEST_LINE,
    TOKEN_PLACE,
    Composed,
    Form,
    Letter,
    Stationery,
    Told,
    compose_confirmation,
    compose_digest,
    compose_news,
    encode_body,
    make_message_id,
    write_header,
)
from newsroom.delivery.digests import Period
from newsroom.delivery.fitting import LARGEST_LETTER, write_most_that_fits
from newsroom.delivery.pipelining import stuff_dots, unstuff_dots
from newsroom.engine.rules import rules_of
from newsroom.extensions import TOKEN_LENGTH, make_token
from newsroom.links import Links
from newsroom.news.models import Item, Topic
from newsroom.news.slugs import make_slug
from newsroom.news.writing import ItemText, find_problems, normalise
from newsroom.subscribers.models import Signup
from tests.conftest import settings as app_settings
from tests.factories import DAY, NOON

KEY = "mailing-key-4567890123"
TOKEN = "ana_s-token-7890123456"
GMAIL_CUTS_AT = 102_000
KULTUR = Topic(slug="kultur", name="Kultur", name_en="Culture")
STOD = Topic(slug="stod", name="Stöd", name_en="Grants and support")

FAMILY = "👩\u200d👩\u200d👧"  # Three signs held together by joiners, which are no control characters.
# What can be saved: XML, and so every feed, has no way to write U+FFFE and U+FFFF.
SIGNS = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"], exclude_characters="\ufffe\uffff")
WORDS = st.text(SIGNS, max_size=60)
LINES = st.one_of(
    WORDS,
    st.sampled_from(
        [
            ".",
            "..",
            ".dold fil",
            "From nu on",
            "-- ",
            "=",
            "a=b&c=D1",
            "=C3=A5=",
            "=?utf-8?q?=C3=A5?=",
            "slut på raden   ",
            FAMILY,
            "10\u00a0000 kronor",
            "av\u00adstava",
            "- punkt",
            "> citat",
            "    kod",
            "<b>&amp;</b>",
            "--=_0123",
        ]
    ),
    st.builds(lambda sign, count: sign * count, st.sampled_from(["x", "å", "😀", ".", "="]), st.integers(500, 3000)),
)
TEXTS = st.builds(lambda lines, gap: gap.join(lines), st.lists(LINES, max_size=8), st.sampled_from(["\n", "\n\n"]))
LONG_TEXTS = st.one_of(TEXTS, st.builds(lambda line: line * (10_000 // (len(line) or 1)), LINES))
HEADLINES = st.one_of(WORDS, st.lists(LINES, max_size=3).map(" ".join)).map(lambda text: f"Å{text}"[:200])
TOKENS = st.text(string.ascii_letters + string.digits + "-_", min_size=TOKEN_LENGTH, max_size=TOKEN_LENGTH)


@pytest.fixture(scope="module")
def stationery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stationery]:
    """The stationery of an installation at https://nyheter.example.org."""
    changes = {
        "PUBLIC_URL": "https://nyheter.example.org",
        "MAIL_SERVER": "127.0.0.1",
        "MAIL_DEFAULT_SENDER": "nyheter@example.org",
    }
    app = create_app(app_settings(tmp_path_factory.mktemp("composing"), **changes))
    with app.app_context():
        yield rules_of(app).stationery


def make_item(**words: str) -> Item:
    words = {"headline": "Bron öppnar igen", "lede": "På måndag.", "body": "Brödtext.", "facts": "", **words}
    text = ItemText(**{name: normalise(value) for name, value in words.items()})
    assert list(find_problems(text)) == []  # What an editor could save.
    return Item(slug="bron-oppnar-igen", **vars(text))


def compose(stationery: Stationery, *, edition: str = "sv", **words: str) -> Composed:
    return compose_news(
        [Told(make_item(**words), [STOD, KULTUR])],
        kind="news",
        mailing_key=KEY,
        language=edition,
        stationery=stationery,
        now=NOON,
    )


def compose_signup(stationery: Stationery, *, language: str = "sv", frequency: str = "direct") -> Composed:
    signup = Signup(frequency=frequency, language=language, topics=[KULTUR, STOD])
    return compose_confirmation(signup, token="signed.link-end_0", stationery=stationery, now=NOON)


def fill(letter: bytes, *, to: str = "ana@example.org", token: str = TOKEN) -> bytes:
    return Form(letter).fill(to=to, message_id=make_message_id(KEY, token, "nyheter.example.org"), token=token)


def read(letter: bytes) -> tuple[EmailMessage, str, str]:
    """A letter's head, text and HTML, as a strict reader understands them."""
    message = email.message_from_bytes(letter, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    for part in message.walk():
        assert part.defects == []
        for name, value in part.items():
            assert getattr(value, "defects", ()) == (), (name, value)
    text, html = message.iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(html, EmailMessage)
    assert [text.get_content_type(), html.get_content_type()] == ["text/plain", "text/html"]
    return message, text.get_content().replace("\r\n", "\n"), html.get_content().replace("\r\n", "\n")


def head_line(letter: bytes, name: str) -> str:
    """A header as it stands in the bytes, from its name to the first line end."""
    head = letter.partition(b"\r\n\r\n")[0].decode("ascii")
    (found,) = [line for line in head.split("\r\n") if line.startswith(f"{name}: ")]
    return found


def check_wire(letter: bytes) -> None:
    """What any mail server may ask of a letter to an ASCII address (RFC 5322 section 2.1, RFC 5321 section 4.5.3.1)."""
    letter.decode("ascii")
    assert b"\0" not in letter
    assert letter.count(b"\r\n") == letter.count(b"\n") == letter.count(b"\r")
    assert letter.endswith(b"\r\n")
    assert max(map(len, letter.split(b"\r\n"))) <= LONGEST_LINE
    _, _, body = letter.partition(b"\r\n\r\n")
    assert max(map(len, body.split(b"\r\n"))) <= 76  # RFC 2045 section 6.7, rule 5.


# Any words, any token


@settings(max_examples=60, deadline=None)
@given(HEADLINES, TEXTS, LONG_TEXTS, TEXTS, TOKENS, st.sampled_from(["sv", "en"]))
@example("Åska", "Lede.", f"{FAMILY}\n\n.\n\n" + "ord " * 2500, "", "-" * TOKEN_LENGTH, "sv")
@example("=?utf-8?q?Bron?=", "", "=", "", "_" * TOKEN_LENGTH, "en")
@example(f"Familjen {FAMILY} och av\u00adstavning \U0001fae8", "", "", "", "0" * TOKEN_LENGTH, "sv")
def test_a_letter_is_valid_whatever_was_written_and_carries_its_readers_token(
    stationery: Stationery, headline: str, lede: str, body: str, facts: str, token: str, language: str
) -> None:
    composed = compose(
        stationery, edition=language, headline=headline, lede=lede[:1000], body=body, facts=facts[:20_000]
    )

    letter = fill(composed.letter, token=token)

    check_wire(letter)
    message, text, html = read(letter)
    assert message["Subject"] == " ".join(normalise(headline).split())
    assert (message["To"], len(letter) < GMAIL_CUTS_AT) == ("ana@example.org", True)
    leave = f"https://nyheter.example.org{'/en' if language == 'en' else ''}/avsluta/{token}/{KEY}"
    assert message["List-Unsubscribe"] == f"<{leave}>"
    for link in (f"{leave}/amne/stod", f"{leave}/amne/kultur", f"{leave}/alla"):
        assert text.split("\n").count(link) == 1
        assert len(lxml.html.fromstring(html).xpath("//a[@href=$link]", link=link)) == 1
    assert TOKEN_PLACE.encode() not in letter
    # Only the places differ from what was composed, and only they.
    composed_message, composed_text, composed_html = read(b"To: x@example.org\r\n" + composed.letter)
    assert text == composed_text.replace(TOKEN_PLACE, token)
    assert html == composed_html.replace(TOKEN_PLACE, token)
    for name, value in composed_message.items():
        if name != "To":
            assert message[name] == value.replace(TOKEN_PLACE, token)


@dataclass(frozen=True)
class OwnLinks(Links):
    """Links of a letter that is built whole for one subscriber."""

    token: str = ""

    def unsubscribe(self, token: str, mailing_key: str) -> str:
        return super().unsubscribe(self.token, mailing_key)

    def leave_topic(self, token: str, mailing_key: str, slug: str) -> str:
        return super().leave_topic(self.token, mailing_key, slug)

    def leave_all(self, token: str, mailing_key: str) -> str:
        return super().leave_all(self.token, mailing_key)


def without_boundary(letter: bytes) -> bytes:
    """The letter with its parts' boundary, a hash of the words in it, made the same."""
    (boundary,) = re.findall(rb'boundary="(=_[0-9a-f]{32})"', letter)
    return letter.replace(boundary, b"=_boundary")


@settings(max_examples=60, deadline=None)
@given(HEADLINES, TEXTS, LONG_TEXTS, TOKENS)
@example("Åska", ".\n..\n.dold", f"{FAMILY} åäö.\n\n.\n\n" + "Å" * 10_000, "-" * TOKEN_LENGTH)
@example("Punkt", "", "." * 10_000 + "\n\n" + ". " * 5_000, "_" * TOKEN_LENGTH)
def test_what_leaves_is_to_the_byte_what_building_the_letter_whole_would_give(
    stationery: Stationery, headline: str, lede: str, body: str, token: str
) -> None:
    own = replace(stationery, links=OwnLinks(stationery.links.site, token=token))
    words = {"headline": headline, "lede": lede[:1000], "body": body}
    whole = fill(compose(own, **words).letter, token=token)
    composed = compose(stationery, **words).letter

    assert without_boundary(fill(composed, token=token)) == without_boundary(whole)
    # Dots are doubled before the places are filled; on the wire that is the same.
    on_the_wire = fill(stuff_dots(composed), token=token)
    assert on_the_wire == stuff_dots(fill(composed, token=token))
    assert unstuff_dots(on_the_wire) == fill(composed, token=token)


@settings(max_examples=60, deadline=None)
@given(LONG_TEXTS)
def test_a_body_comes_out_of_its_encoding_as_it_went_in(text: str) -> None:
    text = normalise(text)
    part = b'Content-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n'

    message = email.message_from_bytes(part + encode_body(text), policy=email.policy.default)

    assert isinstance(message, EmailMessage)
    assert message.get_content().replace("\r\n", "\n") == text
    assert message.defects == []


def test_a_token_fits_wherever_a_soft_line_break_cuts_its_place(stationery: Stationery) -> None:
    broken = 0
    for length in range(1, 78):
        links = Links(f"https://{'n' * length}.example.org")
        composed = compose(replace(stationery, links=links))
        parts = composed.letter.count(TOKEN_PLACE[:1].encode())
        assert parts > 0
        broken += len(re.findall(rb"NEWS?R?O?O?M?-?T?O?K?E?=\r\n", composed.letter)) > 0

        letter = fill(composed.letter)

        check_wire(letter)
        assert [*map(len, letter.split(b"\r\n"))][2:] == [*map(len, composed.letter.split(b"\r\n"))]
        _, text, html = read(letter)
        link = links.leave_all(TOKEN, KEY)
        assert (link in text, f'href="{link}"' in html, TOKEN_PLACE in text + html) == (True, True, False)
    assert broken > 5, "no place was cut, so this proves nothing"


@pytest.mark.parametrize("token", ["", "x", TOKEN[:-1], TOKEN + "x", "å" * TOKEN_LENGTH])
def test_a_token_of_another_form_is_refused(stationery: Stationery, token: str) -> None:
    with pytest.raises(ValueError, match=r"token|ascii"):
        Form(compose(stationery).letter).fill(to="ana@example.org", message_id="<x@y>", token=token)


def test_every_token_that_we_make_has_the_length_of_its_place() -> None:
    assert {len(make_token()) for _ in range(200)} == {TOKEN_LENGTH} == {len(TOKEN_PLACE)}


def test_a_letter_without_places_is_filled_in_by_its_head_alone(stationery: Stationery) -> None:
    composed = compose_signup(stationery)

    assert fill(composed.letter) == (
        f"To: ana@example.org\r\nMessage-ID: {make_message_id(KEY, TOKEN, 'nyheter.example.org')}\r\n".encode()
        + composed.letter
    )


def test_an_address_with_a_local_part_beyond_ascii_stands_as_it_is(stationery: Stationery) -> None:
    letter = fill(compose(stationery).letter, to="åsa@example.org")

    assert letter.startswith("To: åsa@example.org\r\n".encode())
    letter.partition(b"\r\n")[2].decode("ascii")


# The same words, the same bytes


def test_the_same_words_give_the_same_bytes(stationery: Stationery) -> None:
    one, other = compose(stationery), compose(stationery)

    assert (one, one.sha256) == (other, other.sha256)
    assert compose_signup(stationery) == compose_signup(stationery)
    assert compose(stationery, body="Andra ord.").sha256 != one.sha256


def test_a_message_id_is_the_same_for_a_delivery_and_different_for_any_two() -> None:
    ids = {make_message_id(key, token, "nyheter.example.org") for key in ("k1", "k2") for token in ("t1", "t2")}

    assert len(ids) == 4
    assert make_message_id("k1", "t1", "nyheter.example.org") in ids
    assert all(re.fullmatch(r"<[0-9a-f]{32}@nyheter\.example\.org>", one) for one in ids)
    assert make_message_id("k1:t", "1", "x") != make_message_id("k1", "t1", "x")


def test_a_message_id_gives_no_token_away() -> None:
    assert TOKEN not in make_message_id(KEY, TOKEN, "nyheter.example.org")
    assert KEY not in make_message_id(KEY, TOKEN, "nyheter.example.org")


def test_the_message_id_stands_in_the_sites_domain_and_not_the_hosts(stationery: Stationery) -> None:
    message, _, _ = read(fill(compose(stationery).letter))

    assert stationery.domain == "nyheter.example.org"
    assert message["Message-ID"].endswith("@nyheter.example.org>")


# The head


def test_the_head_says_what_lists_and_answering_machines_ask_for(stationery: Stationery) -> None:
    message, _, _ = read(fill(compose(stationery).letter))

    assert message["List-Id"] == "Stöd <stod.nyheter.example.org>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert message["List-Archive"] == "<https://nyheter.example.org/amnen/stod>"
    assert message["List-Subscribe"] == "<https://nyheter.example.org/prenumerera>"
    assert (message["Auto-Submitted"], message["Precedence"]) == ("auto-generated", "bulk")
    assert (message["Content-Language"], message["MIME-Version"]) == ("sv", "1.0")
    assert message["Date"].datetime == NOON
    names = [name.lower() for name in message]
    assert sorted(names) == sorted(set(names)), "a header stands twice"


def test_every_header_of_the_english_edition_leads_to_english_pages(stationery: Stationery) -> None:
    message, text, _ = read(fill(compose(stationery, edition="en").letter))

    assert message["List-Id"] == "Grants and support <stod.nyheter.example.org>"
    assert message["Content-Language"] == "en"
    assert message["List-Unsubscribe"] == f"<https://nyheter.example.org/en/avsluta/{TOKEN}/{KEY}>"
    assert "because you follow Grants and support and Culture." in " ".join(text.split())


@pytest.mark.parametrize("length", [1, 20, 60, 180])
def test_list_unsubscribe_stands_on_one_line_as_it_is_however_long(stationery: Stationery, length: int) -> None:
    links = Links("https://" + "n" * length + ".example.org")
    letter = fill(compose(replace(stationery, links=links)).letter)

    assert head_line(letter, "List-Unsubscribe") == f"List-Unsubscribe: <{links.unsubscribe(TOKEN, KEY)}>"
    assert head_line(letter, "List-Unsubscribe-Post") == "List-Unsubscribe-Post: List-Unsubscribe=One-Click"
    assert length < 180 or len(head_line(letter, "List-Unsubscribe")) > 200


@pytest.mark.parametrize(
    "site_name",
    [
        "Region Stockholm Nyheter",
        "Region Stockholm, press",
        "Region Örebro län, press & nyheter",
        'Region "Å" (nyheter) <press>',
        "Nyheter; från: regionen @ work",
        "Västra Götalandsregionens, Region Hallands och Region Örebro läns gemensamma nyhetstjänst för allmänheten",
    ],
)
def test_from_names_the_site_and_its_address_whatever_the_name(stationery: Stationery, site_name: str) -> None:
    composed = compose(replace(stationery, site_name=site_name))
    message, _, _ = read(fill(composed.letter))

    (sender,) = message["From"].addresses
    assert sender.addr_spec == "nyheter@example.org"
    # Python's newer parser keeps the space between encoded words, which isn't the name's (RFC 2047 section 6.2).
    name, _ = email.utils.parseaddr(head_line(composed.letter, "From"))
    assert str(make_header(decode_header(name))) == site_name
    assert len(site_name) > 60 or sender.display_name == site_name
    assert composed.sender == "nyheter@example.org"
    assert re.findall(r"=\?[^ ]{74,}\?=", head_line(composed.letter, "From")) == []  # RFC 2047 section 2.


@pytest.mark.parametrize("name", ["Kultur, konst; och: <sånt>", "Ö" * 100, 'Vad "alla" frågar', "Café \u00ad och"])
def test_a_list_id_is_valid_whatever_its_topic_is_called(stationery: Stationery, name: str) -> None:
    topic = Topic(slug="amne", name=name, name_en=name)
    composed = compose_news(
        [Told(make_item(), [topic])], kind="news", mailing_key=KEY, language="sv", stationery=stationery, now=NOON
    )

    check_wire(fill(composed.letter))
    message, _, _ = read(fill(composed.letter))
    assert message["List-Id"].endswith(" <amne.nyheter.example.org>")


@pytest.mark.parametrize("value", ["a\r\nBcc: x@example.org", "a\nb", "a\rb", "a\x00b", "a\x0bb", "a\u2028b", "a\x85b"])
def test_no_value_can_begin_another_header(stationery: Stationery, value: str) -> None:
    for name in ("Subject", "From", "List-Id"):
        with pytest.raises(flask_mail.BadHeaderError):
            write_header(name, value)
    with pytest.raises(flask_mail.BadHeaderError):
        Letter(subject=value, body="", html="", sender="a@example.org").as_bytes()
    with pytest.raises(flask_mail.BadHeaderError):
        Letter(subject="", body="", html="", sender="a@example.org", extra_headers={"X-Extra": value}).as_bytes()
    if value.isascii():  # The others are encoded, and can't begin anything.
        with pytest.raises(flask_mail.BadHeaderError):
            compose(replace(stationery, site_name=value))


def test_a_header_too_long_for_any_mail_server_is_refused() -> None:
    assert len(write_header("X-Long", "x" * (LONGEST_LINE - 8))) == LONGEST_LINE
    with pytest.raises(flask_mail.BadHeaderError):
        write_header("X-Long", "x" * (LONGEST_LINE - 7))


@settings(max_examples=60, deadline=None)
@given(HEADLINES)
@example("x" * 200)
@example("å" * 200)
@example(f"{FAMILY} " * 20)
@example("a , b ; c " * 15)
def test_a_subject_is_read_as_it_was_written(headline: str) -> None:
    subject = " ".join(headline.split())
    lines = write_header("Subject", subject).split(b"\r\n")

    message = email.message_from_bytes(b"\r\n".join(lines) + b"\r\n\r\n", policy=email.policy.default)

    assert message["Subject"] == subject
    assert message["Subject"].defects == ()
    assert all(line[:1] in (b" ", b"\t") and line.strip() for line in lines[1:])


# Confirmations


@pytest.mark.parametrize("language", ["sv", "en"])
@pytest.mark.parametrize("frequency", ["direct", "daily", "weekly"])
def test_a_confirmation_comes_from_another_address_and_is_no_list_mail(
    stationery: Stationery, language: str, frequency: str
) -> None:
    composed = compose_signup(stationery, language=language, frequency=frequency)
    letter = fill(composed.letter)

    check_wire(letter)
    message, text, html = read(letter)
    assert (composed.sender, message["From"].addresses[0].addr_spec) == ("bekrafta@example.org",) * 2
    assert composed.sender != compose(stationery).sender
    assert [name for name in message if name.startswith("List-")] == []
    assert (message["Auto-Submitted"], message["X-Auto-Response-Suppress"]) == ("auto-generated", "All")
    link = f"https://nyheter.example.org{'/en' if language == 'en' else ''}/bekrafta/signed.link-end_0"
    assert text.split("\n").count(link) == 1
    assert f'href="{link}"' in html
    for name in ("Kultur", "Stöd") if language == "sv" else ("Culture", "Grants and support"):
        assert f"• {name}" in text
        assert f"<li>{name}</li>" in re.sub(r"<li [^>]*>", "<li>", html)


# The words


def test_text_and_html_say_the_same_things_in_the_same_order(stationery: Stationery) -> None:
    words = {
        "headline": "Bron öppnar igen",
        "lede": "På måndag & tisdag.",
        "body": "## Mellanrubrik\n\nBrödtext med [länk](https://example.org/vag).\n\n- ett\n- två",
        "facts": "Bron är 20 meter lång.",
    }
    _, text, html = read(fill(compose(stationery, **words).letter))
    shown = lxml.html.fromstring(html)
    for hidden in shown.xpath("//head | //*[@class='preheader']"):
        hidden.drop_tree()
    wanted = [
        "Bron öppnar igen",
        "På måndag & tisdag.",
        "Mellanrubrik",
        "Brödtext med länk",
        "ett",
        "två",
        "FAKTA",
        "Bron är 20 meter lång.",
        "Du får det här brevet för att du följer Stöd och Kultur.",
    ]
    for source in (text, shown.text_content().replace("Fakta", "FAKTA")):
        plain = " ".join(source.split())
        places = [plain.index(one) for one in wanted]
        assert places == sorted(places)
    for link in ("https://example.org/vag", "https://nyheter.example.org/nyheter/bron-oppnar-igen"):
        assert link in text
        assert shown.xpath("//a[@href=$link]", link=link) != []


def test_a_body_of_200_000_signs_is_announced_by_its_lede_and_the_way_to_the_rest(stationery: Stationery) -> None:
    body = "Ett stycke i en lång text.\n\n" * 7_142
    assert 199_000 < len(body) <= 200_000
    letter = fill(compose(stationery, lede="Det viktigaste först.", body=body, facts="Fakta.").letter)

    assert len(letter) < GMAIL_CUTS_AT
    check_wire(letter)
    _, text, html = read(letter)
    for part in (text, html):
        assert "Det viktigaste först." in part
        assert "Ett stycke" not in part
        assert "https://nyheter.example.org/nyheter/bron-oppnar-igen" in part
        assert "Läs hela nyheten" in part


def test_a_letter_holds_the_whole_item_up_to_the_size_that_fits(stationery: Stationery) -> None:
    sizes = []
    for paragraphs in range(600, 1000, 25):
        letter = compose(stationery, body="Ett stycke i en lång text.\n\n" * paragraphs).letter
        sizes.append((len(letter), b"Ett stycke" in letter))

    whole = [size for size, is_whole in sizes if is_whole]
    assert 0 < len(whole) < len(sizes)
    assert 0.9 * LARGEST_LETTER < max(whole) <= LARGEST_LETTER
    assert sizes == sorted(sizes, key=lambda one: not one[1])  # Whole up to some size, and announced from there on.


@pytest.mark.parametrize(
    ("edition", "item", "expected"), [("en", "sv", ["sv"]), ("sv", "en", ["en"]), ("en", "en", []), ("sv", "sv", [])]
)
def test_an_item_in_another_language_than_its_edition_says_so(
    stationery: Stationery, edition: str, item: str, expected: list[str]
) -> None:
    words = {"headline": "Rubriken", "lede": "Ingressen", "body": "Brödtexten", "facts": "Faktan", "language": item}
    _, _, html = read(fill(compose(stationery, edition=edition, **words).letter))
    page = lxml.html.fromstring(html)

    def languages(element: Any) -> list[str]:
        """The languages that parts of the letter change to, above an element."""
        return [str(one) for one in element.xpath("ancestor-or-self::*[not(self::html or @role='article')]/@lang")]

    assert page.get("lang") == edition
    for word in list(words.values())[:4]:
        for found in page.xpath("//body//*[contains(text(), $word)]", word=word):
            assert languages(found) == expected
    assert page.xpath("//*[@role='article']/@lang") == [edition]  # Web clients drop what says so above it.
    for foot in page.xpath("//a[contains(@href, '/avsluta/')] | //a[@class='button']"):
        assert languages(foot) == []


def test_a_letter_tracks_nobody_and_loads_nothing(stationery: Stationery) -> None:
    _, _, html = read(fill(compose(stationery, body="![bild](https://example.org/bild.png) <img src=x>").letter))
    page = lxml.html.fromstring(html)

    assert page.xpath("//img | //script | //link | //iframe | //object | //form | //@src | //@background") == []
    assert "url(" not in html
    assert re.findall(r"@import", html) == []


def test_a_letter_promises_that_answers_are_read_only_where_they_are(stationery: Stationery) -> None:
    def ask(letter: bytes) -> tuple[object, object, bool]:
        message, text, html = read(letter)
        promised = "läser det du skriver" in " ".join(text.split())
        assert ("läser det du skriver" in " ".join(html.split())) is promised
        return message["Reply-To"], message["List-Owner"], promised

    assert ask(fill(compose(stationery).letter)) == (None, None, False)
    read_by = replace(stationery, reply_to="press@example.org")
    assert ask(fill(compose(read_by).letter)) == ("press@example.org", "<mailto:press@example.org>", True)


# Digests that are longer than a letter may be

LONG_HEADLINE = "Så söker din förening bidrag för öppna mötesplatser under hösten"
FOLLOWED = [
    Topic(id=number, slug=slug, name=name, name_en=name_en)
    for number, (slug, name, name_en) in enumerate(
        [
            ("stod", "Stöd och bidrag", "Grants and support"),
            ("bibliotek", "Bibliotek och läsning", "Libraries"),
            ("hallbarhet", "Hållbar utveckling", "Sustainability"),
            ("kultur", "Kultur och fritid", "Culture and leisure"),
        ]
    )
]


def tell(count: int, *, headline: str = LONG_HEADLINE, urgent: Sequence[int] = (), of: int = 0) -> list[Told]:
    """So many items, newest first and numbered from `of`, each in three topics. Those in `urgent` are important."""
    return [
        Told(
            Item(
                id=number,
                slug=f"{make_slug(headline)}-{number}",
                headline=f"{headline} ({number})",
                lede="Föreningar som håller öppet för alla kan få pengar till hyra, material och resor. " * 2,
                language="sv",
                urgent=number in urgent,
            ),
            [FOLLOWED[(number + step) % 4] for step in range(3)],
        )
        for number in range(of, of + count)
    ]


def compose_day(stationery: Stationery, told: Sequence[Told], *, language: str = "sv") -> Composed:
    period = Period(NOON - DAY, NOON)
    return compose_digest(
        told, kind="daily", period=period, mailing_key=KEY, language=language, stationery=stationery, now=NOON
    )


def numbers_in(letter: bytes) -> list[int]:
    """Which items a digest tells of, by their numbers: the same ones in text and HTML, in the same order."""
    _, text, html = read(letter)
    slugs = [link.rpartition("-")[2] for link in re.findall(r"/nyheter/(\S+)\n", text)]
    links = lxml.html.fromstring(html).xpath("//h3/a/@href")
    assert slugs == [str(link).rpartition("-")[2] for link in links]
    return [int(slug) for slug in slugs]


def check_size(letter: bytes) -> None:
    """Gmail cuts by the HTML, encoded or not; we promise it of the whole letter."""
    _, _, html = read(letter)
    assert len(html.encode()) < len(letter[letter.index(b"Content-Type: text/html") :]) < len(letter) < GMAIL_CUTS_AT


@pytest.mark.parametrize("language", ["sv", "en"])
@pytest.mark.parametrize("count", [120, 200, 450])
def test_a_digest_that_grows_too_long_tells_the_newest_and_how_many_more_there_are(
    stationery: Stationery, count: int, language: str
) -> None:
    letter = fill(compose_day(stationery, tell(count), language=language).letter)

    check_wire(letter)
    check_size(letter)
    assert len(letter) > 0.95 * LARGEST_LETTER
    shown = numbers_in(letter)
    assert sorted(shown) == list(range(len(shown)))
    left = count - len(shown)
    assert left > 0
    _, text, html = read(letter)
    if language == "sv":
        top = f"{count} nyheter, varav {len(shown)} i det här brevet"
        end, press = f"{left} nyheter till finns på webbplatsen:", f"{left} nyheter till på webbplatsen"
    else:
        top = f"{count} items, {len(shown)} of them in this letter"
        end, press = f"{left} more items stand on the site:", f"{left} more items on the site"
    site = "https://nyheter.example.org" + ("/en" if language == "en" else "")
    assert top in text
    assert f"\n\n{end}\n{site}/nyheter\n\n" in text
    page = lxml.html.fromstring(html)
    assert top in page.xpath("string(//p[@class='meta'])")
    assert page.xpath("//a[@href=$link]/text()", link=f"{site}/nyheter") == [press]


def test_a_digest_that_leaves_a_single_item_to_the_site_says_so_in_the_singular(stationery: Stationery) -> None:
    most = len(numbers_in(compose_day(stationery, tell(150)).letter))

    letter = compose_day(stationery, tell(most + 1)).letter

    assert sorted(numbers_in(letter)) == list(range(most))
    _, text, html = read(letter)
    assert "\n1 nyhet till finns på webbplatsen:\n" in text
    assert "1 nyhet till på webbplatsen" in html


def test_a_digest_that_fits_speaks_of_nothing_more(stationery: Stationery) -> None:
    for count, ledes in ((3, True), (80, False)):
        letter = compose_day(stationery, tell(count)).letter

        check_size(letter)
        assert sorted(numbers_in(letter)) == list(range(count))
        _, text, _ = read(letter)
        assert ("Föreningar som håller öppet" in text, "webbplatsen" in text, "varav" in text) == (ledes, False, False)


def test_a_digest_that_grows_too_long_leaves_out_no_important_message(stationery: Stationery) -> None:
    letter = compose_day(stationery, tell(450, urgent=[130, 449])).letter

    check_size(letter)
    shown = numbers_in(letter)
    assert sorted(shown) == [*range(len(shown) - 2), 130, 449]
    # Each stands at its place among the others under its topic.
    assert [one for one in shown if one % 4 == 1] == sorted(one for one in shown if one % 4 == 1)


@pytest.mark.parametrize(
    ("newer", "older"),
    [("Kort", "Å" * 190), ("Å" * 190, "Kort"), (FAMILY * 35, "Kort"), (FAMILY * 35, FAMILY * 35)],
    ids=["older are longer", "newer are longer", "newer are far longer", "all are far longer"],
)
def test_a_digest_keeps_its_size_however_long_its_headlines_are(stationery: Stationery, newer: str, older: str) -> None:
    told = [*tell(60, headline=newer), *tell(140, headline=older, of=60)]
    letter = fill(compose_day(stationery, told).letter)

    check_wire(letter)
    check_size(letter)
    shown = numbers_in(letter)
    assert sorted(shown) == list(range(len(shown)))
    assert len(letter) > 0.95 * LARGEST_LETTER


@given(st.integers(5_000, 50_000), st.lists(st.integers(400, 4_000), min_size=2, max_size=200))
@example(99_999, [400, 400])
@example(200_000, [400, 400])
def test_a_digest_has_no_room_left_for_another_item(frame: int, lengths: list[int]) -> None:
    written = write_most_that_fits(lambda most: fake(frame, lengths[:most]), len(lengths))

    sizes = [frame + sum(lengths[:most]) for most in range(1, len(lengths) + 1)]
    most = max((size for size in sizes if size <= LARGEST_LETTER), default=sizes[0])
    assert most - max(lengths) <= len(written.letter) <= most


@pytest.mark.parametrize("newer", [500, 1_000, 2_000])
def test_what_fits_is_found_in_few_tries(newer: int) -> None:
    lengths, tries = [newer + number % 7 for number in range(60)] + [1_000 + number % 11 for number in range(140)], []

    def write(most: int) -> Composed:
        tries.append(most)
        return fake(12_000, lengths[:most])

    assert len(write_most_that_fits(write, len(lengths)).letter) > 0.98 * LARGEST_LETTER
    assert len(tries) <= 7  # Halving takes ten.


def fake(frame: int, lengths: Sequence[int]) -> Composed:
    return Composed("nyheter@example.org", b"x" * (frame + sum(lengths)))
