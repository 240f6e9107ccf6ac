"""What every room shares: the typed Base, the UTC column, and the Flask extensions. Imports no room.

It also keeps one promise for all doors: a transaction that began while reading cannot write (see `reading`).
"""

import datetime as dt
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import sqlalchemy as sa
from flask import Flask, current_app
from flask_babel import Babel
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_mail import Mail
from flask_migrate import Migrate
from flask_security import Security
from flask_sqlalchemy import SQLAlchemy
from flask_wtf import CSRFProtect
from sqlalchemy.engine import Connection, Dialect
from sqlalchemy.exc import DBAPIError, OperationalError, TimeoutError
from sqlalchemy.orm import DeclarativeBase, Session, registry

TOKEN_LENGTH = 22
DATABASE_ERRORS = (DBAPIError, TimeoutError)  # What the database says, and that no connection to it came free in time.


def make_token() -> str:
    """A random name of 128 bits: always 22 characters from A–Z a–z 0–9 - _."""
    return secrets.token_urlsafe(16)


class UTCDateTime(sa.types.TypeDecorator[dt.datetime]):
    """An aware time, kept in UTC. Refuses a naive one with ValueError, and never gives one back."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without its zone")
        value = value.astimezone(dt.UTC)
        return value.replace(tzinfo=None) if dialect.name == "sqlite" else value

    def process_result_value(self, value: dt.datetime | None, dialect: Dialect) -> dt.datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=dt.UTC) if value.tzinfo is None else value.astimezone(dt.UTC)


class Base(DeclarativeBase):
    """What every table inherits from. Text columns have no set length: the rooms say what is too long."""

    registry = registry(type_annotation_map={dt.datetime: UTCDateTime(), str: sa.Text()})
    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


def _render_item(kind: str, item: Any, context: Any) -> str | bool:
    """Write our column type into migrations without importing it there (Alembic's `render_item`)."""
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def _has_model(name: str | None, _kind: str, _parents: object) -> bool:
    """Whether a table or index is held against the models; those for searching (and what FTS5 keeps of them) aren't."""
    return name is None or not name.startswith(("item_search", "ix_item_search"))


db = SQLAlchemy(model_class=Base)
migrate = Migrate(compare_type=True, render_as_batch=True, render_item=_render_item, include_name=_has_model)
mail = Mail()
security = Security()
csrf = CSRFProtect()
limiter = Limiter(get_remote_address, storage_uri="memory://")
babel = Babel()

_READING: ContextVar[bool] = ContextVar("reading", default=False)


@contextmanager
def reading(on: bool = True) -> Iterator[None]:
    """Transactions that begin inside can't write: the database itself refuses it.

    The doors use it for GET and HEAD, so that "no GET changes anything" doesn't hang on anybody's care. On SQLite
    it has a second use: whoever reads doesn't queue for the one write lock, and whoever writes takes it at once,
    because a transaction that begins by reading and goes on to write fails when another writer was between.
    """
    token = _READING.set(on)
    try:
        yield
    finally:
        _READING.reset(token)


def changed(session: Session, statement: sa.Update | sa.Delete) -> int:
    """Run a conditional statement; says how many rows it changed. Objects in the session don't notice."""
    result: Any = session.execute(statement, execution_options={"synchronize_session": False})
    return int(result.rowcount)


def this_app() -> Flask:
    """The app itself, for what outlives the request or command that asks."""
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app


def init_database(app: Flask) -> None:
    """Bind the database to the app and set each connection up as Newsroom needs it."""
    db.init_app(app)
    with app.app_context():
        engine = db.engine
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _prepare_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    else:
        sa.event.listen(engine, "begin", _begin_postgresql)


def describe_failure(error: DBAPIError | TimeoutError) -> str:
    """A database's failure for a log: its words, or only its kind where the words may hold somebody's data."""
    if isinstance(error, OperationalError):
        return " ".join(str(error.orig).split())
    return type(error.orig if isinstance(error, DBAPIError) else error).__name__


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # We say BEGIN ourselves; the driver would say it too late.
    connection.execute("PRAGMA busy_timeout = 15000")
    connection.execute("PRAGMA foreign_keys = ON")
    try:
        connection.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError:
        return  # A read-only file: reading goes on, and the first write says what is wrong.
    connection.execute("PRAGMA synchronous = FULL")  # A settled letter stays settled when the power fails.


def _begin_sqlite(connection: Connection) -> None:
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    driver.execute(f"PRAGMA query_only = {int(_READING.get())}")
    connection.exec_driver_sql("BEGIN" if _READING.get() else "BEGIN IMMEDIATE")


def _begin_postgresql(connection: Connection) -> None:
    if _READING.get():
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")
