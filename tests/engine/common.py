"""What the engines' tests share: processes on a test's database, a mailing large enough to be interrupted, its sums."""

import contextlib
import datetime as dt
import functools
import getpass
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from pathlib import Path
from typing import Self

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom import clock
from newsroom.delivery import certificate, progress
from newsroom.delivery.models import Certificate, Mailing
from newsroom.extensions import reading
from tests.conftest import LONG_ENOUGH, free_port, listens, missing, wait_for
from tests.engine.forking import Forker, Running
from tests.factories import addresses, make_item
from tests.smtp_server import Taken

SENDERS = 2


forker = functools.cache(Forker)


@dataclass
class Processes:
    """Runs `newsroom` commands on a test's database, each at the head of a process group. None outlives the test."""

    app: Flask
    settings: dict[str, object] = field(default_factory=dict)
    started: list[Running] = field(default_factory=list)

    def start(self, *words: str, mail_port: int, **settings: object) -> Running:
        given = {
            "INSTANCE_PATH": self.app.instance_path,
            "SECRET_KEY": self.app.config["SECRET_KEY"],
            "SQLALCHEMY_DATABASE_URI": self.app.config["SQLALCHEMY_DATABASE_URI"],
            "MAIL_SERVER": "127.0.0.1",
            "MAIL_PORT": mail_port,
            "ENGINE_SENDERS": SENDERS,
            "BATCH_SIZE": 100,
            # A claim that PostgreSQL finishes after its worker was killed is free only when its lease has run out.
            "BATCH_LEASE_SECONDS": 20,
            **self.settings,
            **settings,
        }
        environ = os.environ | {f"NEWSROOM_{name}": str(value) for name, value in given.items()}
        self.started.append(forker().start(words, environ=environ))
        return self.started[-1]

    def kill_all(self) -> None:
        for one in self.started:
            kill(one)


def kill(process: Running | subprocess.Popen[bytes]) -> None:
    """End a process and all of its group at once."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def stop(process: Running, *, seconds: float = LONG_ENOUGH) -> None:
    """Ask a process to end, and see that it does so in good order."""
    process.terminate()
    assert process.wait(seconds) == 0


def publish(session: Session) -> None:
    """Publish an item that all of `make_audience` follow."""
    make_item(session, "stod", published_at=clock.now() - dt.timedelta(seconds=1))
    session.commit()


def look(session: Session, statement: sa.Select[str]) -> str | None:
    """A value as it is now, with no transaction left open that would stand in the engine's way."""
    with reading():
        found = session.scalar(statement)
        session.rollback()
    return found


def is_done(session: Session) -> bool:
    """Whether the mailing has finished and is certified."""
    state = look(session, sa.select(Mailing.state).where(Mailing.kind == "news", ~Mailing.uncertified))
    return state == "done"


def check_letters(taken: Sequence[Taken], count: int, *, most_doubles: int) -> None:
    """See that nobody is missing, and that doubles are few and carry their twin's Message-ID."""
    received = Counter(one.to for one in taken)
    assert set(received) == set(addresses(count))
    assert len(taken) - count <= most_doubles
    for address, times in received.items():
        if times > 1:
            assert len({message_from_bytes(one.letter)["Message-ID"] for one in taken if one.to == address}) == 1


def check_ledger(session: Session, count: int) -> None:
    """See that the sums add up, and that the mailing's certificate stands and says the same."""
    session.rollback()
    mailing_id = session.scalars(sa.select(Mailing.id).where(Mailing.kind == "news")).one()
    totals = progress.totals(session, mailing_id)
    assert {state: number for state, number in totals.items() if number} == {"selected": count, "accepted": count}
    kept = session.scalars(sa.select(Certificate)).one()
    assert certificate.verify(session, kept.body) == []
    session.rollback()


class OwnPostgres:
    """A PostgreSQL server of the test's own, which it may restart as roughly as it likes."""

    def __init__(self) -> None:
        folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        found = str(folders[-1] / "pg_ctl") if folders else shutil.which("pg_ctl")
        if found is None:
            missing("PostgreSQL's own programs (pg_ctl, initdb) aren't installed")
        self._programs = Path(str(found)).parent
        self._folder = Path(tempfile.mkdtemp(prefix="newsroom-postgres-"))
        self._as_root = os.geteuid() == 0  # Then PostgreSQL refuses to run, but for a user of its own.
        if self._as_root:
            shutil.chown(self._folder, "postgres")
        self.port = free_port()
        user = "postgres" if self._as_root else getpass.getuser()
        self.url = f"postgresql+psycopg://{user}@127.0.0.1:{self.port}/postgres"

    def __enter__(self) -> Self:
        self._run("initdb", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")
        self._control("start")
        return self

    def __exit__(self, *_: object) -> None:
        self._control("stop")
        shutil.rmtree(self._folder)

    def restart(self) -> None:
        """End it as a crash would, and start it again."""
        self._control("restart")

    def _control(self, what: str) -> None:
        options = f"-p {self.port} -k {self._folder} -c listen_addresses=127.0.0.1"
        mode = [] if what == "start" else ["-m", "immediate"]
        start = [] if what == "stop" else ["-o", options, "-l", str(self._folder / "log")]
        self._run("pg_ctl", what, "-w", *mode, *start)

    def _run(self, program: str, *words: str) -> None:
        as_who = ["runuser", "-u", "postgres", "--"] if self._as_root else []
        command = [*as_who, str(self._programs / program), *words, "-D", str(self._folder / "data")]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


class OwnRabbitMQ:
    """A RabbitMQ node of the test's own, which it may kill and start again."""

    def __init__(self) -> None:
        self._program = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
        if not self._program.exists():
            missing(f"RabbitMQ's own program isn't installed: {self._program}")
        self._folder = Path(tempfile.mkdtemp(prefix="newsroom-rabbitmq-"))
        self.port = free_port()
        self._environ = os.environ | {
            "HOME": str(self._folder),  # For the cookie, so that this node and others on the machine are strangers.
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"newsroom{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "RABBITMQ_MNESIA_BASE": str(self._folder / "data"),
            "RABBITMQ_LOG_BASE": str(self._folder / "log"),
            "RABBITMQ_CONF_ENV_FILE": str(self._folder / "none"),
            "RABBITMQ_CONFIG_FILE": str(self._folder / "none.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self._folder / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }
        self._running: subprocess.Popen[bytes] | None = None

    def start(self, *, seconds: float = LONG_ENOUGH) -> None:
        """Start it, and wait until it can be reached."""
        end = time.monotonic() + seconds
        while True:
            # Right after a crash its name is still taken for a moment, and then it ends at once.
            if self._running is None or self._running.poll() is not None:
                with (self._folder / "started").open("ab") as log:
                    self._running = subprocess.Popen(
                        [str(self._program)], env=self._environ, stdout=log, stderr=log, start_new_session=True
                    )
            if listens(self.port):
                return
            assert time.monotonic() < end, (self._folder / "started").read_text()[-2000:]
            time.sleep(0.2)

    def kill(self) -> None:
        if self._running is not None:
            kill(self._running)
            self._running = None
            wait_for(lambda: not listens(self.port))  # Its last process may live a moment longer than its first.

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)


class Door:
    """A way to a server on this machine that can be shut, with all who stand in it, and opened again.

    Stuck, it stays open, and nothing gets through.
    """

    def __init__(self, to_port: int) -> None:
        self._to_port = to_port
        self.port = free_port()
        self._listener: socket.socket | None = None
        self._inside: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._moves = threading.Event()
        self._moves.set()

    def stick(self) -> None:
        self._moves.clear()

    def open(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._let_in, args=(self._listener,), daemon=True).start()

    def shut(self) -> None:
        with self._lock:
            listener, self._listener = self._listener, None
            for one in [*([listener] if listener is not None else []), *self._inside]:
                with contextlib.suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
                one.close()
            self._inside.clear()
        self._moves.set()  # Whatever was stuck finds the other side gone.

    def _let_in(self, listener: socket.socket) -> None:
        while True:
            try:
                outer, _ = listener.accept()
            except OSError:
                return
            inner = socket.create_connection(("127.0.0.1", self._to_port))
            with self._lock:
                if self._listener is not listener:  # It was shut while this one came in.
                    outer.close()
                    inner.close()
                    return
                self._inside |= {outer, inner}
            for one, other in ((outer, inner), (inner, outer)):
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                self._moves.wait()
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def open_door(to_port: int) -> Iterator[Door]:
    """A door to a port, open."""
    door = Door(to_port)
    door.open()
    try:
        yield door
    finally:
        door.shut()
