"""`newsroom editors`."""

from collections.abc import Callable, Sequence

import pytest
import sqlalchemy as sa
from click.testing import Result
from flask import Flask
from flask_security import verify_password
from sqlalchemy.orm import Session

from newsroom.editors import Editor
from newsroom.extensions import reading, security

Run = Callable[..., Result]
PASSWORD = "korrekt häst batteri"
# What is refused before the database is asked needs only one kind of it.
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def run(app: Flask) -> Run:
    """Run one command of the app's; surprises surface as themselves."""

    def invoke(*args: str, stdin: bytes | None = None) -> Result:
        return app.test_cli_runner().invoke(args=["editors", *args], input=stdin, catch_exceptions=False)

    return invoke


def all_editors(session: Session) -> Sequence[Editor]:
    """What others have saved, read so that nobody who writes has to wait."""
    session.rollback()
    with reading():
        return session.scalars(sa.select(Editor)).all()


def only_editor(session: Session) -> Editor:
    (editor,) = all_editors(session)
    return editor


def fits(app: Flask, password: str, editor: Editor) -> bool:
    """Whether a password opens the desk, in the form of Unicode that the login page brings it into."""
    with app.app_context():
        return bool(verify_password(security.password_util.normalize(password), editor.password))


def assert_refused(result: Result, line: str) -> None:
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert line in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_password_is_made_shown_once_and_kept_as_argon2(app: Flask, session: Session, run: Run) -> None:
    result = run("add", "Ana@Example.org")
    said, _, password = result.stdout.strip().rpartition(" ")
    editor = only_editor(session)

    assert (result.exit_code, said) == (0, "Added Ana@example.org. The password, shown this once:")
    assert len(password) >= 16
    assert (editor.password or "").startswith("$argon2id$")
    assert password not in (editor.password or "")
    assert fits(app, password, editor)
    assert not fits(app, password + "x", editor)
    assert editor.active


def test_a_password_can_be_given_and_is_not_shown(app: Flask, session: Session, run: Run) -> None:
    result = run("add", "ana@example.org", "--password-from", "-", stdin=f"{PASSWORD}\r\n".encode())
    assert (result.exit_code, result.stdout) == (0, "Added ana@example.org.\n")
    assert fits(app, PASSWORD, only_editor(session))


@pytest.mark.parametrize("again", ["ana@example.org", "Ana@EXAMPLE.ORG", " ana@example.org "])
def test_adding_an_editor_twice_is_refused_and_the_password_stays(
    app: Flask, session: Session, run: Run, again: str
) -> None:
    run("add", "ana@example.org", "--password-from", "-", stdin=PASSWORD.encode())
    assert_refused(run("add", again), "na@example.org is an editor already.")
    assert fits(app, PASSWORD, only_editor(session))


@on_sqlite
@pytest.mark.parametrize("email", ["", "ana", "ana@", "@example.org", "a b@example.org", "a@b\nc.org", "\ud800@x.org"])
def test_what_is_no_address_is_refused(session: Session, run: Run, email: str) -> None:
    assert_refused(run("add", email), "is not an e-mail address.")
    assert all_editors(session) == []


@on_sqlite
@pytest.mark.parametrize(
    ("raw", "line"),
    [
        (b"kort", "at least 12 characters"),
        (b"\n\n", "at least 12 characters"),
        (b"hemligt-\xe5\xe4\xf6-hemligt", "The password must be text in UTF-8."),
    ],
)
def test_a_password_that_cannot_be_one_is_refused_and_not_shown(
    session: Session, run: Run, raw: bytes, line: str
) -> None:
    for command in ("add", "password"):
        result = run(command, "ana@example.org", "--password-from", "-", stdin=raw)
        assert_refused(result, line)
        assert "hemligt" not in result.stderr
    assert all_editors(session) == []


def test_a_new_password_ends_the_sessions_of_the_old(app: Flask, session: Session, run: Run) -> None:
    run("add", "ana@example.org")
    before = only_editor(session).fs_uniquifier
    result = run("password", "ANA@example.org", "--password-from", "-", stdin=PASSWORD.encode())
    assert (result.exit_code, result.stdout) == (0, "ana@example.org has a new password.\n")
    assert only_editor(session).fs_uniquifier != before
    assert fits(app, PASSWORD, only_editor(session))


def test_a_password_for_nobody_is_refused(run: Run) -> None:
    assert_refused(run("password", "ana@example.org"), "There is no editor 'ana@example.org'.")


def test_editors_are_listed_by_address(run: Run) -> None:
    for email in ("bo@example.org", "ana@example.org"):
        run("add", email)
    assert run("list").stdout == "ana@example.org\nbo@example.org\n"
