"""From an item or a sign-up to the bytes of a letter. Pure: no network, clock or database; rendering is handed in.

A letter is composed once per edition, with places of fixed length for what is personal, and filled in many times.
"""

import binascii
import datetime as dt
import email
import functools
import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from email.header import Header
from email.message import Message as MIMEMessage
from email.utils import format_datetime, formataddr

import flask_mail

from newsroom.delivery.digests import Period
from newsroom.delivery.fitting import fits, write_most_that_fits, write_what_fits
from newsroom.extensions import TOKEN_LENGTH
from newsroom.links import Links
from newsroom.news import markdown
from newsroom.news.models import Item, Topic
from newsroom.subscribers import personal
from newsroom.subscribers import signup as signups
from newsroom.subscribers.models import PersonalLetter, Signup

LONGEST_LINE = 998  # RFC 5322 section 2.1.1.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # Not the joiners that many emoji hold.
TOKEN_PLACE = "NEWSROOM-TOKEN-PLACE-0"
assert len(TOKEN_PLACE) == TOKEN_LENGTH

Render = Callable[..., str]
"""render(template, *, language, **values) -> str"""


@dataclass(frozen=True)
class Stationery:
    """What all letters of an installation share. `render` turns a template into text in one language.

    `reply_to` is where answers go, to people who read them; without it they go to the letter's own sender.
    """

    links: Links
    domain: str  # In ASCII; Message-IDs and List-Ids stand in it.
    site_name: str
    news_sender: str
    confirmation_sender: str
    render: Render
    organisation: str = ""
    reply_to: str | None = None


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


@dataclass(frozen=True)
class Told:
    """An item in a letter, with the topics that it names as the reason it came, the item's own first."""

    item: Item
    topics: Sequence[Topic]


def _bulk_headers(
    *,
    list_id: str,
    list_name: str,
    mailing_key: str,
    archive: str,
    links: Links,
    stationery: Stationery,
    now: dt.datetime,
) -> dict[str, str]:
    """The headers of a letter that many get (RFC 2919, 2369, 8058 and 3834)."""
    headers = {
        "Date": format_datetime(now),
        "List-Id": f"{_write_phrase(list_name)} <{list_id}>",
        "List-Unsubscribe": f"<{links.unsubscribe(TOKEN_PLACE, mailing_key)}>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        "List-Archive": f"<{archive}>",
        "List-Subscribe": f"<{links.subscribe()}>",
        "List-Help": f"<{links.my_topics()}>",
        "List-Post": "NO",  # RFC 2369 section 3.4: nobody but us writes to the list.
        "Precedence": "bulk",
        **_automatic_headers(links.language),
    }
    if stationery.reply_to is not None:
        headers["List-Owner"] = f"<mailto:{stationery.reply_to}>"
    return headers


def _automatic_headers(language: str) -> dict[str, str]:
    """What says that no machine should answer (RFC 3834 section 5, and Exchange's own way), and the language."""
    return {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All", "Content-Language": language}


def _topic_headers(
    topic: Topic, *, mailing_key: str, links: Links, stationery: Stationery, now: dt.datetime
) -> dict[str, str]:
    """The headers of a letter to a topic's followers."""
    return _bulk_headers(
        list_id=f"{topic.slug}.{stationery.domain}",
        list_name=topic.name_in(links.language),
        mailing_key=mailing_key,
        archive=links.topic(topic.slug),
        links=links,
        stationery=stationery,
        now=now,
    )


def compose_news(
    told: Sequence[Told],
    *,
    kind: str,
    mailing_key: str,
    language: str,
    stationery: Stationery,
    now: dt.datetime,
) -> Composed:
    """An item's letter to those who follow its topics, in their language. `told` holds just that item.

    An item too long for a letter is announced by its lede, with the way to the rest.
    """
    (item, topics), urgent = (told[0].item, told[0].topics), kind == "urgent"
    links = stationery.links.in_language(language)
    values = {
        **_foot_values(topics, mailing_key=mailing_key, language=language),
        "item": item,
        "urgent": urgent,
        "published_at": item.published_at or now,  # A draft's rehearsal is of its publication now.
        "body_html": markdown.to_html(item.body),
        "body_text": markdown.to_text(item.body),
        "facts_html": markdown.to_html(item.facts),
        "facts_text": markdown.to_text(item.facts),
    }
    headers = _topic_headers(topics[0], mailing_key=mailing_key, links=links, stationery=stationery, now=now)
    if urgent:
        headers["Importance"] = "high"  # RFC 4021 section 2.1.55.
    write = functools.partial(
        _write,
        "news",
        sender=stationery.news_sender,
        language=language,
        stationery=stationery,
        headers=headers,
    )
    return write_what_fits(write, [{**values, "whole": whole} for whole in (True, False)])


def compose_correction(
    told: Told, *, correction: str, mailing_key: str, language: str, stationery: Stationery, now: dt.datetime
) -> Composed:
    """What was corrected in an item, to those who had it, and the way to the item as it stands now."""
    links = stationery.links.in_language(language)
    return _write(
        "correction",
        sender=stationery.news_sender,
        language=language,
        stationery=stationery,
        headers=_topic_headers(told.topics[0], mailing_key=mailing_key, links=links, stationery=stationery, now=now),
        values={
            **_foot_values(told.topics, mailing_key=mailing_key, language=language),
            "item": told.item,
            "correction": correction,
        },
    )


def _foot_values(topics: Sequence[Topic], *, mailing_key: str, language: str) -> dict[str, object]:
    """What the foot of a letter that many get needs: why it came, and the ways to leave."""
    return {
        "topics": topics,
        "topic_names": [topic.name_in(language) for topic in topics],
        "token": TOKEN_PLACE,
        "mailing_key": mailing_key,
    }


MOST_TOLD = 200  # Items that a digest names at most; more hardly ever fit.


def compose_digest(
    told: Sequence[Told],
    *,
    kind: str,
    period: Period,
    mailing_key: str,
    language: str,
    stationery: Stationery,
    now: dt.datetime,
) -> Composed:
    """A day's or a week's news, newest first: each item once, under its first topic, naming the others it came for.

    One that grows too long for a letter gives headlines only, and then as many as fit, at most MOST_TOLD: the newest,
    and important messages however old. It says how many more stand on the site, and has thereby told of them
    (decision 0015).
    """
    links = stationery.links.in_language(language)
    topics = {topic.id: topic for one in told for topic in one.topics}
    values = {
        **_foot_values(list(topics.values()), mailing_key=mailing_key, language=language),
        "kind": kind,
        "period": period,
        "now": now,
        "newest": told[0].item,
        "told": told,
        "count": len(told),
    }
    headers = _bulk_headers(
        list_id=f"{kind}.{stationery.domain}",
        list_name=stationery.site_name,
        mailing_key=mailing_key,
        archive=links.front(),
        links=links,
        stationery=stationery,
        now=now,
    )
    # The newest of all gives the subject its words, so it stays, too.
    wanted = sorted(told, key=lambda one: not (one is told[0] or one.item.urgent))[:MOST_TOLD]

    def write(most: int, *, ledes: bool = False) -> Composed:
        named = {one.item.id for one in wanted[:most]}
        return _write(
            "digest",
            sender=stationery.news_sender,
            language=language,
            stationery=stationery,
            headers=headers,
            values={
                **values,
                "ledes": ledes,
                "sections": _by_first_topic(one for one in told if one.item.id in named),
                "left_out": len(told) - len(named),
            },
        )

    composed = write(len(wanted), ledes=True)
    return composed if fits(composed) else write_most_that_fits(write, len(wanted))


def _by_first_topic(told: Iterable[Told]) -> Sequence[tuple[Topic, Sequence[Told]]]:
    sections: dict[int, tuple[Topic, list[Told]]] = {}
    for one in told:
        sections.setdefault(one.topics[0].id, (one.topics[0], []))[1].append(one)
    return list(sections.values())


def compose_confirmation(signup: Signup, *, token: str, stationery: Stationery, now: dt.datetime) -> Composed:
    """The letter that asks an address's owner for a yes. `token` is the end of the link."""
    links = stationery.links.in_language(signup.language)
    return _write_single(
        "confirmation",
        language=signup.language,
        stationery=stationery,
        now=now,
        values={
            **_describe_signup(signup),
            "confirm": links.confirm(token),
        },
    )


def _describe_signup(signup: Signup) -> dict[str, object]:
    """What a sign-up asks for, in its language; `wishes` has the topics' names by how often."""
    return {
        "topic_names": [topic.name_in(signup.language) for topic in signup.topics],
        "frequency": signup.frequency,
        "wishes": [
            (often, [topic.name_in(signup.language) for topic in topics]) for often, topics in signup.by_frequency()
        ],
    }


def compose_personal(
    letter: PersonalLetter, *, keys: Sequence[str], stationery: Stationery, now: dt.datetime
) -> Composed:
    """A letter to one person, by its kind. `keys` are the secrets that its link is signed with, newest first."""
    of_signup: dict[str, object] = {}
    if letter.signup is not None:  # A reminder has the same link as the letter that it reminds of.
        links = stationery.links.in_language(letter.language)
        confirm = links.confirm(signups.make_link_token(letter.signup, keys=keys))
        of_signup = {**_describe_signup(letter.signup), "confirm": confirm}
    return _write_single(
        letter.kind,
        language=letter.language,
        stationery=stationery,
        now=now,
        values={**of_signup, "letter": letter, "token": personal.make_link_token(letter, keys=keys)},
    )


def _write_single(
    name: str, *, language: str, stationery: Stationery, now: dt.datetime, values: dict[str, object]
) -> Composed:
    """A letter that one person asked for. It comes from another address than news, and no machine should answer it."""
    return _write(
        name,
        sender=stationery.confirmation_sender,
        language=language,
        stationery=stationery,
        headers={"Date": format_datetime(now), **_automatic_headers(language)},
        values=values,
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
    shared = {
        "links": stationery.links.in_language(language),
        "site_name": stationery.site_name,
        "organisation": stationery.organisation or stationery.site_name,
        "answers_are_read": stationery.reply_to is not None,
    }

    def render(part: str) -> str:
        return stationery.render(f"mail/{name}/{part}", language=language, **shared, **values)

    if stationery.reply_to is not None:
        headers = {"Reply-To": stationery.reply_to, **headers}

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
        self._pieces = [b""]  # The first is for the personal headers.
        self._places: list[tuple[int, slice]] = []  # Which pieces are personal, and which part of the token each is.
        at = 0
        for found in self._place.finditer(letter):
            self._pieces.append(letter[at : found.start()])
            start = 0
            for run in found.group().split(b"=\r\n"):
                if start:
                    self._pieces.append(b"=\r\n")
                self._places.append((len(self._pieces), slice(start, start + len(run))))
                self._pieces.append(run)
                start += len(run)
            at = found.end()
        self._pieces.append(letter[at:])

    def fill(self, *, to: str, message_id: str, token: str) -> bytes:
        """The letter for one subscriber. `token` must be as long as the place it fills."""
        if len(token) != TOKEN_LENGTH:
            raise ValueError(f"a token of {len(token)} characters")
        signs = token.encode("ascii")
        pieces = self._pieces.copy()
        pieces[0] = f"To: {to}\r\nMessage-ID: {message_id}\r\n".encode()
        for place, part in self._places:
            pieces[place] = signs[part]
        return b"".join(pieces)
