"""What a reader is told to expect is what delivery would have sent."""

import datetime as dt
import random
import zoneinfo
from collections.abc import Mapping, Sequence

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.delivery.digests import Schedule
from newsroom.delivery.estimating import estimate
from newsroom.delivery.transport import MemoryTransport
from newsroom.engine.rules import rules_of
from newsroom.subscribers import signup
from newsroom.subscribers.models import Signup, SignupTopic, Subscriber
from tests.factories import DAY, HOUR, MINUTE, NOON, deliver_everything, make_item, make_topics

WEEK = 7 * DAY
ZONE = zoneinfo.ZoneInfo("Europe/Stockholm")
SCHEDULES = [
    Schedule("daily", frozenset({1, 2, 3, 4, 5}), dt.time(7), ZONE),
    Schedule("weekly", frozenset({1}), dt.time(7), ZONE),
]


@pytest.fixture(autouse=True)
def topic_ids(session: Session) -> dict[str, int]:
    found = {slug: topic.id for slug, topic in make_topics(session).items()}
    session.commit()
    return found


def told(session: Session, topic_ids: Mapping[str, int], **wishes: str) -> float | None:
    """The letters a week that these choices would bring; topics' names with _ for -."""
    chosen = {topic_ids[slug.replace("_", "-")]: often for slug, often in wishes.items()}
    return estimate(session, chosen, SCHEDULES, by=NOON).chosen


def publish(session: Session, *slugs: str, days_ago: Sequence[float], **more: object) -> None:
    for days in days_ago:
        item = make_item(session, *slugs, published_at=NOON - days * DAY)
        item.urgent = bool(more.get("urgent"))
    session.flush()


def test_an_item_under_several_chosen_topics_is_one_letter(session: Session, topic_ids: dict[str, int]) -> None:
    publish(session, "stod", "offentlig-konst", days_ago=[1 + 7 * week for week in range(13)] + [300])

    assert told(session, topic_ids, stod="direct") == pytest.approx(1)
    assert told(session, topic_ids, stod="direct", offentlig_konst="direct", kultur="direct") == pytest.approx(1)
    assert told(session, topic_ids, stod="direct", kultur="weekly") == pytest.approx(1)  # Told at once, not again.


def test_digests_are_no_more_than_their_days(session: Session, topic_ids: dict[str, int]) -> None:
    publish(session, "stod", days_ago=[day / 4 for day in range(1, 13 * 7 * 4)])

    assert told(session, topic_ids, stod="direct") == pytest.approx(28, abs=0.5)
    assert told(session, topic_ids, stod="daily") == 5
    assert told(session, topic_ids, stod="weekly") == 1


def test_several_items_within_a_day_are_one_daily_letter(session: Session, topic_ids: dict[str, int]) -> None:
    tuesdays = [2 + 7 * week for week in range(13)]
    publish(session, "stod", days_ago=[*tuesdays, *(day + 0.01 for day in tuesdays), 300])

    assert told(session, topic_ids, stod="direct") == pytest.approx(2)
    assert told(session, topic_ids, stod="daily") == pytest.approx(1)


def test_an_important_message_comes_at_once_whatever_was_chosen(session: Session, topic_ids: dict[str, int]) -> None:
    publish(session, "stod", days_ago=[2 + 7 * week + day for week in range(13) for day in (0, 1)] + [300], urgent=True)

    assert told(session, topic_ids, stod="weekly") == pytest.approx(2)


def test_a_new_topic_counts_over_its_own_time(session: Session, topic_ids: dict[str, int]) -> None:
    publish(session, "stod", days_ago=[1, 4, 8, 11, 14])  # Two weeks old.
    publish(session, "bibliotek", days_ago=[1 + 7 * week for week in range(13)] + [300])

    assert told(session, topic_ids, stod="direct") == pytest.approx(2.5)
    assert told(session, topic_ids, stod="direct", bibliotek="direct") == pytest.approx(3.5)


def test_nothing_is_told_of_what_never_was_or_is_long_past(session: Session, topic_ids: dict[str, int]) -> None:
    publish(session, "stod", days_ago=[300])

    assert told(session, topic_ids) is None
    assert told(session, topic_ids, bibliotek="direct") is None
    assert told(session, topic_ids, stod="direct") == 0
    assert told(session, topic_ids, stod="weekly", bibliotek="daily") == 0


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_estimate_is_what_delivery_would_have_sent(app: Flask, session: Session, topic_ids: dict[str, int]) -> None:
    """Thirteen weeks of news are delivered to readers with all kinds of choices; each got what was estimated."""
    chance = random.Random(13)
    slugs = ["stod", "bibliotek", "kultur", "offentlig-konst", "kultur-och-halsa"]
    start = NOON - 13 * WEEK
    readers: dict[str, dict[str, str]] = {
        f"reader{number}@example.org": {
            slug: chance.choice(("direct", "daily", "weekly")) for slug in chance.sample(slugs, chance.randint(1, 4))
        }
        for number in range(12)
    }
    for address, wishes in readers.items():
        person = Subscriber(address=address, address_key=address, created_at=start - DAY)
        session.add(person)
        session.flush()
        wish = Signup(
            subscriber_id=person.id,
            frequency="direct",
            language="sv",
            source="web",
            consent_text="Jag vill.",
            requested_at=start - DAY,
            wishes=[SignupTopic(topic_id=topic_ids[slug], frequency=often) for slug, often in wishes.items()],
        )
        session.add(wish)
        session.flush()
        signup.confirm(session, wish, now=start - DAY)
    for number in range(25):
        at = start + HOUR + chance.randrange(13 * 7 * 24 - 2) * HOUR
        item = make_item(session, *chance.sample(slugs, chance.randint(1, 2)), published_at=at)
        item.urgent = number % 8 == 0
    for slug in slugs:
        make_item(session, slug, published_at=start - 100 * DAY, announce=False)
    session.commit()

    expected = {
        address: estimate(
            session, {topic_ids[slug]: often for slug, often in wishes.items()}, SCHEDULES, by=NOON
        ).chosen
        for address, wishes in readers.items()
    }
    session.commit()
    post, rules = MemoryTransport(), rules_of(app)
    ends = NOON + WEEK
    moment = start
    while moment < ends:  # An engine that looks every eleven hours; nothing becomes too late meanwhile.
        deliver_everything(app, session, post, now=moment + 10 * MINUTE, rules=rules)
        moment += 11 * HOUR

    for address in readers:
        got = sum(letter.to == address for letter in post.accepted)
        assert expected[address] == pytest.approx(got / 13, abs=1e-6), (address, readers[address])
