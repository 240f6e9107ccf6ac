"""The engine as a process of its own, killed in the middle of its work, and stopped in good order."""

import datetime as dt
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from email import message_from_bytes
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom import clock
from newsroom.delivery import ledger
from newsroom.delivery.models import Delivery, Mailing
from newsroom.delivery.sending import recover
from newsroom.extensions import reading
from newsroom.subscribers.models import Subscriber, Subscription
from tests.factories import make_item, make_signup, make_topics
from tests.smtp_server import RoughServer, Taken

SUBSCRIBERS = 20_000
KILLS = 20
SENDERS = 2


StartEngine = Callable[[int], subprocess.Popen[bytes]]


@pytest.fixture
def start_engine(app: Flask) -> Iterator[StartEngine]:
    """Starts engines on the test's database, for a mail server's port; none outlives the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(port: int) -> subprocess.Popen[bytes]:
        started.append(run_engine(app, port))
        return started[-1]

    yield start
    for engine in started:
        engine.kill()
        engine.wait()


def run_engine(app: Flask, port: int) -> subprocess.Popen[bytes]:
    environ = os.environ | {
        "NEWSROOM_INSTANCE_PATH": app.instance_path,
        "NEWSROOM_SECRET_KEY": app.config["SECRET_KEY"],
        "NEWSROOM_SQLALCHEMY_DATABASE_URI": app.config["SQLALCHEMY_DATABASE_URI"],
        "NEWSROOM_MAIL_SERVER": "127.0.0.1",
        "NEWSROOM_MAIL_PORT": str(port),
        "NEWSROOM_ENGINE_SENDERS": str(SENDERS),
        "NEWSROOM_BATCH_SIZE": "100",
    }
    return subprocess.Popen([sys.executable, "-m", "newsroom", "engine", "run"], env=environ)


def fill(session: Session, count: int) -> None:
    """Subscribers to one topic, put in as rows: these tests are about what comes after."""
    topic_id = make_topics(session)["stod"].id
    now = clock.now()
    session.execute(
        sa.insert(Subscriber),
        [
            {"address": name, "address_key": name, "created_at": now, "confirmed_at": now, "language": "sv"}
            for name in (f"r{number}@example.org" for number in range(count))
        ],
    )
    subscription = {"topic_id": topic_id, "frequency": "direct", "source": "test", "began_at": now}
    session.execute(
        sa.insert(Subscription),
        [{"subscriber_id": one, **subscription} for one in session.scalars(sa.select(Subscriber.id))],
    )
    session.commit()


def wait_for(condition: Callable[[], bool], *, seconds: float) -> None:
    """Return once something holds; fail where it doesn't come to hold."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def look(session: Session, statement: sa.Select[str]) -> str | None:
    """A value as it is now, with no transaction left open that would stand in the engine's way."""
    with reading():
        found = session.scalar(statement)
        session.rollback()
    return found


def is_done(session: Session) -> bool:
    return look(session, sa.select(Mailing.state).where(Mailing.kind == "news")) == "done"


@pytest.mark.slow
@pytest.mark.xdist_group("load")
def test_killed_twenty_times_nobody_is_missing_and_doubles_are_only_what_was_on_the_wires(
    app: Flask, session: Session, start_engine: StartEngine
) -> None:
    fill(session, SUBSCRIBERS)
    make_item(session, "stod", published_at=clock.now() - dt.timedelta(seconds=1))
    session.commit()
    chance = random.Random(20261112)

    with RoughServer() as server:
        for kill in range(KILLS):
            engine = start_engine(server.port)
            goal = (kill + 1) * 900 + chance.randrange(600)
            wait_for(lambda goal=goal: len(server.taken) >= goal, seconds=60)  # type: ignore[misc]
            time.sleep(chance.random() / 50)
            engine.send_signal(signal.SIGKILL)
            engine.wait()
        assert not is_done(session)
        engine = start_engine(server.port)
        wait_for(lambda: is_done(session), seconds=120)
        engine.terminate()
        assert engine.wait(20) == 0

    received = Counter(one.to for one in server.taken)
    assert set(received) == {f"r{number}@example.org" for number in range(SUBSCRIBERS)}
    assert len(server.taken) - SUBSCRIBERS <= KILLS * SENDERS
    for address, times in received.items():
        if times > 1:
            ids = {message_from_bytes(one.letter)["Message-ID"] for one in server.taken if one.to == address}
            assert len(ids) == 1
    mailing_id = session.scalars(sa.select(Mailing.id)).one()
    assert ledger.totals(session, mailing_id) == {"selected": SUBSCRIBERS, "accepted": SUBSCRIBERS}


@pytest.mark.slow
@pytest.mark.xdist_group("load")
def test_killed_after_the_letter_left_and_before_the_answer_leaves_an_uncertain_letter_that_is_not_forgotten(
    app: Flask, session: Session, start_engine: StartEngine
) -> None:
    fill(session, 1)
    make_item(session, "stod", published_at=clock.now() - dt.timedelta(seconds=1))
    session.commit()

    caught: list[Taken] = []
    with RoughServer(silent_at="dot", on_letter=caught.append) as server:
        engine = start_engine(server.port)
        wait_for(lambda: len(caught) == 1, seconds=30)
        engine.send_signal(signal.SIGKILL)
        engine.wait()
        assert _state(session) == "waiting"

    with app.app_context():
        assert recover(session, Path(app.instance_path) / "journals", now=clock.now()) == SENDERS + 1
    assert _state(session) == "uncertain"
    with RoughServer() as server:
        engine = start_engine(server.port)
        wait_for(lambda: _state(session) == "accepted", seconds=30)
        engine.terminate()
        engine.wait(20)
    assert len(server.taken) == 1


def _state(session: Session) -> str | None:
    return look(session, sa.select(Delivery.state))


@pytest.mark.slow
@pytest.mark.xdist_group("load")
def test_a_confirmation_overtakes_a_mailing_that_occupies_every_other_connection(
    app: Flask, session: Session, start_engine: StartEngine
) -> None:
    fill(session, 300)
    make_item(session, "stod", published_at=clock.now() - dt.timedelta(seconds=1))
    session.commit()

    with RoughServer(delay=0.01) as server:
        engine = start_engine(server.port)
        wait_for(lambda: len(server.taken) > 10, seconds=30)
        make_signup(session, "late@example.org", "stod", now=clock.now())
        session.commit()
        wait_for(lambda: any(one.to == "late@example.org" for one in server.taken), seconds=30)
        before = len(server.taken)
        engine.terminate()
        assert engine.wait(30) == 0
    assert before < 300


@pytest.mark.slow
@pytest.mark.xdist_group("load")
def test_two_engines_on_one_database_share_the_work_and_each_takes_over_when_the_other_dies(
    app: Flask, session: Session, start_engine: StartEngine
) -> None:
    fill(session, 600)
    make_item(session, "stod", published_at=clock.now() - dt.timedelta(seconds=1))
    session.commit()

    with RoughServer(delay=0.002) as server:
        first, second = start_engine(server.port), start_engine(server.port)
        wait_for(lambda: len(server.taken) > 100, seconds=30)
        first.send_signal(signal.SIGKILL)
        first.wait()
        wait_for(lambda: is_done(session), seconds=60)
        second.terminate()
        assert second.wait(20) == 0
    received = Counter(one.to for one in server.taken)
    assert set(received) == {f"r{number}@example.org" for number in range(600)}
    assert received.total() - 600 <= SENDERS
