"""The disk that holds database and journals fills up in the middle of a mailing, and is cleared again."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy.orm import Session

from newsroom import clock, create_app
from newsroom.extensions import db
from tests.conftest import missing, settings, wait_for
from tests.engine.common import SENDERS, Processes, check_ledger, check_letters, is_done, publish, stop
from tests.factories import make_audience
from tests.smtp_server import RoughServer

SUBSCRIBERS = 6_000
DISK_MB = 64


@pytest.fixture
def disk() -> Iterator[Path]:
    """A small disk of the test's own, not among pytest's folders: a run that is killed leaves it mounted."""
    folder = Path(tempfile.mkdtemp(prefix="newsroom-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        missing("a small disk can't be mounted here; that takes root")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
    folder.rmdir()


@pytest.fixture
def app(disk: Path, migrated_sqlite: Path) -> Iterator[Flask]:
    """An installation on that disk."""
    shutil.copy(migrated_sqlite, disk / "newsroom.sqlite3")
    app = create_app(settings(disk))
    yield app
    with app.app_context():
        db.engine.dispose()


def fill_up(disk: Path) -> Path:
    """Leave no octet free; gives the file that took them."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        while shutil.disk_usage(disk).free > 0:  # What the engine removes meanwhile is taken as well.
            for size in (1 << 20, 4096, 1):
                try:
                    while file.write(bytes(size)) == size:
                        pass
                except OSError:
                    continue
    return filler


def stands_still(server: RoughServer) -> bool:
    """Whether no letter has come for three seconds."""
    before = len(server.taken)
    time.sleep(3)
    return len(server.taken) == before


@pytest.mark.slow
@pytest.mark.xdist_group("load")
def test_a_disk_that_is_full_for_a_while_costs_no_letter_and_the_operator_is_told(
    app: Flask, session: Session, disk: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    make_audience(session, SUBSCRIBERS, now=clock.now())
    publish(session)
    processes = Processes(app)

    with RoughServer() as server:
        try:
            engine = processes.start("engine", "run", mail_port=server.port)
            wait_for(lambda: len(server.taken) >= SUBSCRIBERS // 4)
            filler = fill_up(disk)
            wait_for(lambda: stands_still(server))
            assert engine.poll() is None  # It waits for room, and doesn't fall.
            assert len(server.taken) < SUBSCRIBERS
            filler.unlink()
            wait_for(lambda: is_done(session))
            stop(engine)
        finally:
            processes.kill_all()

    check_letters(server.taken, SUBSCRIBERS, most_doubles=SENDERS)
    check_ledger(session, SUBSCRIBERS)
    said = capfd.readouterr().err
    assert re.search("trying again: .*(disk is full|No space left)", said)
    assert "Traceback" not in said
