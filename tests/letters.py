"""Every kind of letter that Newsroom writes, in both languages, as it leaves: the list that all tests of letters go by.

Who adds a kind of letter adds its maker to MAKERS; every test of letters then holds for it too.
"""

import datetime as dt
import email
import email.policy
import zoneinfo
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from email.message import EmailMessage

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.delivery.models import SINGLE_KINDS
from newsroom.delivery.transport import MemoryTransport
from newsroom.news.models import LANGUAGES, Correction, Item
from newsroom.subscribers import changing, erasing, personal, sessions
from newsroom.subscribers.addresses import read_address
from newsroom.subscribers.models import SignupTopic
from tests.factories import DAY, HOUR, MINUTE, deliver_everything, make_item, make_signup, make_subscriber, make_topics

Maker = Callable[[Session, str, str, dt.datetime], dt.datetime]
"""(session, address, language, now) -> when the letter leaves. Does what makes one letter go to an invented address."""

STOCKHOLM = zoneinfo.ZoneInfo("Europe/Stockholm")
WORDS = {
    "sv": {
        "headline": "Bron över Långsundet öppnar igen på måndag",
        "lede": "Efter elva veckors arbete släpps trafiken på klockan 05.00. Buss 301 och 302 går som vanligt igen.",
        "body": (
            "Arbetet tog två veckor mindre än väntat. Under tiden har 14 av brons 36 lager bytts ut, och räckena har "
            "målats.\n\n## Det här gäller på måndag\n\n- Båda körfälten är öppna.\n- Gång- och cykelvägen öppnar "
            "klockan 09.00.\n- Färjan går sista turen på söndag kväll.\n\nLäs mer om [arbetet på bron]"
            "(https://www.example.org/bron), eller skriv till <bron@example.org>.\n\n> Tack för tålamodet, säger "
            "projektledaren.\n\n| Linje | Första tur |\n|---|---|\n| 301 | 05.12 |\n| 302 | 05.20 |"
        ),
        "facts": "Bron är 212 meter lång och byggdes **1964**.\n\n1. Stängd: 24 augusti\n2. Öppen: 9 november",
    },
    "en": {
        "headline": "The bridge across Långsundet opens again on Monday",
        "lede": "After eleven weeks of work, traffic is let on at 5 am. Buses 301 and 302 run as usual again.",
        "body": (
            "The work took two weeks less than expected.\n\n## What holds on Monday\n\n- Both lanes are open.\n"
            "- The path for walking and cycling opens at 9 am.\n\nRead more about [the work on the bridge]"
            "(https://www.example.org/bridge)."
        ),
        "facts": "The bridge is 212 metres long and was built in 1964.",
    },
}
OTHER = {"sv": "en", "en": "sv"}


def _publish(session: Session, *slugs: str, at: dt.datetime, language: str, **changes: str) -> Item:
    words = {**WORDS[language], **changes}
    return make_item(
        session,
        *slugs,
        published_at=at,
        language=language,
        headline=words["headline"],
        lede=words["lede"],
        body=words["body"],
        facts=words["facts"],
    )


def ask_for_confirmation(session: Session, address: str, language: str, now: dt.datetime) -> dt.datetime:
    make_signup(session, address, "kultur", "stod", language=language, now=now)
    return now


def tell_news(session: Session, address: str, language: str, now: dt.datetime) -> dt.datetime:
    make_subscriber(session, address, "stod", "kultur", language=language, now=now - DAY)
    _publish(session, "stod", "kultur", at=now, language=language)
    return now


def tell_news_of_one_topic_in_another_language(
    session: Session, address: str, language: str, now: dt.datetime
) -> dt.datetime:
    make_subscriber(session, address, "stod", language=language, now=now - DAY)
    _publish(session, "stod", at=now, language=OTHER[language])
    return now


def tell_more_than_a_letter_holds(session: Session, address: str, language: str, now: dt.datetime) -> dt.datetime:
    make_subscriber(session, address, "stod", language=language, now=now - DAY)
    _publish(session, "stod", at=now, language=language, body="\n\n".join([WORDS[language]["body"]] * 150))
    return now


def tell_the_headline_alone(session: Session, address: str, language: str, now: dt.datetime) -> dt.datetime:
    make_subscriber(session, address, "stod", language=language, now=now - DAY)
    _publish(session, "stod", at=now, language=language, lede="", body="", facts="")
    return now


def tell_an_important_message(session: Session, address: str, language: str, now: dt.datetime) -> dt.datetime:
    make_subscriber(session, address, "stod", frequency="weekly", language=language, now=now - DAY)
    words = {
        "sv": ("Koka vattnet i Långsunda", "Vattnet kan innehålla bakterier. Koka allt vatten som du dricker."),
        "en": ("Boil the water in Långsunda", "The water may hold bacteria. Boil all water that you drink."),
    }
    bodies = {"sv": "Det gäller tills vi meddelar annat.", "en": "This holds until we say otherwise."}
    headline, lede = words[language]
    item = _publish(
        session, "stod", at=now, language=language, headline=headline, lede=lede, body=bodies[language], facts=""
    )
    item.urgent = True
    return now


def _next_monday(now: dt.datetime) -> dt.datetime:
    """When the next digest of each kind leaves."""
    day = now.astimezone(STOCKHOLM).date()
    return dt.datetime.combine(day + dt.timedelta(7 - day.weekday()), dt.time(7), STOCKHOLM).astimezone(dt.UTC)


def _tell_digest(session: Session, address: str, language: str, now: dt.datetime, frequency: str) -> dt.datetime:
    monday = _next_monday(now)
    make_subscriber(
        session, address, "stod", "kultur", "hallbarhet", frequency=frequency, language=language, now=now - DAY
    )
    _publish(session, "stod", at=monday - HOUR, language=language)
    _publish(session, "kultur", "stod", at=monday - 2 * HOUR, language=OTHER[language])
    make_item(session, "hallbarhet", headline="Renare luft i Långsunda", published_at=monday - 3 * HOUR, lede="")
    return monday


def tell_the_days_news(session: Session, address: str, language: str, now: dt.datetime) -> dt.datetime:
    return _tell_digest(session, address, language, now, "daily")


def tell_the_weeks_news(session: Session, address: str, language: str, now: dt.datetime) -> dt.datetime:
    return _tell_digest(session, address, language, now, "weekly")


def tell_more_than_a_digest_holds(session: Session, address: str, language: str, now: dt.datetime) -> dt.datetime:
    """Headlines as long as they may be, with many letters beyond ASCII, so that few items are more than fit.

    They come late, and so wait for a yes: making letters of their own for each would take a while.
    """
    places = (
        "Möja, Utö, Ålö, Nåttarö, Rånö, Fjärdlång, Ornö, Nämdö, Runmarö, Ängsö, Tjockö, Gräskö, Blidö, Yxlö, Svartsö, "
        "Gällnö, Ingmarsö, Älgö, Äpplarö"
    )
    words = {
        "sv": (("Nya tider", "Färre turer", "Nya priser"), f"för båtarna till {places} och Öja, linje"),
        "en": (("New times", "Fewer trips", "New prices"), f"for the boats to {places} and Öja, route"),
    }
    news, where = words[language]
    monday = _next_monday(now)
    make_subscriber(session, address, "kollektivtrafik", frequency="daily", language=language, now=now - DAY)
    for number in range(1, 86):
        headline, at = f"{news[number % 3]} {where} {number}", monday - DAY - number * MINUTE
        make_item(session, "kollektivtrafik", headline=headline, published_at=at, language=language)
    return monday


def tell_a_correction(session: Session, address: str, language: str, now: dt.datetime) -> dt.datetime:
    """The item's own letter leaves first, and the correction follows it; both in another language than the reader's."""
    words = {
        "sv": "Vi skrev att gång- och cykelvägen öppnar klockan 07.00. Den öppnar klockan 09.00.",
        "en": "We wrote that the path for walking and cycling opens at 7 am. It opens at 9 am.",
    }
    make_subscriber(session, address, "stod", "kultur", language=language, now=now - DAY)
    item = _publish(session, "stod", at=now - HOUR, language=OTHER[language])
    session.add(Correction(item_id=item.id, text=words[OTHER[language]], announce=True, corrected_at=now))
    return now


def ask_for_confirmation_at_two_rhythms(session: Session, address: str, language: str, now: dt.datetime) -> dt.datetime:
    signup = make_signup(session, address, "kultur", "stod", language=language, now=now)
    session.execute(
        sa.update(SignupTopic)
        .where(SignupTopic.signup_id == signup.id, SignupTopic.topic_id == signup.topics[0].id)
        .values(frequency="weekly")
    )
    return now


def remind_of_a_sign_up(session: Session, address: str, language: str, now: dt.datetime) -> dt.datetime:
    """The confirmation leaves first, and the reminder follows it."""
    signup = make_signup(session, address, "kultur", "stod", language=language, now=now - DAY)
    signup.remind_at = None
    personal.ask_for_letter(session, signup.subscriber, "reminder", now=now, language=language, signup=signup)
    return now


def let_in(session: Session, address: str, language: str, now: dt.datetime) -> dt.datetime:
    make_subscriber(session, address, "stod", language=language, now=now - DAY)
    sessions.ask_to_log_in(session, read_address(address), language=language, now=now, letters_per_hour=1)
    return now


def _move(session: Session, old: str, new: str, language: str, now: dt.datetime) -> dt.datetime:
    found = make_subscriber(session, old, "stod", language=language, now=now - DAY)
    changing.ask(session, found, read_address(new), language=language, keys=["a key"], now=now, letters_per_hour=9)
    return now


def ask_a_new_address(session: Session, address: str, language: str, now: dt.datetime) -> dt.datetime:
    return _move(session, f"old.{address}", address, language, now)


def tell_the_old_address(session: Session, address: str, language: str, now: dt.datetime) -> dt.datetime:
    return _move(session, address, f"new.{address}", language, now)


def say_goodbye(session: Session, address: str, language: str, now: dt.datetime) -> dt.datetime:
    found = make_subscriber(session, address, "stod", language=language, now=now - DAY)
    erasing.erase(session, found, block=False, keys=["a key"], now=now)
    return now


MAKERS: Mapping[str, Maker] = {
    "confirmation": ask_for_confirmation,
    "reminder": remind_of_a_sign_up,
    "login": let_in,
    "change": ask_a_new_address,
    "changed": tell_the_old_address,
    "goodbye": say_goodbye,
    "news": tell_news,
    "news in another language": tell_news_of_one_topic_in_another_language,
    "long news": tell_more_than_a_letter_holds,
    "headline alone": tell_the_headline_alone,
    "urgent": tell_an_important_message,
    "daily": tell_the_days_news,
    "weekly": tell_the_weeks_news,
    "long daily": tell_more_than_a_digest_holds,
    "correction": tell_a_correction,
    "confirmation at two rhythms": ask_for_confirmation_at_two_rhythms,
}
SINGLE = [kind for kind in MAKERS if kind.split()[0] in SINGLE_KINDS]
"""Those that one person asked for."""
NAMES = [(kind, language) for kind in MAKERS for language in LANGUAGES]
"""Every kind of letter with its reader's language."""


@dataclass(frozen=True)
class Specimen:
    """A letter as it left, taken apart."""

    kind: str
    language: str
    raw: bytes

    @property
    def message(self) -> EmailMessage:
        found = email.message_from_bytes(self.raw, policy=email.policy.default)
        assert isinstance(found, EmailMessage)
        return found

    @property
    def text(self) -> str:
        return self._part("plain")

    @property
    def html(self) -> str:
        return self._part("html")

    def _part(self, kind: str) -> str:
        part = self.message.get_body((kind,))
        assert part is not None
        return str(part.get_content()).replace("\r\n", "\n")


def write_letters(
    app: Flask, session: Session, *, by: dt.datetime, names: Sequence[tuple[str, str]] = NAMES
) -> Mapping[tuple[str, str], Specimen]:
    """Make letters leave, on an empty database: matched, composed and sent as all letters are.

    Those to one person leave at `by`, so that their links still work then; the others in the two months before, from a
    Tuesday's noon on, so that no digest leaves between two of them.
    """
    make_topics(session)
    found: dict[tuple[str, str], Specimen] = {}
    now = (by - 60 * DAY).replace(hour=12)
    now += (1 - now.weekday()) * DAY
    for number, (kind, language) in enumerate(sorted(names, key=lambda name: name[0] in SINGLE)):
        if kind in SINGLE:
            now = by
        address, post = f"reader{number}@example.org", MemoryTransport()
        leaves = MAKERS[kind](session, address, language, now)
        session.commit()
        deliver_everything(app, session, post, now=now)
        deliver_everything(app, session, post, now=leaves)
        mine = [kept for kept in post.accepted if kept.to == address]
        assert mine, f"no letter left for {kind}, {language}"
        found[kind, language] = Specimen(kind, language, mine[-1].letter)
        now = max(now, leaves) + HOUR
    return found
