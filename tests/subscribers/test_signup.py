"""From "I'd like" to "yes"."""

import datetime as dt
import threading
from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.extensions import db
from newsroom.news import topics
from newsroom.subscribers import signup
from newsroom.subscribers.addresses import read_address
from newsroom.subscribers.models import ConsentEvent, Signup, Subscriber, Subscription
from newsroom.subscribers.signup import Asked
from tests.factories import DAY, HOUR, MINUTE, NOON, make_signup, make_subscriber, make_topics
from tests.tables import count_new, read_tables

SECOND = dt.timedelta(seconds=1)
KEYS = ["a key for these tests"]


@pytest.fixture(autouse=True)
def _topics(session: Session) -> None:
    make_topics(session)
    session.commit()


@pytest.fixture
def other_session(app: Flask) -> Iterator[Session]:
    """Somebody else's way to the database."""
    with app.app_context():
        engine = db.engine
    with Session(engine) as session:
        yield session


def ask(
    session: Session,
    address: str,
    *slugs: str,
    now: dt.datetime = NOON,
    letters_per_hour: int = 5,
    own: dict[str, str] | None = None,
) -> Asked:
    return signup.ask(
        session,
        read_address(address),
        topics.find_topics(session, slugs),
        frequency="direct",
        own=own,
        language="sv",
        source="web",
        consent_text="Jag vill.",
        now=now,
        letters_per_hour=letters_per_hour,
    )


def follows(session: Session, address: str) -> dict[str, str]:
    """What an address follows: frequency by topic."""
    rows = session.scalars(
        sa.select(Subscription)
        .join(Subscriber, Subscriber.id == Subscription.subscriber_id)
        .where(Subscriber.address == address, Subscription.ended_at.is_(None))
    )
    return {row.topic.slug: row.frequency for row in rows}


def test_asking_for_an_unknown_address_writes_the_wish_and_nothing_more(session: Session) -> None:
    before = read_tables(session)

    assert ask(session, "ana@example.org", "stod", "kultur") is Asked.LETTER

    assert count_new(before, read_tables(session)) == {"subscriber": 1, "signup": 1, "signup_topic": 2}
    assert session.scalars(sa.select(Subscriber)).one().confirmed_at is None


@pytest.mark.parametrize("written", ["ana@example.org", "ANA@Example.ORG"])
def test_asking_for_a_known_address_writes_the_wish_and_nothing_more(session: Session, written: str) -> None:
    make_subscriber(session, "ana@example.org", "stod", frequency="weekly")
    before = read_tables(session)

    assert ask(session, written, "stod", "kultur") is Asked.LETTER

    assert count_new(before, read_tables(session)) == {"signup": 1, "signup_topic": 2}
    assert follows(session, "ana@example.org") == {"stod": "weekly"}


def test_asking_for_an_unconfirmed_address_again_writes_a_second_wish(session: Session) -> None:
    make_signup(session, "ana@example.org", "stod", now=NOON - HOUR)
    before = read_tables(session)

    assert ask(session, "ana@example.org", "kultur") is Asked.LETTER

    assert count_new(before, read_tables(session)) == {"signup": 1, "signup_topic": 1}


def test_an_address_asked_for_too_often_in_an_hour_is_left_in_peace(session: Session) -> None:
    for minutes in range(3):
        assert ask(session, "ana@example.org", "stod", now=NOON + minutes * MINUTE, letters_per_hour=3) is Asked.LETTER
    before = read_tables(session)

    assert ask(session, "Ana@Example.org", "stod", now=NOON + 4 * MINUTE, letters_per_hour=3) is Asked.QUIET
    assert count_new(before, read_tables(session)) == {}

    assert ask(session, "bo@example.org", "stod", now=NOON + 4 * MINUTE, letters_per_hour=3) is Asked.LETTER
    assert ask(session, "ana@example.org", "stod", now=NOON + HOUR, letters_per_hour=3) is Asked.LETTER


def test_the_same_choices_again_within_a_minute_are_one_wish(session: Session) -> None:
    assert ask(session, "ana@example.org", "stod", "kultur") is Asked.LETTER
    before = read_tables(session)

    assert ask(session, "Ana@example.org", "kultur", "stod", now=NOON + 54 * SECOND) is Asked.QUIET
    assert count_new(before, read_tables(session)) == {}

    assert ask(session, "ana@example.org", "kultur", now=NOON + 54 * SECOND) is Asked.LETTER  # Other topics,
    other = ask(session, "ana@example.org", "kultur", "stod", own={"stod": "weekly"}, now=NOON + 54 * SECOND)
    assert other is Asked.LETTER  # another rhythm,
    assert ask(session, "bo@example.org", "stod", "kultur", now=NOON + 54 * SECOND) is Asked.LETTER  # another person,
    assert ask(session, "ana@example.org", "stod", "kultur", now=NOON + 55 * SECOND) is Asked.LETTER  # or later.


def test_a_yes_makes_subscriptions_and_keeps_the_proof(session: Session) -> None:
    wish = make_signup(session, "ana@example.org", "stod", "offentlig-konst", frequency="daily", language="en")
    wish_id, asked = wish.id, NOON - DAY
    before = read_tables(session)

    signup.confirm(session, wish, now=NOON)
    session.commit()

    assert follows(session, "ana@example.org") == {"stod": "daily", "offentlig-konst": "daily"}
    ana = session.scalars(sa.select(Subscriber)).one()
    assert (ana.confirmed_at, ana.language) == (NOON, "en")
    begun = session.scalars(sa.select(Subscription)).all()
    assert {(one.source, one.began_at, one.ended_at) for one in begun} == {("web", NOON, None)}
    event = session.scalars(sa.select(ConsentEvent)).one()
    assert (event.kind, event.text, event.topics, event.frequency, event.source, event.happened_at) == (
        "given",
        "Jag vill.",
        ["offentlig-konst", "stod"],
        "daily",
        "web",
        NOON,
    )
    assert event.subscriber_id == ana.id
    done = session.get_one(Signup, wish_id)
    assert (done.confirmed_at, done.requested_at) == (NOON, asked)
    after = read_tables(session)
    assert (len(before["signup"]), len(after["signup"])) == (1, 1)


def test_confirming_twice_is_confirming_once(session: Session) -> None:
    wish = make_signup(session, "ana@example.org", "stod")
    signup.confirm(session, wish, now=NOON)
    before = read_tables(session)

    signup.confirm(session, wish, now=NOON + MINUTE)
    signup.confirm(session, wish, now=NOON + 100 * DAY)  # A link that was followed never grows too old.

    assert read_tables(session) == before


def test_a_link_works_for_seven_days_and_not_a_second_longer(session: Session) -> None:
    in_time = make_signup(session, "ana@example.org", "stod", now=NOON)
    too_late = make_signup(session, "bo@example.org", "stod", now=NOON)

    assert not signup.is_too_old(in_time, now=NOON + 7 * DAY)
    signup.confirm(session, in_time, now=NOON + 7 * DAY)
    before = read_tables(session)
    assert signup.is_too_old(too_late, now=NOON + 7 * DAY + SECOND)
    with pytest.raises(signup.TooOld):
        signup.confirm(session, too_late, now=NOON + 7 * DAY + SECOND)

    assert read_tables(session) == before
    assert follows(session, "ana@example.org") == {"stod": "direct"}
    assert follows(session, "bo@example.org") == {}
    assert not signup.is_too_old(in_time, now=NOON + 1000 * DAY)


def test_topics_may_have_a_frequency_of_their_own(session: Session) -> None:
    ask(session, "ana@example.org", "stod", "kultur", "offentlig-konst", own={"stod": "weekly", "kultur": "direct"})
    wish = session.scalars(sa.select(Signup)).one()
    assert [(often, [one.slug for one in topics]) for often, topics in wish.by_frequency()] == [
        ("direct", ["kultur", "offentlig-konst"]),
        ("weekly", ["stod"]),
    ]

    signup.confirm(session, wish, now=NOON)
    session.commit()

    assert follows(session, "ana@example.org") == {"stod": "weekly", "kultur": "direct", "offentlig-konst": "direct"}
    events = session.scalars(sa.select(ConsentEvent).order_by(ConsentEvent.id)).all()
    assert [(one.frequency, one.topics) for one in events] == [
        ("direct", ["kultur", "offentlig-konst"]),
        ("weekly", ["stod"]),
    ]


def test_an_old_link_is_too_old_even_where_its_number_was_given_away_again(session: Session) -> None:
    new = make_signup(session, "bo@example.org", "stod", now=NOON)
    forgotten = Signup(id=new.id, requested_at=NOON - 8 * DAY)
    never_kept = Signup(id=12345, requested_at=NOON)

    assert signup.find_signup(session, signup.make_link_token(new, keys=KEYS), keys=KEYS) is new
    for old in (forgotten, never_kept):
        with pytest.raises(signup.TooOld):
            signup.find_signup(session, signup.make_link_token(old, keys=KEYS), keys=KEYS)


def test_a_new_frequency_ends_the_old_subscription_and_begins_another(session: Session) -> None:
    make_subscriber(session, "ana@example.org", "stod", "kultur", frequency="direct", now=NOON - DAY)
    wish = make_signup(session, "ana@example.org", "stod", frequency="weekly", now=NOON)

    signup.confirm(session, wish, now=NOON + HOUR)
    session.commit()

    assert follows(session, "ana@example.org") == {"stod": "weekly", "kultur": "direct"}
    ended = session.scalars(sa.select(Subscription).where(Subscription.ended_at.is_not(None))).one()
    assert (ended.topic.slug, ended.frequency, ended.began_at) == ("stod", "direct", NOON - DAY)
    assert (ended.ended_at, ended.end_reason) == (NOON + HOUR, "changed")
    assert session.scalars(sa.select(ConsentEvent.frequency).order_by(ConsentEvent.id)).all() == ["direct", "weekly"]


def test_the_same_wish_again_begins_nothing_anew_but_is_kept_as_proof(session: Session) -> None:
    make_subscriber(session, "ana@example.org", "stod", now=NOON - DAY)
    wish = make_signup(session, "ana@example.org", "stod", now=NOON)

    signup.confirm(session, wish, now=NOON)
    session.commit()

    assert session.scalars(sa.select(Subscription)).one().began_at == NOON - DAY
    assert session.scalars(sa.select(Subscriber)).one().confirmed_at == NOON - DAY
    assert len(session.scalars(sa.select(ConsentEvent)).all()) == 2


def test_a_wish_for_further_topics_leaves_the_earlier_ones(session: Session) -> None:
    make_subscriber(session, "ana@example.org", "stod", frequency="weekly")
    signup.confirm(session, make_signup(session, "ana@example.org", "kultur", now=NOON), now=NOON)

    assert follows(session, "ana@example.org") == {"stod": "weekly", "kultur": "direct"}


@pytest.mark.parametrize("same_link", [True, False])
def test_two_presses_at_the_same_moment_make_one_subscription(
    session: Session, other_session: Session, same_link: bool
) -> None:
    make_subscriber(session, "ana@example.org", "bibliotek")
    first = make_signup(session, "ana@example.org", "stod", now=NOON)
    second = first if same_link else make_signup(session, "ana@example.org", "stod", "kultur", now=NOON)
    first_id, second_id = first.id, second.id
    session.commit()
    problems: list[Exception] = []

    def press() -> None:
        try:
            signup.confirm(other_session, other_session.get_one(Signup, second_id), now=NOON)
            other_session.commit()
        except Exception as error:
            problems.append(error)

    signup.confirm(session, session.get_one(Signup, first_id), now=NOON)
    session.flush()
    other = threading.Thread(target=press)
    other.start()
    other.join(0.3)
    assert other.is_alive(), "the second press must wait for the first"
    session.commit()
    other.join(10)

    assert problems == []
    wished = ["stod"] if same_link else ["stod", "kultur"]
    assert follows(session, "ana@example.org") == dict.fromkeys(["bibliotek", *wished], "direct")
    begun = session.scalars(sa.select(Subscription)).all()
    assert [one.ended_at for one in begun] == [None] * (1 + len(wished))
    assert len(session.scalars(sa.select(ConsentEvent)).all()) == (2 if same_link else 3)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_two_wishes_for_a_new_address_at_the_same_moment_make_one_subscriber(
    session: Session, other_session: Session
) -> None:
    answers: list[Asked] = []

    def ask_meanwhile() -> None:
        answers.append(ask(other_session, "ANA@example.org", "stod"))
        other_session.commit()

    ask(session, "ana@example.org", "stod")
    session.flush()
    other = threading.Thread(target=ask_meanwhile)
    other.start()
    other.join(0.3)
    assert other.is_alive(), "the second wish must wait for the first"
    session.commit()
    other.join(10)

    assert answers == [Asked.QUIET]
    assert session.scalars(sa.select(Subscriber)).one().address_key == "ana@example.org"
    assert len(session.scalars(sa.select(Signup)).all()) == 1


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_button_pressed_twice_at_the_same_moment_makes_one_wish(session: Session, other_session: Session) -> None:
    make_subscriber(session, "ana@example.org", "kultur")
    session.commit()
    answers: list[Asked] = []

    def ask_meanwhile() -> None:
        answers.append(ask(other_session, "ana@example.org", "stod"))
        other_session.commit()

    ask(session, "ana@example.org", "stod")
    other = threading.Thread(target=ask_meanwhile)
    other.start()
    other.join(0.3)
    assert other.is_alive(), "the second press must wait for the first"
    session.commit()
    other.join(10)

    assert answers == [Asked.QUIET]


def test_a_link_works_on_after_the_secret_was_changed(session: Session) -> None:
    wish = make_signup(session, "ana@example.org", "stod")
    link = signup.make_link_token(wish, keys=["old secret"])

    assert signup.find_signup(session, link, keys=["new secret", "old secret"]) is wish
    assert signup.find_signup(session, link, keys=["newest", "new secret", "old secret"]) is wish
    with pytest.raises(signup.UnknownSignup):
        signup.find_signup(session, link, keys=["new secret"])


def test_new_links_are_signed_with_the_newest_secret(session: Session) -> None:
    wish = make_signup(session, "ana@example.org", "stod")
    link = signup.make_link_token(wish, keys=["new secret", "old secret"])

    assert signup.find_signup(session, link, keys=["new secret"]) is wish
    with pytest.raises(signup.UnknownSignup):
        signup.find_signup(session, link, keys=["old secret"])


def test_a_link_that_is_not_ours_finds_nothing(session: Session) -> None:
    link = signup.make_link_token(make_signup(session, "ana@example.org", "stod"), keys=KEYS)

    for other in ("", "x", ".", f"{link}.x", f"Å{link}", f"{link}\x00", link * 2, link[:-1], "\ud800"):
        with pytest.raises(signup.UnknownSignup):
            signup.find_signup(session, other, keys=KEYS)
