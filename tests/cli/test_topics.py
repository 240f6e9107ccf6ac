"""`newsroom topics`."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from click.testing import Result
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.news.models import Topic
from tests.factories import make_topics

Run = Callable[..., Result]
# What is refused before the database is asked needs only one kind of it.
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def run(app: Flask) -> Run:
    """Run one command of the app's; surprises surface as themselves."""
    return lambda *args: app.test_cli_runner().invoke(args=["topics", *args], catch_exceptions=False)


def test_the_start_topics_are_added_once_and_listed_as_a_tree(run: Run) -> None:
    assert run("start").stdout == "Added 13 topics.\n"
    assert run("start").stdout == "There are topics already; nothing was added.\n"
    lines = run("list").stdout.splitlines()
    assert len(lines) == 13
    assert lines[3].split() == ["kultur", "Kultur", "/", "Culture"]
    assert lines[4].startswith("  kultur-och-halsa ")


def test_a_topic_is_added_with_its_english_name_under_its_parent(run: Run, session: Session) -> None:
    make_topics(session)
    session.commit()
    result = run("add", "Film och tv", "--english", "Film and TV", "--under", "kultur")
    assert (result.exit_code, result.stdout) == (0, "Added film-och-tv.\n")
    topic = session.scalars(sa.select(Topic).where(Topic.slug == "film-och-tv")).one()
    assert topic.parent is not None
    assert (topic.name, topic.name_en, topic.parent.slug) == ("Film och tv", "Film and TV", "kultur")


@on_sqlite
@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["Stöd"], "There is a topic stod already."),
        (["Film", "--under", "finns-inte"], "There is no topic 'finns-inte'; see: newsroom topics list"),
        (["Film", "--under", "\ud800"], "There is no topic '\\ud800'; see: newsroom topics list"),
        (["Film", "--under", "offentlig-konst"], "topics go two levels deep"),
        (["–"], "A topic needs a name with letters or digits in it."),
        (["a\x1bb"], "control characters"),
        (["Film", "--english", "a\ud800"], "control characters"),
        (["all"], "/feeds/all.rss is the feed of all news"),
        (["x" * 1_000], "at most 100 characters"),
    ],
)
def test_a_topic_that_cannot_stand_is_refused_in_one_line(
    run: Run, session: Session, args: list[str], line: str
) -> None:
    make_topics(session)
    session.commit()
    result = run("add", *args)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert line in result.stderr
    assert result.stderr.count("\n") == 1
    assert session.scalar(sa.select(sa.func.count()).select_from(Topic)) == 13


def test_what_a_topic_covers_is_shown_and_changed(run: Run, session: Session) -> None:
    make_topics(session)
    session.commit()
    assert run("describe", "stod").stdout.startswith("sv: Pengar att söka")

    assert run("describe", "stod", "--swedish", "Alla stöd.").stdout.startswith("sv: Alla stöd.\nen: Money to apply")
    assert run("describe", "stod", "--english", "").stdout == "sv: Alla stöd.\nen: -\n"
    assert session.scalars(sa.select(Topic.about).where(Topic.slug == "stod")).one() == "Alla stöd."


@on_sqlite
@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["finns-inte"], "There is no topic 'finns-inte'"),
        (["stod", "--swedish", "x" * 401], "401 characters"),
        (["stod", "--english", "a\x1bb"], "control character"),
    ],
)
def test_a_description_that_cannot_stand_is_refused_in_one_line(
    run: Run, session: Session, args: list[str], line: str
) -> None:
    make_topics(session)
    session.commit()
    result = run("describe", *args)
    assert (result.exit_code, result.stdout) == (1, "")
    assert line in result.stderr
    assert result.stderr.count("\n") == 1
