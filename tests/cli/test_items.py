"""`newsroom items`: what it takes, what it says, and how it fails."""

import os
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import Result
from flask import Flask
from sqlalchemy.orm import Session

from config import PROJECT
from newsroom import clock
from newsroom.extensions import reading
from newsroom.news.models import Item
from tests.conftest import SECRET
from tests.factories import DAY, NOON, make_item, make_topics

STRATEGY = Path(__file__).parents[1] / "data" / "strategi.txt"
TEXT = "Rubrik å\n\nIngress.\n\nBrödtext.\n"
Run = Callable[..., Result]
# What is refused before the database is asked needs only one kind of it.
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def session(session: Session) -> Session:
    """The test's session, with the start topics."""
    make_topics(session)
    session.commit()
    return session


@pytest.fixture
def run(app: Flask, session: Session) -> Run:
    """Run one command of the app's; surprises surface as themselves."""

    def invoke(*args: str, stdin: bytes | None = None) -> Result:
        return app.test_cli_runner().invoke(args=["items", *args], input=stdin, catch_exceptions=False)

    return invoke


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "nyhet.txt"
    path.write_text(TEXT)
    return path


def all_items(session: Session) -> Sequence[Item]:
    """What others have saved, read so that nobody who writes has to wait."""
    session.rollback()
    with reading():
        return session.scalars(sa.select(Item).order_by(Item.id)).all()


def only_item(session: Session) -> Item:
    (item,) = all_items(session)
    return item


def assert_refused(result: Result, session: Session, *, code: int, line: str) -> None:
    """One clear line on stderr, a non-zero code, and nothing saved."""
    assert result.exit_code == code
    assert result.stdout == ""
    last = result.stderr.rstrip("\n").split("\n")[-1]
    assert last.startswith("Error: ")
    assert line in last
    assert code == 2 or "\n" not in result.stderr.rstrip("\n")
    assert "Traceback" not in result.stderr
    assert all_items(session) == []


def test_the_strategy_is_imported_and_published_and_what_was_done_is_said(run: Run, session: Session) -> None:
    before = clock.now()
    result = run("import", str(STRATEGY), "--topics", "regional-utveckling, forskning-och-innovation", "--publish")
    item = only_item(session)

    assert (result.exit_code, result.stderr) == (0, "")
    assert f"Item {item.id}: Ny strategi för näringsliv och tillväxt beslutad\n" in result.stdout
    assert "lede: yes, headings: 4, list points: 12, facts: yes" in result.stdout
    assert "http://127.0.0.1:8000/nyheter/ny-strategi-for-naringsliv-och-tillvaxt-beslutad" in result.stdout
    assert [topic.slug for topic in item.topics] == ["regional-utveckling", "forskning-och-innovation"]
    assert item.published_at is not None
    assert before <= item.published_at <= clock.now()
    assert (item.language, item.announce) == ("sv", True)


def test_without_publish_it_is_a_draft(run: Run, session: Session, file: Path) -> None:
    result = run("import", str(file))
    item = only_item(session)
    assert (result.exit_code, item.published_at, item.topics) == (0, None, [])
    assert "draft: " in result.stdout
    assert (item.headline, item.lede, item.body) == ("Rubrik å", "Ingress.", "Brödtext.")


def test_at_a_time_it_waits_for_that_time_on_swedish_clocks(run: Run, session: Session, file: Path) -> None:
    result = run("import", str(file), "--topics", "stod", "--at", "2027-07-01 09:30")
    assert result.exit_code == 0
    assert "readable from 2027-07-01 07:30 UTC" in result.stdout
    assert f"{only_item(session).published_at}" == "2027-07-01 07:30:00+00:00"


def test_language_and_letters_can_be_chosen(run: Run, session: Session, file: Path) -> None:
    assert run("import", str(file), "--language", "en", "--no-letters").exit_code == 0
    assert (only_item(session).language, only_item(session).announce) == ("en", False)


def test_standard_input_is_read_too(run: Run, session: Session) -> None:
    assert run("import", "-", stdin=TEXT.encode()).exit_code == 0
    assert only_item(session).headline == "Rubrik å"


@on_sqlite
@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(TEXT.encode(), id="UTF-8"),
        pytest.param(TEXT.encode("utf-8-sig"), id="UTF-8 with its mark"),
        pytest.param(TEXT.encode("utf-16"), id="UTF-16"),
        pytest.param(b"\xfe\xff" + TEXT.encode("utf-16-be"), id="UTF-16 big-endian"),
        pytest.param(TEXT.encode("cp1252"), id="Windows-1252"),
        pytest.param(TEXT.replace("\n", "\r\n").encode("cp1252"), id="Windows-1252 with CRLF"),
    ],
)
def test_a_text_file_says_the_same_in_whatever_encoding(run: Run, session: Session, raw: bytes) -> None:
    assert run("import", "-", stdin=raw).exit_code == 0
    item = only_item(session)
    assert (item.headline, item.lede, item.body) == ("Rubrik å", "Ingress.", "Brödtext.")


@on_sqlite
@pytest.mark.parametrize(
    ("raw", "line"),
    [
        pytest.param(b"", "The file holds no text.", id="empty"),
        pytest.param(b"\xef\xbb\xbf \r\n", "The file holds no text.", id="only white"),
        pytest.param(b"\xff\xfeR", "The file is not text in UTF-8, UTF-16 or Windows-1252", id="half a sign"),
        pytest.param(b"\x81\x8d\x8f", "The file is not text in UTF-8, UTF-16 or Windows-1252", id="no encoding"),
        pytest.param(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "control character (U+001A)", id="a picture"),
        pytest.param("Rubrik".encode("utf-16-le"), "control character (U+0000)", id="UTF-16 without its mark"),
        pytest.param("Rubrik".encode("utf-32"), "control character (U+0000)", id="UTF-32"),
        pytest.param(bytes(range(1, 128)) * 50, "control character", id="all of ASCII"),
        pytest.param(b"PK\x03\x04 a word processor's file", "control character (U+0003)", id="a document"),
        pytest.param("—".encode(), "Write a headline.", id="no letter in the headline"),
        pytest.param(b"x" * 300, "300 characters long; at most 200 fit", id="an endless headline"),
        pytest.param(b"R\n\nI.\n\n" + b"ord " * 60_000, "at most 200000 fit", id="an endless body"),
        pytest.param(b"x" * (5 * 1024 * 1024 + 1), "larger than 5 MB", id="more than 5 MB"),
    ],
)
def test_a_file_that_holds_no_news_is_refused_in_one_line(run: Run, session: Session, raw: bytes, line: str) -> None:
    assert_refused(run("import", "-", stdin=raw), session, code=1, line=line)


@on_sqlite
@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["--topics", "stod,finns-inte"], "There is no topic 'finns-inte'; see: newsroom topics list"),
        (["--topics", "Stöd"], "There is no topic 'Stöd'"),
        (["--topics", "\ud800"], "There is no topic '\\ud800'"),
        (["--publish"], "An item needs --topics to be published."),
        (["--at", "2027-01-01 09:00"], "An item needs --topics to be published."),
        (
            ["--topics", "stod", "--at", "2027-03-28 02:30"],
            "--at '2027-03-28 02:30' is not a time that the clock shows",
        ),
        (["--topics", "stod", "--at", "i morgon"], "--at 'i morgon' is not a time"),
        (["--topics", "stod", "--at", "0001-01-01 00:00"], "--at '0001-01-01 00:00' is not a time"),
        (["--topics", "stod", "--at", ""], "--at '' is not a time"),
    ],
)
def test_an_option_that_makes_no_sense_is_refused_in_one_line(
    run: Run, session: Session, file: Path, args: list[str], line: str
) -> None:
    assert_refused(run("import", str(file), *args), session, code=1, line=line)


@on_sqlite
def test_a_command_that_is_written_wrongly_is_refused_with_its_usage(
    run: Run, session: Session, file: Path, tmp_path: Path
) -> None:
    for args, line in (
        ([str(tmp_path / "finns-inte.txt")], "No such file or directory"),
        ([str(tmp_path)], "Is a directory"),
        ([str(file), "--publish", "--at", "2027-01-01"], "Give --publish or --at, not both."),
        ([str(file), "--language", "de"], "'de' is not one of 'sv', 'en'"),
        ([str(file), "--pubilsh"], "No such option"),
        ([], "Missing argument 'FILE'"),
    ):
        assert_refused(run("import", *args), session, code=2, line=line)


def test_the_same_file_twice_is_two_items_with_addresses_of_their_own(run: Run, session: Session, file: Path) -> None:
    for _ in range(2):
        assert run("import", str(file)).exit_code == 0
    assert [item.slug for item in all_items(session)] == ["rubrik-a", "rubrik-a-2"]


def test_the_list_shows_the_newest_first_with_their_ids(run: Run, session: Session) -> None:
    old = make_item(session, "stod", headline="Äldre", published_at=NOON - DAY)
    new = make_item(session, "stod", headline="Nyare", published_at=NOON)
    make_item(session, "stod", headline="Utkast", published_at=None, now=NOON - 2 * DAY)
    ids = [new.id, old.id]
    session.commit()

    lines = run("list").stdout.splitlines()
    assert [line.split(None, 3)[-1] for line in lines[:2]] == ["Nyare", "Äldre"]
    assert [int(line.split()[0]) for line in lines[:2]] == ids
    assert lines[2].split()[1:] == ["draft", "Utkast"]
    assert len(run("list", "--most", "1").stdout.splitlines()) == 1


def test_a_draft_is_published_by_its_id_now_or_later(run: Run, session: Session) -> None:
    now, later = (make_item(session, "stod", published_at=None).id for _ in range(2))
    session.commit()

    assert run("publish", str(now)).exit_code == 0
    result = run("publish", str(later), "--at", "2027-01-01 09:00")
    assert result.stdout == f"Item {later} can be read from 2027-01-01 08:00 UTC.\n"
    published_at = {item.id: item.published_at for item in all_items(session)}[now]
    assert published_at is not None
    assert published_at <= clock.now()


def test_what_cannot_be_published_is_said_in_one_line(run: Run, session: Session) -> None:
    published = make_item(session, "stod").id
    without = make_item(session, published_at=None).id
    draft = make_item(session, "stod", published_at=None).id
    session.commit()
    for args, line in (
        ([str(published)], f"Item {published} is published already."),
        ([str(without)], f"Item {without} has no topic."),
        (["999"], "There is no item 999; see: newsroom items list"),
        ([str(draft), "--at", "2027-03-28 02:30"], "--at '2027-03-28 02:30' is not a time that the clock shows"),
        ([str(draft), "--at", "9999-12-31T23:59-05:00"], "is not a time that the clock shows"),
        ([str(draft), "--at", ""], "--at '' is not a time that the clock shows"),
    ):
        result = run("publish", *args)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("Error: ")
        assert line in result.stderr
        assert result.stderr.count("\n") == 1
    assert {item.id: item.published_at for item in all_items(session)}[draft] is None


@on_sqlite
@pytest.mark.parametrize("item_id", ["0", "-1", "x", "2147483648", "99999999999999999999"])
def test_what_is_no_id_is_refused_with_the_usage(run: Run, session: Session, item_id: str) -> None:
    assert_refused(run("publish", "--", item_id), session, code=2, line="Invalid value for 'ITEM_ID'")


def newsroom(*args: str, instance: Path, database: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """The command itself, as an operator runs it."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("NEWSROOM_")} | {
        "NEWSROOM_INSTANCE_PATH": str(instance),
        "NEWSROOM_SECRET_KEY": SECRET,
        "NEWSROOM_SQLALCHEMY_DATABASE_URI": database,
    }
    command = [str(PROJECT / ".venv/bin/newsroom"), *args]
    return subprocess.run(command, env=environ, input=stdin, capture_output=True, timeout=60, check=False)


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_command_itself_imports_and_fails_as_its_door_does(session: Session, database: str, tmp_path: Path) -> None:
    done = newsroom("items", "import", "-", instance=tmp_path, database=database, stdin=TEXT.encode())
    assert (done.returncode, done.stderr) == (0, b"")
    assert "Rubrik å" in done.stdout.decode()
    assert only_item(session).headline == "Rubrik å"

    done = newsroom("items", "import", "-", "--topics", "x", instance=tmp_path, database=database, stdin=b"R")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"Error: There is no topic 'x'; see: newsroom topics list\n"


def test_the_command_itself_says_in_one_line_that_the_database_has_no_tables(tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path / 'empty.sqlite3'}"
    done = newsroom("items", "import", "-", instance=tmp_path, database=database, stdin=TEXT.encode())
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.count(b"\n") == 1
    assert done.stderr.startswith(b"newsroom: the database can't do that: ")
    assert b"NEWSROOM_SQLALCHEMY_DATABASE_URI" in done.stderr


def test_the_search_index_is_made_anew(run: Run, session: Session) -> None:
    make_item(session, "stod", headline="Bron")
    session.execute(sa.text("DELETE FROM item_search"))
    session.commit()

    assert run("index").stdout == "Indexed 1 items.\n"
    assert session.execute(sa.text("SELECT count(*) FROM item_search")).scalar() == 1
