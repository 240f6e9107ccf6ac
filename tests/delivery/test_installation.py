"""A restored backup or a cloned database sends nothing before a person says so."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.delivery import installation
from newsroom.delivery.installation import Identity, accept, may_send, pending
from newsroom.delivery.models import Installation
from tests.factories import DAY, HOUR, MINUTE, NOON


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return Identity(folder=tmp_path / "one", given_name=None, only_to=(), production=True)


def problems(session: Session) -> list[str | None]:
    session.expire_all()
    return [one.problem for one in pending(session)]


def test_the_first_installation_of_a_database_is_accepted_by_itself(session: Session, identity: Identity) -> None:
    assert may_send(session, identity, now=NOON)
    assert may_send(session, identity, now=NOON + MINUTE)
    assert problems(session) == []


def test_a_copy_of_the_database_elsewhere_sends_nothing_until_a_person_says_so(
    session: Session, identity: Identity, tmp_path: Path
) -> None:
    may_send(session, identity, now=NOON)
    staging = replace(identity, folder=tmp_path / "staging")

    assert not may_send(session, staging, now=NOON + HOUR)
    assert problems(session) == ["unknown"]
    assert may_send(session, identity, now=NOON + HOUR)  # The known one goes on.

    assert accept(session, now=NOON + DAY) == 1
    session.commit()
    assert may_send(session, staging, now=NOON + DAY)


def test_a_database_that_went_back_in_time_sends_nothing_until_a_person_says_so(
    session: Session, identity: Identity
) -> None:
    may_send(session, identity, now=NOON)
    backup = session.scalars(sa.select(Installation.beats)).one()
    session.commit()
    for minutes in range(1, 4):
        assert may_send(session, identity, now=NOON + minutes * MINUTE)
    session.execute(sa.update(Installation).values(beats=backup, seen_at=NOON))  # What a restored backup holds.
    session.commit()

    for hours in range(2):
        assert not may_send(session, identity, now=NOON + HOUR + hours * HOUR)
    assert problems(session) == ["restored"]

    accept(session, now=NOON + DAY)
    session.commit()
    assert may_send(session, identity, now=NOON + DAY)
    assert may_send(session, identity, now=NOON + DAY + MINUTE)


def test_a_database_without_its_newest_installation_is_not_taken_for_a_new_one(
    session: Session, identity: Identity, tmp_path: Path
) -> None:
    may_send(session, replace(identity, folder=tmp_path / "elsewhere"), now=NOON)
    assert not may_send(session, identity, now=NOON)


def test_a_list_of_allowed_addresses_outside_production_asks_for_a_yes_once_for_each_list(
    session: Session, identity: Identity
) -> None:
    listed = replace(identity, only_to=("*@example.org",), production=False)
    assert not may_send(session, listed, now=NOON)
    accept(session, now=NOON)
    session.commit()
    assert may_send(session, listed, now=NOON)
    assert not may_send(session, replace(listed, only_to=("*@example.com",)), now=NOON)
    assert may_send(session, listed, now=NOON + MINUTE)


def test_in_production_such_a_list_asks_for_nothing(session: Session, identity: Identity) -> None:
    assert may_send(session, replace(identity, only_to=("*@example.org",)), now=NOON)


def test_machines_that_are_given_one_name_are_one_installation(
    session: Session, identity: Identity, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        assert may_send(session, replace(identity, folder=tmp_path / name, given_name="nyheter"), now=NOON)
    assert session.scalar(sa.select(sa.func.count()).select_from(Installation)) == 1


def test_a_lost_instance_folder_is_another_installation(session: Session, identity: Identity) -> None:
    may_send(session, identity, now=NOON)
    shutil.rmtree(identity.folder)
    assert not may_send(session, identity, now=NOON)


def test_the_file_never_runs_ahead_of_the_database(session: Session, identity: Identity) -> None:
    may_send(session, identity, now=NOON)
    for minutes in range(1, 5):
        may_send(session, identity, now=NOON + minutes * MINUTE)
        (kept,) = json.loads((identity.folder / "installation.json").read_text())["beats"].values()
        assert kept == session.scalars(sa.select(Installation.beats)).one()
        session.rollback()
    assert installation.BEAT < MINUTE
