"""`newsroom mailings`, and `newsroom engine accept-installation`."""

from collections.abc import Callable

import pytest
import sqlalchemy as sa
from click.testing import Result as Ended
from flask import Flask
from sqlalchemy.orm import Session

from newsroom import clock
from newsroom.delivery.answers import Outcome, Result
from newsroom.delivery.models import Installation, Mailing, MailingEvent
from newsroom.delivery.transport import MemoryTransport
from newsroom.engine.rules import rules_of
from tests.factories import DAY, MINUTE, deliver_everything, make_item, make_subscriber, make_topics, tick_through
from tests.tables import read_tables

Run = Callable[..., Ended]
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
DEAD = Outcome(Result.REFUSED, 550, "5.1.1 No such user", "address")


@pytest.fixture
def run(app: Flask) -> Run:
    """Run one command of the app's; surprises surface as themselves."""
    return lambda *args, **more: app.test_cli_runner().invoke(args=["mailings", *args], catch_exceptions=False, **more)


@pytest.fixture(autouse=True)
def _topics(session: Session) -> None:
    make_topics(session)
    make_subscriber(session, "ana@example.org", "stod", now=clock.now() - DAY)
    make_subscriber(session, "bo@example.org", "stod", now=clock.now() - DAY)
    session.commit()


def match(app: Flask, session: Session, *, late: bool = False) -> None:
    """An item's mailing that is about to be sent, or that is held because it is late."""
    now = clock.now()
    make_item(session, "stod", headline="Bron öppnar", published_at=now - (DAY if late else MINUTE))
    session.commit()
    with app.app_context():
        tick_through(session, rules_of(app), now=now)
    session.commit()


def send(app: Flask, session: Session, post: MemoryTransport) -> None:
    deliver_everything(app, session, post, now=clock.now())
    session.commit()


def state(session: Session) -> tuple[str, bool, bool]:
    session.rollback()
    mailing = session.scalars(sa.select(Mailing)).one()
    found = (mailing.state, mailing.paused_at is not None, mailing.cancelled_at is not None)
    session.expire_all()
    session.rollback()
    return found


def test_mailings_are_listed_and_shown_in_numbers_with_their_reasons(app: Flask, session: Session, run: Run) -> None:
    match(app, session)
    send(app, session, MemoryTransport(answers={"bo@example.org": [DEAD]}))

    assert run("list").stdout.split() == ["1", "done", "2", "letters,", "1", "refused,", "0", "left", "Bron", "öppnar"]
    lines = run("show", "1").stdout.splitlines()

    assert lines == [
        "Mailing 1, news: Bron öppnar",
        "  done",
        "  selected 2, accepted 1, refused 1, skipped 0, waiting 0, uncertain 0",
        "         1 refused: address (550 5.1.1 No such user)",
    ]


def test_a_mailing_is_paused_resumed_and_cancelled(app: Flask, session: Session, run: Run) -> None:
    match(app, session)

    assert run("pause", "1").stdout == "Mailing 1 is paused.\n"
    assert state(session) == ("sending", True, False)
    assert run("resume", "1").stdout == "Mailing 1 goes on.\n"
    assert state(session) == ("sending", False, False)
    asked = run("cancel", "1", input="n\n")
    assert "2 letters of mailing 1 will never be sent." in asked.stdout
    assert asked.exit_code == 1
    assert state(session) == ("sending", False, False)
    assert run("cancel", "1", "--yes").stdout == "Mailing 1 is cancelled.\n"
    assert state(session) == ("sending", False, True)
    said = session.execute(sa.select(MailingEvent.kind, MailingEvent.by).order_by(MailingEvent.id)).all()
    assert [tuple(one) for one in said] == [(kind, "command line") for kind in ("paused", "resumed", "cancelled")]


def test_a_held_mailing_is_released(app: Flask, session: Session, run: Run) -> None:
    match(app, session, late=True)
    assert run("list").stdout.split()[1] == "held"

    assert run("release", "1").stdout == "Mailing 1 goes out.\n"

    assert state(session)[0] == "new"


def test_what_was_refused_is_tried_again(app: Flask, session: Session, run: Run) -> None:
    match(app, session)
    send(app, session, MemoryTransport(answers={"bo@example.org": [DEAD]}))

    assert run("retry", "1").stdout == "1 letters of mailing 1 are tried again.\n"

    post = MemoryTransport()
    send(app, session, post)
    assert [letter.to for letter in post.accepted] == ["bo@example.org"]


@on_sqlite
def test_what_can_not_be_done_is_said_in_one_line_and_changes_nothing(app: Flask, session: Session, run: Run) -> None:
    match(app, session)
    send(app, session, MemoryTransport())
    before = read_tables(session)
    for args, line in (
        (["pause", "1"], "That isn't possible: mailing 1 is done."),
        (["resume", "1"], "That isn't possible: mailing 1 is done."),
        (["release", "1"], "That isn't possible: mailing 1 is done."),
        (["cancel", "1", "--yes"], "That isn't possible: mailing 1 is done."),
        (["retry", "1"], "There may be nothing refused to try again."),
        (["resend", "1"], "There may be nothing in doubt to send again."),
        (["pause", "7"], "There is no mailing 7; see: newsroom mailings list"),
        (["show", "7"], "There is no mailing 7; see: newsroom mailings list"),
    ):
        result = run(*args)
        assert (result.exit_code, result.stdout) == (1, "")
        assert result.stderr.startswith("Error: ")
        assert line in result.stderr
        assert result.stderr.count("\n") == 1
    assert run("pause", "99999999999").exit_code == 2
    assert read_tables(session) == before


def test_an_installation_is_accepted_and_named(app: Flask, session: Session) -> None:
    now = clock.now()
    command = ["engine", "accept-installation"]
    runner = app.test_cli_runner()
    assert runner.invoke(args=command).stdout == "No installation waits for a yes.\n"
    session.add(Installation(fingerprint="x", name="server-2", first_seen_at=now, seen_at=now, problem="restored"))
    session.commit()

    said = runner.invoke(args=command)

    assert said.stdout == "Accepted 1: server-2 (restored). Letters leave from now on.\n"
    session.rollback()
    assert session.get_one(Installation, "x").accepted_at is not None
