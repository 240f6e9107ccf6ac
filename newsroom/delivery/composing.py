"""From an item or a sign-up to the bytes of a letter. Pure: no network, clock or database; rendering is handed in.

A letter is composed once per edition, with places of fixed length for what is personal, and filled in many times.
"""

import binascii
import datetime as dt
import email
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from email.header import Header
from email.message import Message as MIMEMessage
from email.utils import format_datetime, formataddr

import flask_mail

from newsroom.extensions import TOKEN_LENGTH
from newsroom.links import Links
from newsroom.news import markdown
from newsroom.news.models import Item, Topic
from newsroom.subscribers.models import Signup

LARGEST_LETTER = 100_000  # Octets. Gmail cuts a message's HTML at 102 kB.
LONGEST_LINE = 998  # RFC 5322 section 2.1.1.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # Not the joiners that many emoji hold.
TOKEN_PLACE = "NEWSROOM-TOKEN-PLACE-0"
assert len(TOKEN_PLACE) == TOKEN_LENGTH

Render = Callable[..., str]
"""render(template, *, language, **values) -> str"""


@dataclass(frozen=True)
class Stationery:
    """What all letters of an installation share. `render` turns a template into text in one language."""

    links: Links
    domain: str  # In ASCII; Message-IDs and List-Ids stand in it.
    site_name: str
    news_sender: str
    confirmation_sender: str
    render: Render


@dataclass(frozen=True)
class Composed:
    """A letter but for its personal parts. `sender` is the envelope's."""

    sender: str
    letter: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.letter).hexdigest()


class Letter(flask_mail.Message):
    """Flask-Mail's message, written so that any mail server passes it on unharmed.

    Lines end in CRLF and stay within 998 octets, text comes before HTML, both in UTF-8 as quoted-printable, no
    header's value can begin another header, and the same words give the same bytes. It has neither `To` nor
    `Message-ID`: those are personal and stand in front of it.
    """

    def as_bytes(self) -> bytes:
        words = f"{self.subject}\0{self.body}\0{self.html}".encode()
        boundary = "=_" + hashlib.sha256(words).hexdigest()[:32]
        lines = [
            write_header("From", str(self.sender)),
            write_header("Subject", self.subject),
            *(write_header(name, value) for name, value in (self.extra_headers or {}).items()),
            b"MIME-Version: 1.0",
            f'Content-Type: multipart/alternative; boundary="{boundary}"'.encode(),
            b"",
        ]
        for subtype, text in (("plain", self.body), ("html", self.html)):
            lines += [
                f"--{boundary}".encode(),
                f'Content-Type: text/{subtype}; charset="utf-8"'.encode(),
                b"Content-Transfer-Encoding: quoted-printable",
                b"",
                encode_body(text or ""),
            ]
        lines += [f"--{boundary}--".encode(), b""]
        return b"\r\n".join(lines)

    def _message(self) -> MIMEMessage:
        return email.message_from_bytes(self.as_bytes())


def encode_body(text: str) -> bytes:
    """Text as quoted-printable (RFC 2045 section 6.7), in ASCII, with CRLF line ends."""
    return binascii.b2a_qp(text.encode(), istext=True).replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def write_header(name: str, value: str) -> bytes:
    """A header field without its line end. Raises BadHeaderError for a value with a control character in it.

    Words beyond ASCII become encoded words (RFC 2047). Other fields than Subject stand on one line: a folded or
    encoded List-Unsubscribe is no longer understood.
    """
    if _CONTROL.search(value):
        raise flask_mail.BadHeaderError(name)
    if name == "Subject" or not value.isascii():
        # What looks encoded would be decoded, and a word longer than a line could not be folded.
        plain = value.isascii() and "=?" not in value and all(len(word) <= 60 for word in value.split(" "))
        charset = "us-ascii" if plain else "utf-8"
        value = Header(value, charset, maxlinelen=76, header_name=name).encode(linesep="\r\n")
    line = f"{name}: {value}".encode()
    if max(map(len, line.split(b"\r\n"))) > LONGEST_LINE:
        raise flask_mail.BadHeaderError(name)
    return line


def compose_news(
    item: Item,
    *,
    topics: Sequence[Topic],
    mailing_key: str,
    language: str,
    stationery: Stationery,
    now: dt.datetime,
) -> Composed:
    """An item's letter to those who follow `topics` (the ones that it names as the reason), in their language.

    An item too long for a letter is announced by its lede, with the way to the rest.
    """
    links = stationery.links.in_language(language)
    unsubscribe = links.unsubscribe(TOKEN_PLACE, mailing_key)
    names = [topic.name_in(language) for topic in topics]
    values = {
        "item": item,
        "body_html": markdown.to_html(item.body),
        "body_text": markdown.to_text(item.body),
        "facts_html": markdown.to_html(item.facts),
        "facts_text": markdown.to_text(item.facts),
        "topic_names": names,
        "links": links,
        "unsubscribe": unsubscribe,
        "site_name": stationery.site_name,
    }
    list_id = f"{topics[0].slug}.{stationery.domain}"
    headers = {
        "Date": format_datetime(now),
        "List-Id": f"{_write_phrase(names[0])} <{list_id}>",
        "List-Unsubscribe": f"<{unsubscribe}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Archive": f"<{links.topic(topics[0].slug)}>",
        "List-Subscribe": f"<{links.subscribe()}>",
        "Precedence": "bulk",
        "Auto-Submitted": "auto-generated",
        "Content-Language": language,
    }
    composed = Composed(stationery.news_sender, b"")
    for whole in (True, False):
        composed = _write(
            "news",
            sender=stationery.news_sender,
            language=language,
            stationery=stationery,
            headers=headers,
            values={**values, "whole": whole},
        )
        if len(composed.letter) <= LARGEST_LETTER:
            break
    return composed


def compose_confirmation(signup: Signup, *, token: str, stationery: Stationery, now: dt.datetime) -> Composed:
    """The letter that asks an address's owner for a yes. `token` is the end of the link."""
    links = stationery.links.in_language(signup.language)
    return _write(
        "confirmation",
        sender=stationery.confirmation_sender,
        language=signup.language,
        stationery=stationery,
        headers={
            "Date": format_datetime(now),
            "Auto-Submitted": "auto-generated",  # RFC 3834 section 5.
            "X-Auto-Response-Suppress": "All",
            "Content-Language": signup.language,
        },
        values={
            "topic_names": [topic.name_in(signup.language) for topic in signup.topics],
            "frequency": signup.frequency,
            "confirm": links.confirm(token),
            "links": links,
            "site_name": stationery.site_name,
        },
    )


def _write(
    name: str,
    *,
    sender: str,
    language: str,
    stationery: Stationery,
    headers: dict[str, str],
    values: dict[str, object],
) -> Composed:
    def render(part: str) -> str:
        return stationery.render(f"mail/{name}/{part}", language=language, **values)

    letter = Letter(
        subject=" ".join(render("subject.txt").split()),
        body=re.sub(r"\n{3,}", "\n\n", render("body.txt")).strip() + "\n",
        html=render("body.html"),
        sender=f"{_write_phrase(stationery.site_name)} <{sender}>",
        extra_headers=headers,
    )
    return Composed(sender, letter.as_bytes())


def _write_phrase(text: str) -> str:
    """A display name in ASCII, on one line: in quotes where it needs them, or as encoded words (RFC 2047 section 5)."""
    if text.isascii():
        return formataddr((text, "x")).removesuffix(" <x>")
    return Header(text, "utf-8", maxlinelen=75).encode(linesep="")


def make_message_id(mailing_key: str, subscriber_token: str, domain: str) -> str:
    """The same for a delivery however often it is tried, different for any two, and telling nothing of either."""
    digest = hashlib.sha256(f"{mailing_key}:{subscriber_token}".encode()).hexdigest()
    return f"<{digest[:32]}@{domain}>"


class Form:
    """A composed letter taken apart at its places, so that filling it in is only joining bytes.

    Quoted-printable may break a place with a soft line break; since the token that goes in has the same length, the
    breaks stay where they are and every line keeps its length.
    """

    _place = re.compile(rb"(?:=\r\n)?".join(re.escape(sign.encode()) for sign in TOKEN_PLACE))

    def __init__(self, letter: bytes) -> None:
        self._pieces: list[bytes | slice] = []
        at = 0
        for found in self._place.finditer(letter):
            self._pieces.append(letter[at : found.start()])
            start = 0
            for run in found.group().split(b"=\r\n"):
                if start:
                    self._pieces.append(b"=\r\n")
                self._pieces.append(slice(start, start + len(run)))
                start += len(run)
            at = found.end()
        self._pieces.append(letter[at:])

    def fill(self, *, to: str, message_id: str, token: str) -> bytes:
        """The letter for one subscriber. `token` must be as long as the place it fills."""
        if len(token) != TOKEN_LENGTH:
            raise ValueError(f"a token of {len(token)} characters")
        signs = token.encode("ascii")
        head = f"To: {to}\r\nMessage-ID: {message_id}\r\n".encode()
        return head + b"".join(signs[piece] if isinstance(piece, slice) else piece for piece in self._pieces)
