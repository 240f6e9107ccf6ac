"""The certificate says what became of a mailing, and nothing in it can be changed unnoticed."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.delivery import certificate, controlling
from newsroom.delivery.answers import Outcome, Result
from newsroom.delivery.certificate import NotACertificate, newest, verify
from newsroom.delivery.models import Certificate, Delivery, Edition, Mailing
from newsroom.delivery.transport import MemoryTransport
from tests.factories import HOUR, MINUTE, NOON, deliver_everything, make_item, make_signup, make_subscriber, make_topics


@pytest.fixture
def post() -> MemoryTransport:
    refused = Outcome(Result.REFUSED, 550, "5.1.1 No such user", reason="address")
    return MemoryTransport(answers={"r1@example.org": [refused], "r2@example.org": [refused]})


@pytest.fixture
def text(app: Flask, session: Session, post: MemoryTransport) -> str:
    """The certificate of a mailing to five, two of whom were refused."""
    make_topics(session)
    for number in range(5):
        make_subscriber(session, f"r{number}@example.org", "stod", language="en" if number == 4 else "sv")
    make_signup(session, "new@example.org", "stod", now=NOON)
    make_item(session, "stod")
    deliver_everything(app, session, post, now=NOON)
    return session.scalars(sa.select(Certificate.body)).one()  # A confirmation has none.


def lines_of(text: str, kind: str) -> list[dict[str, Any]]:
    return [line for line in json.loads(text)["lines"] if line["line"] == kind]


def test_it_tells_the_whole_and_agrees_with_the_ledger(session: Session, text: str) -> None:
    (totals,) = lines_of(text, "totals")
    del totals["hash"]
    assert totals == {
        "line": "totals",
        "selected": 5,
        "accepted": 3,
        "refused": 2,
        "skipped": 0,
        "waiting": 0,
        "uncertain": 0,
    }
    (reason,) = lines_of(text, "reason")
    assert (reason["state"], reason["reason"], reason["count"]) == ("refused", "address", 2)
    editions = session.scalars(sa.select(Edition).join(Mailing).where(Mailing.kind == "news")).all()
    assert {(one["language"], one["sha256"], one["deliveries"]) for one in lines_of(text, "edition")} == {
        (one.language, one.sha256, {"sv": 4, "en": 1}[one.language]) for one in editions
    }
    (head,) = lines_of(text, "mailing")
    assert head["software"].startswith("newsroom ")
    assert (head["number"], head["issue"], head["kind"]) == (1, 1, "news")
    (span,) = lines_of(text, "first and last")
    assert span["first_accepted_at"] == span["last_accepted_at"] == NOON.isoformat()
    assert "example.org" not in text  # It names nobody.
    assert verify(session, text) == []


def _change(text: str, change: Callable[[list[dict[str, Any]]], object]) -> str:
    body = json.loads(text)
    change(body["lines"])
    return json.dumps(body)


@pytest.mark.parametrize(
    "change",
    [
        lambda lines: lines[-1].update(accepted=5),
        lambda lines: lines.pop(1),
        lambda lines: lines.insert(1, dict(lines[1])),
        lambda lines: lines.reverse(),
        lambda lines: lines[0].update(hash="0" * 64),
        lambda lines: lines.clear(),
    ],
)
def test_a_changed_line_breaks_the_chain(session: Session, text: str, change: Any) -> None:
    with pytest.raises(NotACertificate):
        verify(session, _change(text, change))


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format": "x", "before": "", "lines": [{"hash": "x"}]}', "ä" * 99])
def test_what_is_no_certificate_is_called_so(session: Session, text: str) -> None:
    with pytest.raises(NotACertificate):
        verify(session, text)


def test_one_made_up_as_a_whole_is_found_out_by_the_database(session: Session, text: str) -> None:
    body = json.loads(text)
    lines = [{key: value for key, value in line.items() if key != "hash"} for line in body["lines"]]
    lines[-1]["accepted"] = 5
    body["lines"] = certificate.chain(body["before"], lines)
    found = verify(session, json.dumps(body))
    assert any("another hash" in line for line in found)
    assert any(line.startswith("totals: the certificate says selected 5, accepted 5") for line in found)


def test_a_ledger_that_was_changed_afterwards_no_longer_agrees(session: Session, text: str) -> None:
    session.execute(sa.update(Delivery).where(Delivery.state == "refused").values(state="accepted"))
    session.commit()
    assert verify(session, text) != []


def test_certificates_are_chained_to_each_other(app: Flask, session: Session, post: MemoryTransport, text: str) -> None:
    make_item(session, "stod", published_at=NOON + HOUR)
    deliver_everything(app, session, post, now=NOON + HOUR)
    second = session.scalars(sa.select(Certificate).where(Certificate.number == 2)).one()
    assert json.loads(second.body)["before"] == json.loads(text)["lines"][-1]["hash"]
    assert verify(session, second.body) == []

    session.execute(sa.update(Certificate).where(Certificate.number == 1).values(sha256="0" * 64))
    session.commit()
    assert verify(session, second.body) == ["It isn't chained to certificate number 1."]


def test_a_mailing_that_is_opened_and_finished_again_has_a_second_one(
    app: Flask, session: Session, post: MemoryTransport, text: str
) -> None:
    mailing_id = session.scalars(sa.select(Mailing.id).where(Mailing.kind == "news")).one()
    controlling.try_refused_again(session, mailing_id, by="redaktor@example.org", now=NOON + MINUTE)
    session.commit()
    assert any("opened again" in line for line in verify(session, text))

    deliver_everything(app, session, post, now=NOON + MINUTE)

    latest = newest(session, mailing_id)
    assert latest is not None
    assert (latest.number, latest.issue) == (2, 2)
    assert [line["kind"] for line in lines_of(latest.body, "event")] == ["retried"]
    assert lines_of(latest.body, "totals")[0]["accepted"] == 5
    assert verify(session, latest.body) == []
    assert "superseded by certificate number 2" in verify(session, text)[-1]


def test_ticking_on_makes_no_second_one(app: Flask, session: Session, post: MemoryTransport, text: str) -> None:
    for minutes in range(3):
        deliver_everything(app, session, post, now=NOON + minutes * MINUTE)
    assert session.scalar(sa.select(sa.func.count()).select_from(Certificate)) == 1
