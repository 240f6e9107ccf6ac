"""A mail server that behaves badly, from published to certified: each ends in the right rows, and the totals add up."""

import datetime as dt
import email
import threading
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.delivery import batches, progress
from newsroom.delivery.certificate import newest, verify
from newsroom.delivery.journal import Journal
from newsroom.delivery.models import Batch, Delivery, Mailing
from newsroom.delivery.sending import send_batch
from newsroom.delivery.ticking import tick
from newsroom.delivery.transport import SMTPTransport
from newsroom.engine.rules import rules_of
from newsroom.extensions import db
from tests.delivery.test_transport import make_certificate
from tests.factories import DAY, HOUR, MINUTE, NOON, fixed, make_audience, make_item, tick_through
from tests.smtp_server import RoughServer

PEOPLE = 12
SOON = [NOON + minutes * MINUTE for minutes in (0, 0.2, 1, 3, 10, 30)]
LATER = [NOON + HOUR * hours for hours in range(1, 6)]
PATIENT = {"SMTP_TIMEOUT_SECONDS": 30.0, "SMTP_FINAL_TIMEOUT_SECONDS": 60.0}
PIPELINING = ("PIPELINING", "8BITMIME", "SMTPUTF8")


def person(number: int) -> str:
    return f"r{number}@example.org"


@pytest.fixture(autouse=True)
def _audience(session: Session) -> None:
    make_audience(session, PEOPLE, now=NOON - DAY)
    make_item(session, "stod")
    session.commit()


def deliver(app: Flask, session: Session, server: RoughServer, moments: list[dt.datetime], **settings: Any) -> None:
    """Work as an engine would, at each of these moments."""
    app.config.update({**PATIENT, "BATCH_SIZE": 5, **settings})
    mail = app.extensions["mail"]
    mail.server, mail.port, mail.use_tls = "127.0.0.1", server.port, bool(settings.get("MAIL_USE_TLS"))
    journal = Journal(Path(app.instance_path) / "journals", f"test:{id(server)}")
    transport = SMTPTransport(app)
    with app.app_context(), closing(journal), closing(transport):
        for now in moments:
            tick_through(session, rules_of(app), now=now)
            due = batches.due_batches(session, now=now)
            session.rollback()
            for batch_id in due:
                send_batch(session, rules_of(app), transport, batch_id, journal=journal, clock=fixed(now))
            tick_through(session, rules_of(app), now=now)


def check_certificate(session: Session, **totals: int) -> None:
    """That the mailing is done, its totals are these and add up, and its certificate says so."""
    session.expire_all()
    mailing = session.scalars(sa.select(Mailing)).one()
    assert (mailing.state, mailing.problem) == ("done", None)
    found = progress.totals(session, mailing.id)
    assert {state: number for state, number in found.items() if number} == {"selected": PEOPLE, **totals}
    assert found.pop("selected") == sum(found.values())
    certificate = newest(session, mailing.id)
    assert certificate is not None
    assert verify(session, certificate.body) == []


def check_everybody_got_it(server: RoughServer, *, doubles: int = 0, but: tuple[int, ...] = ()) -> None:
    """That nobody is missing, and at most so many got it twice, under the same Message-ID."""
    times = Counter(one.to for one in server.taken)
    assert set(times) == {person(number) for number in range(PEOPLE) if number not in but}
    assert times.total() - len(times) <= doubles
    for address in times:
        assert (
            len({email.message_from_bytes(one.letter)["Message-ID"] for one in server.taken if one.to == address}) == 1
        )


@pytest.fixture(params=[PIPELINING, ()], ids=["pipelining", "one command at a time"])
def extensions(request: pytest.FixtureRequest) -> tuple[str, ...]:
    found: tuple[str, ...] = request.param
    return found


def test_one_that_ends_every_connection_after_three_letters(
    app: Flask, session: Session, extensions: tuple[str, ...]
) -> None:
    with RoughServer(letters_per_connection=3, extensions=extensions) as server:
        deliver(app, session, server, SOON)
    check_everybody_got_it(server)
    check_certificate(session, accepted=PEOPLE)


@pytest.mark.parametrize("refuses_at_the_dot", [False, True])
def test_one_that_says_later_to_every_third_and_never_to_one(
    app: Flask, session: Session, extensions: tuple[str, ...], refuses_at_the_dot: bool
) -> None:
    answers = {person(number): ["450 4.2.1 Greylisted"] * 2 for number in range(0, PEOPLE, 3)}
    answers[person(1)] = ["550 5.1.1 No such user"]
    with RoughServer(answers=answers, extensions=extensions, refuses_at_the_dot=refuses_at_the_dot) as server:
        deliver(app, session, server, [*SOON, *LATER])
    check_everybody_got_it(server, but=(1,))
    check_certificate(session, accepted=PEOPLE - 1, refused=1)


def test_one_that_minds_the_content_of_one_letter(app: Flask, session: Session, extensions: tuple[str, ...]) -> None:
    with RoughServer(answers={"DOT": ["554 5.6.0 Looks like junk"]}, extensions=extensions) as server:
        deliver(app, session, server, SOON)
    assert len(server.taken) == PEOPLE - 1
    check_certificate(session, accepted=PEOPLE - 1, refused=1)


@pytest.mark.parametrize("point", ["connect", "mail", "data"])
def test_one_that_closes_before_it_has_the_letter(
    app: Flask, session: Session, point: str, extensions: tuple[str, ...]
) -> None:
    with RoughServer(close_at=point, close_times=4, extensions=extensions) as server:
        deliver(app, session, server, [*SOON, *LATER])
    check_everybody_got_it(server)
    check_certificate(session, accepted=PEOPLE)


def test_one_that_closes_after_the_dot_and_has_taken_the_letter(
    app: Flask, session: Session, extensions: tuple[str, ...]
) -> None:
    with RoughServer(close_at="dot", close_times=2, takes_first=True, extensions=extensions) as server:
        deliver(app, session, server, [*SOON, *LATER])
    check_everybody_got_it(server, doubles=2)
    check_certificate(session, accepted=PEOPLE)


def test_one_whose_answers_are_lost_with_letters_held_for_a_person(app: Flask, session: Session) -> None:
    with RoughServer(close_at="dot", close_times=2) as server:
        deliver(app, session, server, [*SOON, *LATER], UNCERTAIN_LETTERS="hold")
    assert len(server.taken) == PEOPLE - 2
    check_certificate(session, accepted=PEOPLE - 2, uncertain=2)


def test_one_that_hangs_up_at_quit(app: Flask, session: Session, extensions: tuple[str, ...]) -> None:
    with RoughServer(close_at="quit", extensions=extensions) as server:
        deliver(app, session, server, SOON)
    check_everybody_got_it(server)
    check_certificate(session, accepted=PEOPLE)


def test_one_that_is_silent_from_the_start_and_gets_well(app: Flask, session: Session) -> None:
    with RoughServer(silent_at="connect") as server:
        deliver(app, session, server, SOON[:2], SMTP_TIMEOUT_SECONDS=0.4)
        problem = session.scalars(sa.select(Mailing.problem)).one()
        assert "can't be reached" in (problem or "")
        session.rollback()
        server.silent_at = ""
        deliver(app, session, server, LATER)
    check_everybody_got_it(server)
    check_certificate(session, accepted=PEOPLE)


def test_one_as_slow_as_treacle(app: Flask, session: Session, extensions: tuple[str, ...]) -> None:
    with RoughServer(delay=0.05, extensions=extensions) as server:
        deliver(app, session, server, SOON)
    check_everybody_got_it(server)
    check_certificate(session, accepted=PEOPLE)


def test_one_whose_certificate_does_not_fit_and_is_mended(app: Flask, session: Session, tmp_path: Path) -> None:
    wrong, _ = make_certificate(tmp_path, "other.example.org", loopback=False)
    right, trusted = make_certificate(tmp_path, "mail.example.org", loopback=True)
    with RoughServer(tls=wrong) as server:
        deliver(app, session, server, SOON[:2], MAIL_USE_TLS=True, SMTP_CA_FILE=str(trusted))
        assert "wrong certificate" in (session.scalars(sa.select(Mailing.problem)).one() or "")
        session.rollback()
        assert server.taken == []
        server.tls = right
        deliver(app, session, server, LATER, MAIL_USE_TLS=True, SMTP_CA_FILE=str(trusted))
    check_everybody_got_it(server)
    check_certificate(session, accepted=PEOPLE)


def test_one_that_gives_up_on_us_for_two_days_costs_the_letters_and_says_so(app: Flask, session: Session) -> None:
    answers = {"MAIL": ["451 4.3.0 Not now"] * 10_000}
    with RoughServer(answers=answers) as server:
        deliver(app, session, server, [NOON + hours * 1.3 * HOUR for hours in range(42)])
    check_certificate(session, refused=PEOPLE)
    assert {one.reason for one in session.scalars(sa.select(Delivery))} == {"gave up"}


def test_many_ticks_at_the_same_instant_make_one_row_each(app: Flask, session: Session) -> None:
    session.commit()
    barrier = threading.Barrier(3)

    def work() -> None:
        with app.app_context():
            barrier.wait(timeout=30)
            for _ in range(8):
                tick(db.session(), rules_of(app), now=NOON)
            db.session.remove()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert session.scalar(sa.select(sa.func.count()).select_from(Mailing)) == 1
    assert session.scalar(sa.select(sa.func.count()).select_from(Delivery)) == PEOPLE
    assert session.scalars(sa.select(Mailing.selected)).one() == PEOPLE


def test_two_workers_on_the_same_batches_send_each_letter_once(app: Flask, session: Session) -> None:
    app.config["BATCH_SIZE"] = 2
    with app.app_context():
        tick_through(session, rules_of(app), now=NOON)
    batches = session.scalars(sa.select(Batch.id)).all()
    session.commit()
    with RoughServer(extensions=PIPELINING) as server:
        app.extensions["mail"].server, app.extensions["mail"].port = "127.0.0.1", server.port

        def work(name: str) -> None:
            with app.app_context(), closing(Journal(Path(app.instance_path) / "journals", name)) as journal:
                transport = SMTPTransport(app)
                for batch_id in batches:
                    send_batch(db.session(), rules_of(app), transport, batch_id, journal=journal, clock=fixed(NOON))
                transport.close()
                db.session.remove()

        threads = [threading.Thread(target=work, args=(name,)) for name in ("first", "second", "third")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with app.app_context():
        tick_through(session, rules_of(app), now=NOON + DAY)
    check_everybody_got_it(server)
    check_certificate(session, accepted=PEOPLE)
