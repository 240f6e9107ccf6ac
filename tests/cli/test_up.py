"""`newsroom up` as a process: it starts, says in one line what stands in its way, and stops without a trace."""

import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import LONG_ENOUGH, free_port, listens, wait_for
from tests.journeys.conftest import PROJECT, answers

pytestmark = pytest.mark.slow


@pytest.fixture
def instance(tmp_path: Path, migrated_sqlite: Path) -> Path:
    """The folder of an installation that has its tables: the first start, which makes them and more, takes longer."""
    shutil.copy(migrated_sqlite, tmp_path)
    return tmp_path


def environ(instance: Path, **changes: object) -> dict[str, str]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("NEWSROOM_")}
    wanted = {"INSTANCE_PATH": instance, "PORT": free_port(), **changes}
    return own | {f"NEWSROOM_{name}": str(value) for name, value in wanted.items()}


def run_up(instance: Path, **changes: object) -> subprocess.CompletedProcess[str]:
    """Run it where it can't start; gives how it ended."""
    return subprocess.run(
        [sys.executable, "-m", "newsroom", "up"],
        env=environ(instance, **changes),
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_cleanly_and_leaves_no_process_behind(instance: Path, number: signal.Signals) -> None:
    settings = environ(instance)
    process = subprocess.Popen(
        [sys.executable, "-m", "newsroom", "up"],
        env=settings,
        cwd=PROJECT,
        start_new_session=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    address = f"http://127.0.0.1:{settings['NEWSROOM_PORT']}"
    wait_for(lambda: answers(f"{address}/healthz"))
    os.killpg(process.pid, number)  # As a terminal does it: to everybody in the group.

    printed, _ = process.communicate(timeout=LONG_ENOUGH)
    assert process.returncode == 0
    assert "Traceback" not in printed
    assert not answers(f"{address}/healthz")
    wait_for(lambda: living_in_group(process.pid) == [])


def read_until_it_runs(process: subprocess.Popen[str]) -> list[str]:
    """What it prints up to the line that says how to end it."""
    assert process.stdout is not None
    lines: list[str] = []
    while not any("Ctrl-C" in line for line in lines):
        lines.append(process.stdout.readline())
        assert lines[-1], lines
    return lines


def living_in_group(group: int) -> list[str]:
    """The command lines of a process group's members that aren't merely waiting to be buried."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _parent, of_group = (folder / "stat").read_text().rpartition(") ")[2].split()[:3]
            if int(of_group) == group and state != "Z":
                found.append((folder / "cmdline").read_text())
        except OSError:
            continue
    return found


def test_killed_outright_it_takes_the_site_with_it_and_can_start_again(instance: Path) -> None:
    settings = environ(instance)
    command = [sys.executable, "-m", "newsroom", "up"]
    address = f"http://127.0.0.1:{settings['NEWSROOM_PORT']}/healthz"
    first = subprocess.Popen(command, env=settings, cwd=PROJECT)
    wait_for(lambda: answers(address))
    first.kill()
    first.wait()
    wait_for(lambda: not listens(int(settings["NEWSROOM_PORT"])))

    second = subprocess.Popen(command, env=settings, cwd=PROJECT)
    wait_for(lambda: answers(address))
    second.terminate()
    assert second.wait(LONG_ENOUGH) == 0


def test_the_login_is_this_installations_own_and_is_shown_again(instance: Path) -> None:
    shown = []
    for _ in range(2):
        settings = environ(instance)
        process = subprocess.Popen(
            [sys.executable, "-m", "newsroom", "up"], env=settings, cwd=PROJECT, stdout=subprocess.PIPE, text=True
        )
        lines = read_until_it_runs(process)
        process.terminate()
        process.communicate(timeout=LONG_ENOUGH)
        shown.append(next(line for line in lines if "login" in line).rpartition("password ")[2].strip())

    assert shown[0] == shown[1] == (instance / "editor-login").read_text().split()[1]
    assert len(shown[0]) >= 16


def test_with_a_cluster_it_starts_the_site_without_an_engine_and_says_so(instance: Path) -> None:
    settings = environ(instance, ENGINE="cluster", BROKER_URL="redis://127.0.0.1:1/0", MAILBOX_PORT=free_port())
    process = subprocess.Popen(
        [sys.executable, "-m", "newsroom", "up"], env=settings, cwd=PROJECT, stdout=subprocess.PIPE, text=True
    )
    lines = read_until_it_runs(process)
    assert any("newsroom worker and newsroom beat" in line for line in lines)
    process.terminate()
    assert process.wait(LONG_ENOUGH) == 0
    process.communicate()
    assert not (instance / "journals").exists()


def test_a_port_in_use_is_said_in_one_line(instance: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run_up(instance, PORT=taken.getsockname()[1])
    assert ended.returncode == 1
    assert "NEWSROOM_PORT" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_mailbox_port_in_use_is_said_in_one_line(instance: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ended = run_up(instance, MAILBOX_PORT=taken.getsockname()[1])
    assert ended.returncode == 1
    assert "NEWSROOM_MAILBOX_PORT" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_database_that_is_read_only_is_said_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "locked.sqlite3"
    sqlite3.connect(path).close()
    ended = run_up(tmp_path, SQLALCHEMY_DATABASE_URI=f"sqlite:///file:{path}?mode=ro&uri=true")
    assert ended.returncode == 1
    assert "readonly database" in ended.stderr
    assert "NEWSROOM_SQLALCHEMY_DATABASE_URI" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_a_database_that_does_not_answer_is_said_in_one_line(tmp_path: Path) -> None:
    ended = run_up(tmp_path, SQLALCHEMY_DATABASE_URI=f"postgresql://nobody@127.0.0.1:{free_port()}/none")
    assert ended.returncode == 1
    assert "refused" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_production_never_migrates_by_itself_and_needs_its_secret(tmp_path: Path) -> None:
    production = {
        "PUBLIC_URL": "https://nyheter.example.org",
        "MAIL_SERVER": "127.0.0.1",
        "MAIL_DEFAULT_SENDER": "nyheter@example.org",
    }
    missing = run_up(tmp_path, **production)
    assert (missing.returncode, len(missing.stderr.splitlines())) == (2, 1)
    assert "NEWSROOM_SECRET_KEY" in missing.stderr

    ended = run_up(tmp_path, **production, SECRET_KEY="a long secret of forty-two characters here")
    assert ended.returncode == 1
    assert "newsroom db upgrade" in ended.stderr


def test_the_site_is_started_again_when_it_dies(instance: Path) -> None:
    settings = environ(instance)
    address = f"http://127.0.0.1:{settings['NEWSROOM_PORT']}/healthz"
    process = subprocess.Popen([sys.executable, "-m", "newsroom", "up"], env=settings, cwd=PROJECT)
    wait_for(lambda: answers(address))
    time.sleep(6)  # A worker that dies in its first seconds is taken for one that can't start.
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    workers = [child for child in children if b"resource_tracker" not in Path(f"/proc/{child}/cmdline").read_bytes()]
    os.kill(int(workers[0]), signal.SIGKILL)
    wait_for(lambda: answers(address))
    process.terminate()
    assert process.wait(LONG_ENOUGH) == 0
