"""The engine as a process of its own, killed in the middle of its work, and stopped in good order."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom import clock
from newsroom.delivery.models import Delivery
from newsroom.delivery.sending import recover
from tests.conftest import wait_for
from tests.engine.common import (
    SENDERS,
    Processes,
    check_ledger,
    check_letters,
    is_done,
    kill,
    look,
    publish,
    stop,
)
from tests.engine.forking import Running
from tests.factories import make_audience, make_signup
from tests.smtp_server import RoughServer, Taken

KILLS = {"sqlite": 20, "postgresql": 5}  # On PostgreSQL the cluster's test goes on to twenty.
LETTERS_A_KILL = 1_000

StartEngine = Callable[..., Running]


@pytest.fixture
def start_engine(app: Flask) -> Iterator[StartEngine]:
    """Starts engines on the test's database, for a mail server's port; none outlives the test."""
    processes = Processes(app)
    yield lambda port, **settings: processes.start("engine", "run", mail_port=port, **settings)
    processes.kill_all()


@pytest.mark.slow
@pytest.mark.xdist_group("load")
def test_killed_again_and_again_nobody_is_missing_and_doubles_are_only_what_was_on_the_wires(
    app: Flask, session: Session, start_engine: StartEngine
) -> None:
    kills = KILLS[session.get_bind().dialect.name]
    subscribers = kills * LETTERS_A_KILL
    make_audience(session, subscribers, now=clock.now())
    publish(session)
    chance = random.Random(20261112)

    with RoughServer() as server:
        for number in range(kills):
            engine = start_engine(server.port)
            goal = (number + 1) * 9 * LETTERS_A_KILL // 10 + chance.randrange(600)
            wait_for(lambda goal=goal: len(server.taken) >= goal, pause=0.02)  # type: ignore[misc]
            time.sleep(chance.random() / 50)
            kill(engine)
        assert not is_done(session)
        engine = start_engine(server.port)
        wait_for(lambda: is_done(session))
        stop(engine)

    check_letters(server.taken, subscribers, most_doubles=kills * SENDERS)
    check_ledger(session, subscribers)


@pytest.mark.slow
@pytest.mark.xdist_group("load")
def test_killed_after_the_letter_left_and_before_the_answer_leaves_an_uncertain_letter_that_is_not_forgotten(
    app: Flask, session: Session, start_engine: StartEngine
) -> None:
    make_audience(session, 1, now=clock.now())
    publish(session)

    caught: list[Taken] = []
    with RoughServer(silent_at="dot", on_letter=caught.append) as server:
        engine = start_engine(server.port)
        wait_for(lambda: len(caught) == 1)
        journals = Path(app.instance_path) / "journals"
        wait_for(lambda: len(list(journals.glob("*.journal"))) == SENDERS + 1)
        kill(engine)
        assert _state(session) == "waiting"

    with app.app_context():
        assert recover(session, journals, now=clock.now()) == SENDERS + 1
    assert _state(session) == "uncertain"
    with RoughServer() as server:
        engine = start_engine(server.port)
        wait_for(lambda: _state(session) == "accepted")
        stop(engine)
    assert len(server.taken) == 1


def _state(session: Session) -> str | None:
    return look(session, sa.select(Delivery.state))


@pytest.mark.slow
@pytest.mark.xdist_group("load")
def test_a_confirmation_overtakes_a_mailing_that_occupies_every_other_connection(
    app: Flask, session: Session, start_engine: StartEngine
) -> None:
    make_audience(session, 2_000, now=clock.now())
    publish(session)

    with RoughServer(delay=0.01) as server:
        engine = start_engine(server.port, ENGINE_PAUSE_SECONDS=60)  # Not even the next look is waited for.
        wait_for(lambda: len(server.taken) > 300, pause=0.02)
        make_signup(session, "late@example.org", "stod", now=clock.now())
        session.commit()
        wait_for(lambda: any(one.to == "late@example.org" for one in server.taken))
        before = len(server.taken)
        stop(engine)
    assert before < 2_000


@pytest.mark.slow
@pytest.mark.xdist_group("load")
def test_two_engines_on_one_database_share_the_work_and_each_takes_over_when_the_other_dies(
    app: Flask, session: Session, start_engine: StartEngine
) -> None:
    make_audience(session, 600, now=clock.now())
    publish(session)

    with RoughServer(delay=0.002) as server:
        first, second = start_engine(server.port), start_engine(server.port)
        wait_for(lambda: len(server.taken) > 100, pause=0.02)
        kill(first)
        wait_for(lambda: is_done(session))
        stop(second)
    check_letters(server.taken, 600, most_doubles=SENDERS)


@pytest.mark.slow
@pytest.mark.xdist_group("load")
def test_a_mailing_is_done_when_its_last_letter_is_and_not_at_the_next_look(
    app: Flask, session: Session, start_engine: StartEngine
) -> None:
    make_audience(session, 300, now=clock.now())
    publish(session)

    with RoughServer() as server:
        engine = start_engine(server.port, ENGINE_PAUSE_SECONDS="60")
        wait_for(lambda: len(server.taken) > 0, pause=0.02)
        wait_for(lambda: is_done(session), seconds=40)
        stop(engine)
    assert len(server.taken) == 300
