"""What nobody needs any longer goes, and nothing else does."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.delivery.transport import MemoryTransport
from newsroom.extensions import db
from newsroom.news import topics
from newsroom.subscribers import forgetting, personal, reminding, signup
from newsroom.subscribers.addresses import read_address
from newsroom.subscribers.models import PersonalLetter, ReaderSession, Signup, Subscriber
from newsroom.subscribers.signup import Asked
from tests.factories import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    deliver_everything,
    make_item,
    make_signup,
    make_subscriber,
    make_topics,
)
from tests.tables import read_tables

AFTER = NOON + 7 * DAY + MINUTE


@pytest.fixture(autouse=True)
def _topics(session: Session) -> None:
    make_topics(session)
    session.commit()


@pytest.fixture
def other_session(app: Flask) -> Iterator[Session]:
    with app.app_context():
        engine = db.engine
    with Session(engine) as session:
        yield session


def known(session: Session) -> list[str]:
    return sorted(session.scalars(sa.select(Subscriber.address)))


def forget(session: Session, now: object = AFTER) -> int:
    count = forgetting.forget(session, now=now)  # type: ignore[arg-type]
    session.commit()
    return count


def test_a_request_that_nobody_answered_leaves_no_trace(app: Flask, session: Session) -> None:
    empty = read_tables(session)
    make_signup(session, "ana@example.org", "stod", "kultur", now=NOON)
    session.commit()
    post = MemoryTransport()
    for moment in (NOON, NOON + DAY, NOON + 7 * DAY):  # The letter, its reminder, and the last moment of the link.
        deliver_everything(app, session, post, now=moment)
    assert [one.to for one in post.accepted] == ["ana@example.org"] * 2
    assert known(session) == ["ana@example.org"]
    session.commit()

    deliver_everything(app, session, post, now=AFTER)

    after = read_tables(session)
    lasting = {"installation", "pace"}  # What the engine notes of itself.
    assert {name: rows for name, rows in after.items() if name not in lasting and rows != empty[name]} == {}


def test_who_said_yes_stays_with_everything(app: Flask, session: Session) -> None:
    wish = make_signup(session, "ana@example.org", "stod", now=NOON)
    session.commit()
    deliver_everything(app, session, MemoryTransport(), now=NOON)
    signup.confirm(session, wish, now=NOON + HOUR)
    make_subscriber(session, "bo@example.org", "kultur", now=NOON)
    before = read_tables(session)

    assert forget(session) == 0
    assert read_tables(session) == before


def test_a_subscriber_stays_where_only_a_further_wish_is_forgotten(session: Session) -> None:
    make_subscriber(session, "ana@example.org", "stod", now=NOON - 30 * DAY)
    make_signup(session, "ana@example.org", "kultur", now=NOON)

    assert forget(session) == 1

    assert known(session) == ["ana@example.org"]
    assert [one.topics[0].slug for one in session.scalars(sa.select(Signup))] == ["stod"]


def test_an_address_stays_while_a_newer_wish_waits(session: Session) -> None:
    make_signup(session, "ana@example.org", "stod", now=NOON)
    make_signup(session, "ana@example.org", "kultur", now=NOON + DAY)

    forget(session)
    assert known(session) == ["ana@example.org"]
    forget(session, AFTER + DAY)
    assert known(session) == []


def test_a_link_is_never_forgotten_while_it_works(session: Session) -> None:
    wish = make_signup(session, "ana@example.org", "stod", now=NOON)
    session.commit()

    assert forget(session, NOON + 7 * DAY) == 0
    signup.confirm(session, wish, now=NOON + 7 * DAY)
    session.commit()
    assert forget(session) == 0


def test_letters_to_one_person_go_when_they_are_a_week_old_and_their_links_are_dead(session: Session) -> None:
    ana = make_subscriber(session, "ana@example.org", "stod", now=NOON - 30 * DAY)
    old = personal.ask_for_letter(session, ana, "login", now=NOON)
    used = personal.ask_for_letter(session, ana, "change", now=NOON, address="anna@example.org")
    personal.use(session, used, now=NOON)
    told = personal.ask_for_letter(session, ana, "changed", now=NOON)
    lasting = personal.ask_for_letter(session, ana, "login", now=NOON)
    lasting.good_until = NOON + 30 * DAY
    fresh = personal.ask_for_letter(session, ana, "login", now=NOON + DAY)
    kept = {lasting.id, fresh.id}
    session.commit()

    assert forget(session) == len([old, used, told])

    assert set(session.scalars(sa.select(PersonalLetter.id))) == kept


def test_a_letter_that_is_forgotten_while_its_link_is_pressed_has_no_use_left(session: Session) -> None:
    ana = make_subscriber(session, "ana@example.org", "stod", now=NOON - 30 * DAY)
    pressed = personal.ask_for_letter(session, ana, "change", now=NOON, address="anna@example.org")
    # Between the page's finding it and its use, another process forgets it.
    session.execute(sa.delete(PersonalLetter), execution_options={"synchronize_session": False})

    assert not personal.use(session, pressed, now=NOON)


def test_visits_that_have_ended_go(session: Session) -> None:
    ana = make_subscriber(session, "ana@example.org", "stod", now=NOON - 30 * DAY)
    for name, ends in (("past", NOON), ("present", NOON + HOUR)):
        session.add(ReaderSession(key_hash=name, subscriber_id=ana.id, began_at=NOON - HOUR, ends_at=ends))
    session.commit()

    assert forget(session, NOON) == 1

    assert session.scalars(sa.select(ReaderSession.key_hash)).all() == ["present"]


def test_it_goes_a_portion_at_a_time(session: Session) -> None:
    for number in range(5):
        make_signup(session, f"reader{number}@example.org", "stod", now=NOON)
    session.commit()

    assert [forgetting.forget(session, now=AFTER, most=2) for _ in range(4)] == [2, 2, 1, 0]
    session.commit()
    assert known(session) == []


def test_nothing_of_the_news_is_touched(app: Flask, session: Session) -> None:
    make_subscriber(session, "ana@example.org", "stod", now=NOON - DAY)
    make_item(session, "stod", published_at=NOON - HOUR)
    session.commit()
    deliver_everything(app, session, MemoryTransport(), now=NOON)
    make_signup(session, "bo@example.org", "stod", now=NOON)
    before = read_tables(session)

    forget(session)

    after = read_tables(session)
    gone = {name for name in before if before[name] != after[name]}
    assert gone == {"subscriber", "signup", "signup_topic"}


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_who_asks_anew_while_the_old_request_is_forgotten_keeps_the_new_one(
    session: Session, other_session: Session
) -> None:
    make_signup(session, "ana@example.org", "stod", now=NOON)
    session.commit()
    problems: list[BaseException] = []

    def forget_meanwhile() -> None:
        try:
            forget(other_session)
        except BaseException as error:
            problems.append(error)

    asked = signup.ask(
        session,
        read_address("ana@example.org"),
        topics.find_topics(session, ["kultur"]),
        frequency="direct",
        language="sv",
        source="web",
        consent_text="Jag vill.",
        now=AFTER,
        letters_per_hour=5,
    )
    other = threading.Thread(target=forget_meanwhile)
    other.start()
    other.join(0.3)
    assert other.is_alive(), "forgetting must wait for who is asking"
    session.commit()
    other.join(10)

    assert (asked, problems) == (Asked.LETTER, [])
    assert [one.topics[0].slug for one in session.scalars(sa.select(Signup))] == ["kultur"]
    assert known(session) == ["ana@example.org"]


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_asking_whether_there_is_something_to_do_reads_an_index_only(session: Session) -> None:
    """It is asked every second; so it must cost nothing, however many have said yes."""
    asked: list[tuple[str, Any]] = []
    connection = session.connection()
    sa.event.listen(connection, "before_cursor_execute", lambda *said: asked.append((said[2], said[3])))

    reminding.remind(session, now=NOON)
    forgetting.forget(session, now=NOON)

    looks = list(asked)
    connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
    plans = ["\n".join(connection.exec_driver_sql(f"EXPLAIN {look}", values).scalars()) for look, values in looks]
    indexes = ("ix_signup_remind_at", "ix_signup_waiting", "ix_personal_letter_asked_at", "ix_reader_session_ends_at")
    assert len(plans) == len(indexes)
    for plan, index in zip(plans, indexes, strict=True):
        assert index in plan
        assert "Seq Scan" not in plan
