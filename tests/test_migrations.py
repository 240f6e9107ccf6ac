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
from sqlalchemy.orm import Session

from config import PROJECT
from newsroom import create_app
from newsroom.delivery import ledger, progress
from newsroom.delivery.models import Edition, EditionItem, Mailing, MailingItem
from newsroom.extensions import Base, db
from newsroom.news.reading import Within
from newsroom.news.searching import find, read_query
from tests.conftest import POSTGRES_URL, missing, settings
from tests.factories import NOON


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


def all_tables(app: Flask) -> set[str]:
    with app.app_context(), db.engine.connect() as connection:
        return set(sa.inspect(connection).get_table_names())


def tables(app: Flask) -> set[str]:
    """The tables that have a model; the index of words has none, and is tables of each database's own kind."""
    return {name for name in all_tables(app) if not name.startswith("item_search")}


OLD_ROWS = """
    INSERT INTO topic (id, slug, name, name_en, position) VALUES (1, 'a', 'A', 'A', 1), (2, 'b', 'B', 'B', 2);
    INSERT INTO item (id, slug, guid, headline, lede, body, facts, language, announce, version,
        created_at, updated_at, published_at)
        VALUES (7, 'x', 'tag:x', 'X', '', '', '', 'sv', true, 4, :now, :now, :now);
    INSERT INTO subscriber (id, address, address_key, token, language, created_at, confirmed_at)
        VALUES (5, 'ana@example.org', 'ana@example.org', 'token', 'sv', :now, :now);
    INSERT INTO signup (id, subscriber_id, frequency, language, source, consent_text, requested_at, confirmed_at)
        VALUES (9, 5, 'direct', 'sv', 'web', '', :now, :now);
    INSERT INTO mailing (id, key, kind, lane, state, item_id, item_version, signup_id, created_at, matched_at) VALUES
        (1, 'news-key', 'news', 2, 'done', 7, 4, NULL, :now, :now),
        (2, 'confirmation-key', 'confirmation', 0, 'done', NULL, NULL, 9, :now, :now);
    INSERT INTO mailing_topic (mailing_id, topic_id, bit) VALUES (1, 1, 1), (1, 2, 2);
    INSERT INTO edition (id, mailing_id, language, items_key, topics_mask) VALUES
        (1, 1, 'sv', '7:4', 3), (2, 2, 'sv', '', 0);
    INSERT INTO batch (id, mailing_id, number, lane, state, due_at, failures) VALUES
        (1, 1, 0, 2, 'done', :now, 0), (2, 2, 0, 0, 'done', :now, 0);
    INSERT INTO delivery (id, mailing_id, subscriber_id, edition_id, batch_id, state, attempts, lost) VALUES
        (1, 1, 5, 1, 1, 'accepted', 1, 0), (2, 2, 5, 2, 2, 'accepted', 1, 0)
"""


def is_sqlite(app: Flask) -> bool:
    return str(app.config["SQLALCHEMY_DATABASE_URI"]).startswith("sqlite")


OURS = {table.name for table in Base.metadata.sorted_tables}


def test_up_down_and_up_again_leaves_just_what_the_models_describe(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        assert run(app, "upgrade").exit_code == 0
        assert tables(app) == OURS | {"alembic_version"}
        assert run(app, "check").exit_code == 0, caplog.text

        assert run(app, "downgrade", "base").exit_code == 0
        assert all_tables(app) == {"alembic_version"}


def test_what_was_sent_before_the_delivery_engine_came_is_kept(app: Flask) -> None:
    run(app, "upgrade", "0001")
    with app.app_context(), db.engine.begin() as connection:
        for statement in OLD_ROWS.split(";"):
            connection.execute(sa.text(statement), {"now": NOON.replace(tzinfo=None) if is_sqlite(app) else NOON})

    assert run(app, "upgrade").exit_code == 0

    with app.app_context(), Session(db.engine) as session:
        news = session.scalars(sa.select(Mailing).where(Mailing.kind == "news")).one()
        assert (news.item_id, news.state, news.selected, news.uncertified) == (7, "done", 1, False)
        assert progress.totals(session, news.id)["accepted"] == 1
        assert [tuple(one) for one in session.execute(sa.select(Edition.reason).order_by(Edition.id))] == [
            ("7:3",),
            ("",),
        ]
        assert ledger.topic_ids_named(session, mailing_key="news-key", subscriber_id=5) == [1, 2]
        assert session.scalars(sa.select(EditionItem.item_id)).all() == [7]
        assert session.scalars(sa.select(MailingItem.version)).all() == [4]
    assert run(app, "downgrade", "0001").exit_code == 0
    with app.app_context(), db.engine.connect() as connection:
        assert connection.execute(sa.text("SELECT topics_mask FROM edition ORDER BY id")).scalars().all() == [3, 0]
        assert connection.execute(sa.text("SELECT count(*) FROM delivery")).scalar() == 2


def test_what_was_written_before_searching_came_is_found(app: Flask) -> None:
    run(app, "upgrade", "0001")
    with app.app_context(), db.engine.begin() as connection:
        for statement in OLD_ROWS.split(";")[:2]:
            statement = statement.replace("'X', '', '', ''", "'Avgifterna höjs', '', 'Bussarna.', ''")
            connection.execute(sa.text(statement), {"now": NOON.replace(tzinfo=None) if is_sqlite(app) else NOON})

    assert run(app, "upgrade").exit_code == 0

    with app.app_context(), Session(db.engine) as session:
        for text, found in (("avgift", [7]), ("buss", [7]), ("tåg", [])):
            query = read_query(text)
            assert query is not None
            ids, _count = find(session, query, Within(NOON), by_relevance=False, offset=0, limit=5)
            assert (text, ids) == (text, found)


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
