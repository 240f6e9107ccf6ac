"""`newsroom certificate`."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import Result
from flask import Flask
from sqlalchemy.orm import Session

from newsroom import clock
from newsroom.delivery.models import Delivery
from newsroom.delivery.transport import MemoryTransport
from tests.factories import DAY, MINUTE, deliver_everything, make_item, make_subscriber, make_topics

Run = Callable[..., Result]
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture
def run(app: Flask) -> Run:
    """Run one command of the app's; surprises surface as themselves."""
    return lambda *args, **more: app.test_cli_runner().invoke(
        args=["certificate", *args], catch_exceptions=False, **more
    )


@pytest.fixture
def text(app: Flask, session: Session, run: Run) -> str:
    """The certificate of a mailing that went to two readers."""
    now = clock.now()
    make_topics(session)
    for address in ("ana@example.org", "bo@example.org"):
        make_subscriber(session, address, "stod", now=now - DAY)
    make_item(session, "stod", published_at=now - MINUTE)
    session.commit()
    deliver_everything(app, session, MemoryTransport(), now=now)
    session.commit()
    return run("show", "1").stdout


def test_a_certificate_that_agrees_says_so_in_one_line(run: Run, text: str, tmp_path: Path) -> None:
    file = tmp_path / "protokoll.json"
    file.write_text(text)

    for result in (run("verify", str(file)), run("verify", "-", input=text)):
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout == "Certificate 1 of mailing 1 agrees with the chain and the ledger.\n"


def test_each_disagreement_with_the_ledger_has_its_line(run: Run, session: Session, text: str) -> None:
    session.execute(sa.update(Delivery).where(Delivery.id == 1).values(state="refused", reason="address"))
    session.commit()

    result = run("verify", "-", input=text)

    assert (result.exit_code, result.stdout) == (1, "")
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert any(line.startswith("totals: the certificate says") and "accepted 1" in line for line in lines)
    assert any(line.startswith("reason refused address: the certificate says nothing") for line in lines)


@on_sqlite
def test_a_changed_certificate_is_refused_with_the_line_that_was_changed(run: Run, text: str) -> None:
    body = json.loads(text)
    body["lines"][-1]["accepted"] = 3

    result = run("verify", "-", input=json.dumps(body))

    assert (result.exit_code, result.stdout) == (1, "")
    assert f"line {len(body['lines'])} (totals) doesn't fit the hash" in result.stderr
    assert result.stderr.count("\n") == 1


@on_sqlite
@pytest.mark.parametrize("words", ["", "x", "{}", '{"format": "newsroom-certificate-1"}', b"\xff\xfe", "[1]"])
def test_what_is_no_certificate_is_refused_in_one_line(run: Run, words: str | bytes) -> None:
    result = run("verify", "-", input=words)

    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: The file is no certificate")
    assert result.stderr.count("\n") == 1


@on_sqlite
def test_a_mailing_without_a_certificate_is_said_to_have_none(run: Run) -> None:
    result = run("show", "7")

    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "Error: Mailing 7 has no certificate.\n")
    assert run("verify", "/finns/inte").exit_code == 2
