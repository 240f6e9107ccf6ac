"""The migrations make just the tables that the models describe, and take them away again."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from click.testing import Result
from flask import Flask
from sqlalchemy.engine import make_url

from config import PROJECT
from newsroom import create_app
from newsroom.extensions import Base, db
from tests.conftest import POSTGRES_URL, missing, settings


@pytest.fixture
def empty_postgres(worker_id: str) -> Iterator[str]:
    """The address of a PostgreSQL database of this test's own, with nothing in it."""
    name = f"newsroom_empty_{os.getpid()}_{worker_id}"
    url = make_url(POSTGRES_URL)
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with server.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    except sa.exc.OperationalError as error:
        missing(f"PostgreSQL doesn't answer at NEWSROOM_TEST_POSTGRES_URL: {error.orig}")
    yield url.set(database=name).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    server.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def app(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flask]:
    """An app on a database without tables, of both kinds in turn."""
    url = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("empty_postgres")
    app = create_app(settings(tmp_path, SQLALCHEMY_DATABASE_URI=url))
    yield app
    with app.app_context():
        db.engine.dispose()


def run(app: Flask, *args: str) -> Result:
    return app.test_cli_runner().invoke(args=["db", *args])


def tables(app: Flask) -> set[str]:
    with app.app_context(), db.engine.connect() as connection:
        return set(sa.inspect(connection).get_table_names())


OURS = {table.name for table in Base.metadata.sorted_tables}


def test_up_down_and_up_again_leaves_just_what_the_models_describe(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        assert run(app, "upgrade").exit_code == 0
        assert tables(app) == OURS | {"alembic_version"}
        assert run(app, "check").exit_code == 0, caplog.text

        assert run(app, "downgrade", "base").exit_code == 0
        assert tables(app) == {"alembic_version"}


def test_a_table_that_has_drifted_is_found(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    run(app, "upgrade")
    with app.app_context(), db.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE topic ADD COLUMN colour text")
    assert run(app, "check").exit_code != 0
    assert "colour" in caplog.text


def test_upgrading_twice_changes_nothing(app: Flask) -> None:
    assert [run(app, "upgrade").exit_code for _ in range(2)] == [0, 0]
    assert tables(app) == OURS | {"alembic_version"}


def test_there_is_one_newest_migration_and_upgrading_ends_there(app: Flask) -> None:
    (head,) = ScriptDirectory(str(PROJECT / "migrations")).get_heads()
    run(app, "upgrade")
    with app.app_context(), db.engine.connect() as connection:
        assert MigrationContext.configure(connection).get_current_heads() == (head,)
