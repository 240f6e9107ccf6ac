"""What tests share: an app on SQLite and, where one answers, on PostgreSQL; a session of the test's own; a client.

The test's session and the app's are apart, as two people's are: commit before asking the app.
"""

import contextlib
import gc
import os
import random
import shutil
import socket
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import flask_migrate
import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from jinja2 import FileSystemBytecodeCache
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.orm import Session
from sqlalchemy.util import LRUCache
from werkzeug.routing import Rule

import config
from newsroom import clock, create_app
from newsroom.extensions import Base, db
from tests.letters import Specimen, write_letters

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# TRUNCATE makes new files for every table and index; deleting a test's few rows takes a tenth of the time.
EMPTY_POSTGRES = f"""
{"".join(f'DELETE FROM "{table.name}";' for table in reversed(Base.metadata.sorted_tables))}
SELECT setval(seqrelid, seqstart, false) FROM pg_sequence;
"""
CI = os.environ.get("CI") == "true"
POSTGRES_URL = os.environ.get("NEWSROOM_TEST_POSTGRES_URL", "postgresql+psycopg://postgres@127.0.0.1/postgres")
DATABASES = ["sqlite", "postgresql"]
DOORS = ("cli", "desk", "feeds", "public")
LONG_ENOUGH = 180  # Seconds for what takes a few on an idle machine. A limit that proves something is a test's own.
SECRET = "a secret for tests alone, long enough to be one"


# How long an example takes says something of the machine only.
hypothesis_settings.register_profile("ours", deadline=None, suppress_health_check=[HealthCheck.too_slow])
hypothesis_settings.load_profile("ours")


def settings(instance: Path, **changes: Any) -> dict[str, Any]:
    """Settings as `config.load` makes them, with changes as the environment would give them."""
    environ = {"NEWSROOM_INSTANCE_PATH": str(instance), "NEWSROOM_SECRET_KEY": SECRET}
    return config.load(environ | {f"NEWSROOM_{name}": str(value) for name, value in changes.items()}) | {
        "TESTING": True,
        "RATELIMIT_ENABLED": False,
    }


def missing(what: str) -> None:
    """Something that a test needs isn't there: a skip at home, a failure in CI."""
    if CI:
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


def wait_for(condition: Callable[[], bool], *, seconds: float = LONG_ENOUGH, pause: float = 0.2) -> None:
    """Return once something holds; fail where it doesn't come to hold.

    It asks less and less often, up to every `pause` seconds: what is waited for needs the processor, too.
    """
    end, rest = time.monotonic() + seconds, 0.01
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(rest)
        rest = min(1.3 * rest, pause)


def free_port() -> int:
    """A port that nobody takes while its server is down: below those that outgoing connections are given."""
    for _ in range(100):
        port = random.randrange(15_000, 30_000)
        with contextlib.suppress(OSError):
            socket.create_server(("127.0.0.1", port)).close()
            return port
    raise AssertionError("no port is free")


def listens(port: int) -> bool:
    """Whether a server answers the door there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
    except OSError:
        return False
    return True


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Let tests run on both kinds of database; those of a door on one of them, half on each.

    Doors leave what a database could do in another way to the rooms, whose tests run on both; and on both every link is
    followed and every form sent.
    """
    chosen = [mark.args[0] for mark in metafunc.definition.iter_markers("parametrize")]
    if "database" not in metafunc.fixturenames or "database" in chosen:
        return
    kinds = DATABASES
    if metafunc.definition.path.parent.name in DOORS:
        turn = zlib.crc32(metafunc.function.__name__.encode()) % len(DATABASES)  # The same in every process and run.
        kinds = DATABASES[turn : turn + 1]
    metafunc.parametrize("database", kinds, indirect=True)


def pytest_collection_finish() -> None:
    """What is there by now stays: looking through it again and again for garbage took a quarter of the tests' time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_sessionstart() -> None:
    if not CI or os.environ.get("PYTEST_XDIST_WORKER"):
        return
    for name, port in (("PostgreSQL", make_url(POSTGRES_URL).port or 5432), ("RabbitMQ", 5672), ("Redis", 6379)):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError as error:
            pytest.exit(f"CI needs {name} on port {port}: {error}", returncode=1)


@pytest.fixture(scope="session", autouse=True)
def _compiled_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """An app of its own for every test would compile the same routes, templates and SQL anew, longer than most take.

    What werkzeug compiles for a rule depends on the rule alone, what Jinja does for a template on its text, and what
    SQLAlchemy does for a statement on the statement and on the kind of database.
    """
    options = {"bytecode_cache": FileSystemBytecodeCache(str(tmp_path_factory.mktemp("templates")))}
    compile_rule, kept = Rule.compile, {}

    def compile_once(rule: Rule) -> None:
        key = (rule.rule, rule.subdomain, rule.host, str(rule.defaults))
        if key not in kept:
            compile_rule(rule)
            names = ("arguments", "_parts", "_trace", "_converters", "_build", "_build_unknown")
            kept[key] = {name: getattr(rule, name) for name in names}
        vars(rule).update(kept[key])

    statements: LRUCache[Any, Any] = LRUCache(10_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Engine, "_compiled_cache", property(lambda _: statements, lambda *_: None), raising=False)
        for dialect in (SQLiteDialect_pysqlite, PGDialect_psycopg):  # Their statements are kept by these.
            patch.setattr(dialect, "__hash__", lambda one: hash(type(one)))
            patch.setattr(dialect, "__eq__", lambda one, other: type(one) is type(other))
        patch.setattr(Rule, "compile", compile_once)
        patch.setattr(Flask, "jinja_options", options)
        yield


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with all tables, migrated once and copied for each test."""
    folder = tmp_path_factory.mktemp("migrated")
    app = create_app(settings(folder))
    with app.app_context():
        flask_migrate.upgrade()
        with db.engine.connect() as connection:
            connection.exec_driver_sql("SELECT 1")
        db.engine.dispose()
    with sa.create_engine(app.config["SQLALCHEMY_DATABASE_URI"]).connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.invalidate()
    return folder / "newsroom.sqlite3"


@pytest.fixture(scope="session")
def migrated_postgres(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Iterator[str]:
    """The address of a PostgreSQL database of this test worker's own, with all tables."""
    name = f"newsroom_test_{os.getpid()}_{worker_id}"
    url = make_url(POSTGRES_URL)
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with server.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
            # Tests of a crash have a server of their own; on this one no commit has to wait for the disk.
            connection.exec_driver_sql(f"ALTER DATABASE {name} SET synchronous_commit = off")
    except sa.exc.OperationalError as error:
        missing(f"PostgreSQL doesn't answer at NEWSROOM_TEST_POSTGRES_URL: {error.orig}")
    own = url.set(database=name).render_as_string(hide_password=False)
    app = create_app(settings(tmp_path_factory.mktemp("postgres"), SQLALCHEMY_DATABASE_URI=own))
    with app.app_context():
        flask_migrate.upgrade()
        db.engine.dispose()
    yield own
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    server.dispose()


@pytest.fixture(scope="session")
def postgres_cleaner(migrated_postgres: str) -> Iterator[sa.Engine]:
    """A lasting connection by which the worker's database is emptied after each test."""
    # Tests of a crash cut it off.
    engine = sa.create_engine(migrated_postgres, pool_pre_ping=True, isolation_level="AUTOCOMMIT")
    yield engine
    engine.dispose()


@pytest.fixture
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of an empty migrated database, of the kind that `pytest_generate_tests` says."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("migrated_sqlite"), tmp_path / "newsroom.sqlite3")
        yield f"sqlite:///{tmp_path / 'newsroom.sqlite3'}"
        return
    cleaner: sa.Engine = request.getfixturevalue("postgres_cleaner")
    yield request.getfixturevalue("migrated_postgres")
    with cleaner.connect() as connection:
        connection.exec_driver_sql(EMPTY_POSTGRES)
        connection.exec_driver_sql("VACUUM")  # Rows of a large mailing are in the way of all tests that follow.


@pytest.fixture
def app(database: str, tmp_path: Path) -> Iterator[Flask]:
    """An app on an empty database."""
    app = create_app(settings(tmp_path, SQLALCHEMY_DATABASE_URI=database))
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture
def session(app: Flask) -> Iterator[Session]:
    """The test's own way to the database."""
    with app.app_context():
        engine = db.engine
    with Session(engine) as session:
        yield session


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    """A reader, with a jar for the cookies that shouldn't come."""
    return app.test_client()


@pytest.fixture(scope="session")
def letters_app(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An installation at https://nyheter.example.org, for the letters that it writes."""
    folder = tmp_path_factory.mktemp("letters")
    shutil.copy(migrated_sqlite, folder / "newsroom.sqlite3")
    changes = {
        "PUBLIC_URL": "https://nyheter.example.org",
        "MAIL_SERVER": "127.0.0.1",
        "MAIL_DEFAULT_SENDER": "nyheter@nyheter.example.org",
        "MAIL_REPLY_TO": "press@example.org",
    }
    app = create_app(settings(folder, **changes))
    yield app
    with app.app_context():
        db.engine.dispose()


@pytest.fixture(scope="session")
def letters(letters_app: Flask) -> Mapping[tuple[str, str], Specimen]:
    """Every kind of letter in both languages, as tests/letters.py lists them."""
    with letters_app.app_context():
        engine = db.engine
    with Session(engine) as session:
        return write_letters(letters_app, session, by=clock.now())


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Chromium as the machine has it."""
    from playwright.sync_api import sync_playwright

    own = os.environ.get("NEWSROOM_TEST_BROWSER", "")
    names = [own, "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]
    path = next((found for found in map(shutil.which, filter(None, names)) if found), None)
    if path is None:
        missing("no Chromium; Debian: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()
