"""The cluster engine: its processes killed, its broker and its database taken away in the middle of a mailing."""

import contextlib
import logging
import os
import random
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

import flask_migrate
import pytest
import redis
import sqlalchemy as sa
from flask import Flask
from kombu import Connection, Exchange, Queue
from sqlalchemy.orm import Session

from newsroom import clock, create_app
from newsroom.delivery.models import Batch, Delivery, Mailing
from newsroom.engine import cluster as cluster_engine
from newsroom.engine.cluster import NEWS, TICKS, Bell, NobodyHears, make_celery, prefix_of
from newsroom.engine.rules import rules_of
from newsroom.engine.sender import Sender, journal_folder
from newsroom.extensions import db
from tests.conftest import LONG_ENOUGH, listens, missing, settings, wait_for
from tests.engine.common import (
    SENDERS,
    OwnPostgres,
    OwnRabbitMQ,
    Processes,
    check_ledger,
    check_letters,
    is_done,
    kill,
    look,
    open_door,
    publish,
    stop,
)
from tests.engine.forking import Running
from tests.factories import make_audience, make_signup, tick_through
from tests.smtp_server import RoughServer

SUBSCRIBERS = 20_000
KILLS = 20
RABBITMQ_PORT, REDIS_PORT = 5672, 6379

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("load"),
    pytest.mark.parametrize("database", ["postgresql"], indirect=True),
]


def need_port(port: int, name: str) -> None:
    if not listens(port):
        missing(f"{name} doesn't answer on port {port}")


@pytest.fixture
def installation() -> Iterator[str]:
    """A name for the test's own queues; whatever was made under it at a broker goes after the test."""
    name = f"test-{secrets.token_hex(6)}"
    yield name
    with (
        contextlib.suppress(OSError),
        Connection(f"amqp://guest:guest@127.0.0.1:{RABBITMQ_PORT}//", connect_timeout=2) as connection,
    ):
        channel = connection.channel()
        exchange = Exchange(f"newsroom.{name}", type="direct")
        for queue in ("ticks", "first", "news"):
            Queue(f"newsroom.{name}.{queue}", exchange).bind(channel).delete()
        exchange.bind(channel).delete()
    with contextlib.suppress(redis.ConnectionError):
        client = redis.Redis(port=REDIS_PORT)
        for key in client.scan_iter(f"newsroom.{name}:*"):
            client.delete(key)


def rabbitmq(port: int = RABBITMQ_PORT) -> str:
    """The address of a RabbitMQ; without a port, of the one that the tests share."""
    if port == RABBITMQ_PORT:
        need_port(port, "RabbitMQ")
    return f"amqp://guest:guest@127.0.0.1:{port}//"


T = TypeVar("T")
StartCluster = Callable[..., Processes]


@pytest.fixture
def start_cluster(app: Flask, installation: str) -> Iterator[StartCluster]:
    """Starts a beat, and gives what starts workers on the test's database; none outlives the test."""
    started: list[Processes] = []

    def start(broker: str, *, on: Flask = app, **settings: object) -> Processes:
        chosen: dict[str, object] = {"ENGINE": "cluster", "BROKER_URL": broker, "INSTALLATION": installation}
        chosen |= settings
        started.append(Processes(on, chosen))
        started[-1].start("beat", mail_port=1)
        return started[-1]

    yield start
    for processes in started:
        processes.kill_all()


def accepted(session: Session) -> int:
    found = session.scalar(sa.select(sa.func.count()).where(Delivery.state == "accepted")) or 0
    session.rollback()
    return found


def test_killed_twenty_times_nobody_is_missing_and_doubles_are_only_what_was_on_the_wires(
    session: Session, start_cluster: StartCluster
) -> None:
    make_audience(session, SUBSCRIBERS, now=clock.now())
    publish(session)
    chance = random.Random(20261112)
    cluster = start_cluster(rabbitmq())

    with RoughServer() as server:
        # One that works and one that has just been started, so that the mailing never waits for a process to load.
        workers: list[Running] = []

        def add_worker(number: int) -> None:
            lanes = ("all", "news")[number % 2]
            workers.append(cluster.start("worker", "--lanes", lanes, mail_port=server.port))

        add_worker(0)
        add_worker(1)
        for number in range(KILLS):
            goal = (number + 1) * 850 + chance.randrange(600)
            wait_for(lambda goal=goal: len(server.taken) >= goal, pause=0.02)  # type: ignore[misc]
            time.sleep(chance.random() / 50)
            kill(workers.pop(0))
            add_worker(number)
        assert not is_done(session)
        wait_for(lambda: is_done(session))
        for worker in workers:
            stop(worker)

    check_letters(server.taken, SUBSCRIBERS, most_doubles=KILLS * SENDERS)
    check_ledger(session, SUBSCRIBERS)


def test_what_is_published_leaves_long_before_the_next_beat(
    app: Flask, session: Session, start_cluster: StartCluster
) -> None:
    make_audience(session, 3, now=clock.now())
    make_signup(session, "first@example.org", "stod", now=clock.now())
    session.commit()
    cluster = start_cluster(rabbitmq(), ENGINE_PAUSE_SECONDS=60)
    with RoughServer() as server:
        worker = cluster.start("worker", mail_port=server.port)
        wait_for(lambda: len(server.taken) == 1)  # The first tick is over.
        publish(session)
        wait_for(lambda: is_done(session), seconds=40)
        stop(worker)
    check_letters(server.taken[1:], 3, most_doubles=0)


def test_without_its_broker_for_a_while_it_takes_in_news_and_sends_everything_once(
    app: Flask, session: Session, start_cluster: StartCluster
) -> None:
    make_audience(session, 3_000, now=clock.now())
    need_port(RABBITMQ_PORT, "RabbitMQ")
    with open_door(RABBITMQ_PORT) as door, RoughServer(delay=0.0005) as server:
        cluster = start_cluster(rabbitmq(door.port))
        worker = cluster.start("worker", mail_port=server.port)
        publish(session)
        wait_for(lambda: len(server.taken) > 300, pause=0.02)
        door.shut()
        time.sleep(3)
        make_signup(session, "late@example.org", "stod", now=clock.now())
        session.commit()
        door.open()
        wait_for(lambda: is_done(session))
        wait_for(lambda: any(one.to == "late@example.org" for one in server.taken))
        stop(worker)

    check_letters([one for one in server.taken if one.to != "late@example.org"], 3_000, most_doubles=0)
    check_ledger(session, 3_000)


def test_a_broker_that_comes_only_later_and_then_crashes_is_waited_for_twice(
    session: Session, start_cluster: StartCluster
) -> None:
    make_audience(session, 2_000, now=clock.now())
    with OwnRabbitMQ() as broker, RoughServer(delay=0.0005) as server:
        cluster = start_cluster(rabbitmq(broker.port))
        worker = cluster.start("worker", mail_port=server.port)
        publish(session)
        time.sleep(1)
        assert server.taken == []
        broker.start()
        wait_for(lambda: len(server.taken) > 200, pause=0.02)
        broker.kill()
        broker.start()
        make_signup(session, "late@example.org", "stod", now=clock.now())
        session.commit()
        wait_for(lambda: is_done(session))
        wait_for(lambda: any(one.to == "late@example.org" for one in server.taken))
        stop(worker)
    check_letters([one for one in server.taken if one.to != "late@example.org"], 2_000, most_doubles=0)
    check_ledger(session, 2_000)


@pytest.mark.parametrize("engine", ["embedded", "cluster"])
def test_its_database_crashing_in_the_middle_costs_no_letter(
    engine: str, tmp_path: Path, start_cluster: StartCluster
) -> None:
    with OwnPostgres() as postgres:
        app = create_app(settings(tmp_path / "own", SQLALCHEMY_DATABASE_URI=postgres.url))
        with app.app_context():
            flask_migrate.upgrade()
            database = db.engine
        with Session(database) as session, RoughServer(delay=0.0003) as server:
            make_audience(session, 3_000, now=clock.now())
            publish(session)
            running = start_engine(engine, app, server.port, start_cluster)
            for goal in (0, 500, 1_700):  # The first while others are still being matched.
                wait_for(lambda goal=goal: len(server.taken) > goal, pause=0.02)  # type: ignore[misc]
                postgres.restart()
            database.dispose()
            wait_for(lambda: is_done(session))
            stop(running)
            check_letters(server.taken, 3_000, most_doubles=3 * SENDERS)
            check_ledger(session, 3_000)
        database.dispose()


def start_engine(engine: str, app: Flask, port: int, start_cluster: StartCluster) -> Running:
    if engine == "cluster":
        return start_cluster(rabbitmq(), on=app).start("worker", mail_port=port)
    return Processes(app).start("engine", "run", mail_port=port)


def test_over_redis_a_confirmation_overtakes_a_mailing_and_a_stopped_worker_leaves_nothing_half_done(
    app: Flask, session: Session, start_cluster: StartCluster
) -> None:
    make_audience(session, 3_000, now=clock.now())
    need_port(REDIS_PORT, "Redis")
    cluster = start_cluster(f"redis://127.0.0.1:{REDIS_PORT}/0")
    cluster.start("beat", mail_port=1)  # A second one does no harm.
    with RoughServer(delay=0.003) as server:
        worker = cluster.start("worker", mail_port=server.port)
        publish(session)
        wait_for(lambda: len(server.taken) > 10, pause=0.02)
        make_signup(session, "late@example.org", "stod", now=clock.now())
        session.commit()
        wait_for(lambda: any(one.to == "late@example.org" for one in server.taken))
        stop(worker)
        before = len(server.taken)
        assert before < 3_000
        assert accepted(session) == before
        assert look(session, sa.select(Batch.state).where(Batch.worker.is_not(None))) is None
        assert list(journal_folder(app).iterdir()) == []

        worker = cluster.start("worker", mail_port=server.port)
        server.delay = 0
        wait_for(lambda: is_done(session))
        stop(worker)
    check_letters([one for one in server.taken if one.to != "late@example.org"], 3_000, most_doubles=0)
    check_ledger(session, 3_000)


def test_the_process_for_confirmations_is_started_again_and_ends_with_the_other(
    session: Session, start_cluster: StartCluster
) -> None:
    make_audience(session, 1, now=clock.now())
    cluster = start_cluster(rabbitmq())
    with RoughServer() as server:
        worker = cluster.start("worker", "--lanes", "all", mail_port=server.port)
        wait_for(lambda: len(children(worker.pid)) == 1)
        (first,) = children(worker.pid)
        os.kill(first, signal.SIGKILL)
        wait_for(lambda: children(worker.pid) not in ([], [first]))
        (second,) = children(worker.pid)
        make_signup(session, "late@example.org", "stod", now=clock.now())
        session.commit()
        wait_for(lambda: len(server.taken) == 1)
        worker.kill()
        wait_for(lambda: not Path(f"/proc/{second}").exists())
        worker.wait()


def children(pid: int) -> list[int]:
    """A process's children, whichever of its threads has started them."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):  # The thread has just ended.
            found.extend(map(int, path.read_text().split()))
    return found


@pytest.mark.parametrize(("scheme", "port"), [("amqp", RABBITMQ_PORT), ("redis", REDIS_PORT)])
def test_ringing_never_hangs_at_a_broker_that_stands_still(
    app: Flask, installation: str, scheme: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_port(port, scheme)
    monkeypatch.setattr(cluster_engine, "TICK_SECONDS", LONG_ENOUGH)  # None is to expire before it is counted.

    def make_bell(port: int) -> Bell:
        app.config.update(BROKER_URL=f"{scheme}://127.0.0.1:{port}/", INSTALLATION=installation)
        return Bell(make_celery(app), prefix_of(app))

    with open_door(port) as door:
        bell = make_bell(door.port)
        for _ in range(3):
            bell.ring_tick()
        bell.ring(1, queue=NEWS)
        for ring in (bell.ring_tick, lambda: bell.ring(2, queue=NEWS)):
            door.stick()
            began = time.monotonic()
            with pytest.raises(NobodyHears):
                ring()
            assert time.monotonic() - began < 8
            door.shut()
            door.open()
            bell.ring(3, queue=NEWS)
        bell.close()
    bell = make_bell(port)
    assert [bell._count(queue) for queue in (TICKS, NEWS)] == [1, 3]
    bell.close()


def at_once(*works: Callable[[], T]) -> list[T]:
    """Do several things in threads that start together; gives what came of them."""
    together = threading.Barrier(len(works))

    def do(work: Callable[[], T]) -> T:
        together.wait(timeout=30)
        return work()

    with ThreadPoolExecutor(len(works)) as pool:
        return list(pool.map(do, works))


def test_two_ticks_at_the_same_instant_make_one_mailing_and_one_letter_each(
    app: Flask, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    make_audience(session, 50, now=clock.now())
    rules = rules_of(app)

    def tick_alone() -> None:
        with app.app_context():
            tick_through(db.session(), rules, now=clock.now())

    for number in range(1, 11):
        publish(session)
        make_signup(session, f"new{number}@example.org", "stod", now=clock.now())
        session.commit()
        at_once(tick_alone, tick_alone, tick_alone)
        tick_alone()
        kinds = session.execute(sa.select(Mailing.kind, sa.func.count()).group_by(Mailing.kind)).all()
        assert {row[0]: row[1] for row in kinds} == {"news": number, "confirmation": number}
        assert set(session.scalars(sa.select(Mailing.state))) == {"sending"}
        assert session.scalar(sa.select(sa.func.count(Delivery.id))) == number * 51
        session.rollback()
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_two_workers_on_one_batch_send_it_once(app: Flask, session: Session) -> None:
    make_audience(session, 300, now=clock.now())
    publish(session)
    rules = rules_of(app)
    with RoughServer() as server:
        app.extensions["mail"].port = server.port
        with app.app_context():
            tick_through(db.session(), rules, now=clock.now())
        batches = session.scalars(sa.select(Batch.id)).all()
        session.rollback()
        senders = [Sender(app, rules, f"test:{number}", should_stop=lambda: False) for number in range(2)]

        def send(sender: Sender, batch_id: int) -> bool:
            with app.app_context():
                return sender.send(batch_id)

        for batch_id in batches:
            assert sorted(at_once(*(partial(send, sender, batch_id) for sender in senders))) == [False, True]
        for sender in senders:
            sender.close()
    check_letters(server.taken, 300, most_doubles=0)
