"""The engine notices at once what another process writes, where the database can tell."""

from contextlib import ExitStack, closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom import clock
from newsroom.engine.watching import Watch
from tests.conftest import wait_for
from tests.engine.common import Processes, is_done, publish, stop
from tests.factories import make_audience, make_topics
from tests.smtp_server import RoughServer


def test_a_commit_by_anybody_is_noticed_once(session: Session) -> None:
    engine = session.get_bind()
    assert isinstance(engine, sa.Engine)
    with closing(Watch(engine)) as watch:
        watch.has_changed()
        alone = engine.dialect.name == "sqlite"  # PostgreSQL's number is the whole server's, of other tests too.
        assert not (alone and watch.has_changed())

        make_topics(session)
        assert not (alone and watch.has_changed())
        session.commit()

        assert watch.has_changed()
        assert not (alone and watch.has_changed())


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_commit_that_was_begun_before_another_one_is_noticed_too(session: Session) -> None:
    engine = session.get_bind()
    assert isinstance(engine, sa.Engine)
    make_topics(session)
    with closing(Watch(engine)) as watch, Session(engine) as faster:
        watch.has_changed()
        faster.execute(sa.text("SELECT pg_current_xact_id()"))
        faster.commit()
        assert watch.has_changed()
        session.commit()
        assert watch.has_changed()


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_a_watch_whose_connection_was_cut_goes_on(session: Session) -> None:
    engine = session.get_bind()
    assert isinstance(engine, sa.Engine)
    with closing(Watch(engine)) as watch:
        watch.has_changed()
        others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        own = "datname = current_database() AND pid != pg_backend_pid()"
        session.execute(sa.text(f"{others} WHERE {own}"))
        session.commit()
        assert not watch.has_changed()
        make_topics(session)
        session.commit()
        assert watch.has_changed()


@pytest.mark.slow
@pytest.mark.xdist_group("load")
def test_what_is_published_by_another_process_leaves_long_before_the_next_look(app: Flask, session: Session) -> None:
    make_audience(session, 3, now=clock.now())
    processes = Processes(app)
    with ExitStack() as at_the_end, RoughServer() as server:
        at_the_end.callback(processes.kill_all)
        engine = processes.start("engine", "run", mail_port=server.port, ENGINE_PAUSE_SECONDS=60)
        wait_for((Path(app.instance_path) / "installation.json").exists)  # Its first look has begun.
        publish(session)
        wait_for(lambda: is_done(session), seconds=40)
        stop(engine)
    assert len(server.taken) == 3
