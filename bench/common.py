"""What the benches share: a sink, an installation full of subscribers, a timed mailing, and honest results.

Benches install nothing; where something is missing they end with a line that says what. All of them stay on loopback.
"""

import contextlib
import datetime as dt
import json
import os
import platform
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import flask_migrate
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.engine import make_url
from sqlalchemy.orm import Session

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

import config  # noqa: E402
from newsroom import clock, create_app  # noqa: E402
from newsroom.delivery.models import Edition, Mailing  # noqa: E402
from newsroom.extensions import UTCDateTime, db, reading  # noqa: E402
from newsroom.news import publishing, topics  # noqa: E402
from newsroom.news.writing import ItemText, write_item  # noqa: E402
from newsroom.subscribers.models import Subscriber, Subscription  # noqa: E402

PARAGRAPH = (
    "Regionen bygger ut vården nära patienten. Under våren öppnar tre mottagningar, och fler följer i höst. "
    "Besöken bokas som förut, och den som redan har en tid behöver inte göra något."
)
BODY = "\n\n".join(["## Så går det till", PARAGRAPH, "- Ett\n- Två\n- Tre"] + [PARAGRAPH] * 5)
POSTGRES_URL = os.environ.get("NEWSROOM_TEST_POSTGRES_URL", "postgresql+psycopg://postgres@127.0.0.1/postgres")
START_SECONDS = 4  # Until a process that was just started looks for work.
SLOWEST = 100  # Letters a second: a mailing slower than this is given up.
NEWS = Mailing.kind == "news"


def need(program: str, package: str) -> str:
    """The path of a program; ends the bench with a clear line where it is missing."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise SystemExit(f"This bench needs {program}; Debian: apt install {package}")
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def wait_for_port(port: int) -> None:
    """Return once something listens there."""
    for _ in range(200):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port)).close()
            return
        time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


class Sink:
    """Postfix's smtp-sink: takes every letter, keeps none, and counts them."""

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 — it lives as long as the sink.
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [need("smtp-sink", "postfix"), *user, "-c", *options, f"127.0.0.1:{self.port}", "1000"]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)
        wait_for_port(self.port)

    def stop(self) -> int:
        """End it; gives how many letters came."""
        time.sleep(0.3)
        self._process.terminate()
        self._process.wait()
        size = self._log.seek(0, os.SEEK_END)
        self._log.seek(max(0, size - 200))
        counts = re.findall(rb"mesg=(\d+)", self._log.read())
        return int(counts[-1]) if counts else 0


@contextlib.contextmanager
def sink(*options: str) -> Iterator[Sink]:
    one = Sink(*options)
    try:
        yield one
    finally:
        if one._process.poll() is None:
            one._process.terminate()
            one._process.wait()


def has_setting(name: str) -> bool:
    """Whether this version knows a setting, and so what it sets."""
    return any(setting.name == name for setting in config.SETTINGS)


@contextlib.contextmanager
def installation(mail_port: int, **settings: object) -> Iterator[tuple[Flask, dict[str, str]]]:
    """An app on an empty database, and the environment that makes other processes work on it."""
    with tempfile.TemporaryDirectory() as folder:
        given = {
            "INSTANCE_PATH": folder,
            "SECRET_KEY": "a secret for benches alone, long enough to be one",
            "MAIL_SERVER": "127.0.0.1",
            "MAIL_PORT": mail_port,
            **settings,
        }
        environ = {f"NEWSROOM_{name}": str(value) for name, value in given.items()}
        app = create_app(config.load(environ))
        with app.app_context():
            flask_migrate.upgrade()
        try:
            yield app, os.environ | environ
        finally:
            with app.app_context():
                db.engine.dispose()


@contextlib.contextmanager
def postgres() -> Iterator[str]:
    """The address of a PostgreSQL database of this bench's own."""
    url = make_url(POSTGRES_URL)
    name = f"newsroom_bench_{os.getpid()}"
    try:
        server = sa.create_engine(url, isolation_level="AUTOCOMMIT")
        with server.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
    except (sa.exc.OperationalError, ModuleNotFoundError) as error:
        raise SystemExit(f"This bench needs PostgreSQL (NEWSROOM_TEST_POSTGRES_URL) and psycopg: {error}") from error
    try:
        yield url.set(database=name).render_as_string(hide_password=False)
    finally:
        with server.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
        server.dispose()


def fill(app: Flask, count: int, *, wishes: Sequence[Sequence[str]] = (("stod",),), frequency: str = "direct") -> None:
    """So many subscribers, confirmed a month ago, who follow each set of topics in `wishes` in turn."""
    then = sa.literal(clock.now() - dt.timedelta(days=30), UTCDateTime())
    same = [sa.literal(frequency, sa.Text), sa.literal("bench", sa.Text), then]
    numbers = sa.select(sa.literal(0).label("number")).cte("numbers", recursive=True)
    numbers = numbers.union_all(sa.select(numbers.c.number + 1).where(numbers.c.number + 1 < count))
    number = sa.cast(numbers.c.number, sa.Text)
    address = sa.literal("r", sa.Text) + number + sa.literal("@example.org", sa.Text)
    token = sa.literal("tok", sa.Text) + sa.cast(sa.literal(10**18, sa.BigInteger) + numbers.c.number, sa.Text)
    with app.app_context(), Session(db.engine) as session:
        topics.add_start_topics(session)
        session.execute(
            sa.insert(Subscriber).from_select(
                ["address", "address_key", "token", "language", "created_at", "confirmed_at"],
                sa.select(address, address, token, sa.literal("sv", sa.Text), then, then),
            )
        )
        wish = sa.values(sa.column("place", sa.Integer), sa.column("topic_id", sa.Integer), literal_binds=True)
        pairs = [
            (place, topic.id) for place, slugs in enumerate(wishes) for topic in topics.find_topics(session, slugs)
        ]
        followed = wish.data(pairs).cte("followed")
        session.execute(
            sa.insert(Subscription).from_select(
                ["subscriber_id", "topic_id", "frequency", "source", "began_at"],
                sa.select(Subscriber.id, followed.c.topic_id, *same).join(
                    followed, Subscriber.id % len(wishes) == followed.c.place
                ),
            )
        )
        session.commit()
        if session.get_bind().dialect.name == "postgresql":
            with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                # As autovacuum does after a list has grown; what a first mailing writes, it hasn't seen yet.
                connection.exec_driver_sql("VACUUM ANALYZE subscriber, subscription")


def publish(
    app: Flask,
    slugs: Sequence[str] = ("stod",),
    *,
    headline: str = "Tre nya mottagningar öppnar i vår",
    ago: dt.timedelta = dt.timedelta(seconds=1),
) -> None:
    """Publish an item whose letters are of 8 to 10 kB."""
    at = clock.now() - ago
    with app.app_context(), Session(db.engine) as session:
        text = ItemText(headline, PARAGRAPH, BODY, PARAGRAPH)
        item = write_item(session, text, topics.find_topics(session, slugs), now=at, domain="localhost")
        publishing.publish(item, at=at, now=at - dt.timedelta(seconds=1))
        session.commit()


def ask(app: Flask, statement: sa.Select[Any]) -> Any:
    """One value from the database, leaving no transaction open."""
    with app.app_context(), reading(), Session(db.engine) as session:
        return session.scalar(statement)


@contextlib.contextmanager
def process(environ: dict[str, str], *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A `newsroom` command in a process of its own."""
    running = subprocess.Popen([sys.executable, "-m", "newsroom", *words], env=environ, cwd=PROJECT)
    try:
        yield running
    finally:
        running.send_signal(signal.SIGTERM)
        try:
            running.wait(30)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def wait_until_done(
    app: Flask,
    processes: Sequence[subprocess.Popen[bytes]],
    *,
    which: sa.ColumnElement[bool] = NEWS,
    seconds: float,
) -> None:
    """Return when that mailing is done; ends the bench where a process died or so many seconds went by."""
    end = time.monotonic() + seconds
    while ask(app, sa.select(Mailing.state).where(which)) != "done":
        if any(one.poll() is not None for one in processes):
            raise SystemExit("a process of the engine's ended in the middle")
        if time.monotonic() > end:
            raise SystemExit(f"the mailing isn't done after {seconds:.0f} s")
        time.sleep(0.1)


def read_peak(pid: int) -> float:
    """The most memory that a process ever had in use, in megabytes (VmHWM, proc(5))."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found, "no VmHWM"
    return int(found.group(1)) * 1024 / 1e6


@dataclass(frozen=True)
class Mailed:
    """A mailing that was sent to all its letters' recipients; `octets` is a letter's size, `peak` in megabytes."""

    letters: int
    seconds: float
    octets: int
    peak: float

    @property
    def rate(self) -> float:
        return self.letters / self.seconds


def time_mailing(
    count: int,
    *,
    commands: Sequence[Sequence[str]] = (("engine", "run"),),
    through: Callable[[int], AbstractContextManager[int]] = contextlib.nullcontext,
    **settings: object,
) -> Mailed:
    """Send one item to so many subscribers, from the press of "publish" to a finished mailing, counted at the sink.

    `commands` are the processes that do it, `through` what stands between them and the sink's port, and `settings`
    theirs.
    """
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(sink())
        port = stack.enter_context(through(one.port))
        app, environ = stack.enter_context(installation(port, **settings))
        fill(app, count)
        processes = [stack.enter_context(process(environ, *words)) for words in commands]
        time.sleep(START_SECONDS)
        began = time.monotonic()
        publish(app)
        wait_until_done(app, processes, seconds=60 + count / SLOWEST)
        seconds = time.monotonic() - began
        peak = read_peak(processes[0].pid)
        octets = ask(app, sa.select(sa.func.length(Edition.letter)))
        came = one.stop()
        assert came == count, f"{came} of {count} letters came"
    return Mailed(count, seconds, octets, peak)


def time_smtp_source(count: int, size: int) -> float:
    """Letters a second of smtp-source with 8 sessions that stay open, its fastest way."""
    with sink() as one:
        began = time.monotonic()
        options = ["-d", "-s", "8", "-m", str(count), "-l", str(size), "-f", "a@example.org", "-t", "b@example.org"]
        subprocess.run([need("smtp-source", "postfix"), *options, f"127.0.0.1:{one.port}"], check=True)
        seconds = time.monotonic() - began
        assert one.stop() == count
    return count / seconds


@dataclass(frozen=True)
class Turn:
    """A mailing, and what each yardstick gave beside it, in letters a second: the mean of right before and after."""

    mailed: Mailed
    yardsticks: Sequence[float]

    def ratio(self, yardstick: int = 0) -> float:
        return self.mailed.rate / self.yardsticks[yardstick]


def take_turns(count: int, mail: Callable[[], Mailed], *yardsticks: Callable[[int], float]) -> list[Turn]:
    """So many mailings, each between two measurements of every yardstick, which are called with the letters' size.

    A machine that others use too is now faster, now slower. What is compared therefore ran within the same minute.
    """
    turns = []
    mailed = mail()  # This one only warms up, and tells how large a letter is.
    before = [measure(mailed.octets) for measure in yardsticks]
    for number in range(count):
        mailed = mail()
        after = [measure(mailed.octets) for measure in yardsticks]
        turn = Turn(mailed, [statistics.fmean(pair) for pair in zip(before, after, strict=True)])
        turns.append(turn)
        before = after
        said = ", ".join(f"{rate:.0f}/s ({mailed.rate / rate:.2f})" for rate in turn.yardsticks)
        print(f"turn {number + 1}: {mailed.rate:.0f}/s against {said}", flush=True)
    return turns


Row = dict[str, Any]


def at_least(what: str, value: float, must: float, *, digits: int = 2) -> Row:
    """A row for what must be so large or larger."""
    return _row(what, value, must, "at least", value >= must, digits)


def at_most(what: str, value: float, must: float, *, digits: int = 2) -> Row:
    """A row for what must be so small or smaller."""
    return _row(what, value, must, "at most", value <= must, digits)


def at_least_in_median(what: str, values: Sequence[float], must: float, *, digits: int = 2) -> Row:
    """The same for a figure that was measured several times. Its lowest and highest value stand in the row, too."""
    row = at_least(what, statistics.median(values), must, digits=digits)
    return row | {"from": round(min(values), digits), "to": round(max(values), digits)}


def for_the_record(what: str, value: float, *, digits: int = 0) -> Row:
    """A row that nothing is promised about."""
    return _row(what, value, None, None, True, digits)


def _row(what: str, value: float, must: float | None, bound: str | None, met: bool, digits: int) -> Row:
    return {"what": what, "value": round(value, digits or None), "must": must, "bound": bound, "met": met}


def write_results(name: str, rows: Sequence[Row]) -> None:
    """Write and print a bench's rows; `met` was judged before rounding."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    path = PROJECT / "bench" / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2, ensure_ascii=False) + "\n")
    for row in rows:
        promise = "" if row["must"] is None else f" (must: {row['bound']} {row['must']})"
        print(f"{'met   ' if row['met'] else 'MISSED'} {row['what']}: {row['value']}{promise}", flush=True)
