"""What the benches share: a sink, an installation full of subscribers, and results with every row honest."""

import contextlib
import datetime as dt
import json
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import flask_migrate
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

import config  # noqa: E402
from newsroom import clock, create_app  # noqa: E402
from newsroom.extensions import db, reading  # noqa: E402
from newsroom.news import publishing, topics  # noqa: E402
from newsroom.news.writing import ItemText, write_item  # noqa: E402
from newsroom.subscribers.models import Subscriber, Subscription  # noqa: E402

PARAGRAPH = (
    "Regionen bygger ut vården nära patienten. Under våren öppnar tre mottagningar, och fler följer i höst. "
    "Besöken bokas som förut, och den som redan har en tid behöver inte göra något."
)
BODY = "\n\n".join(["## Så går det till", PARAGRAPH, "- Ett\n- Två\n- Tre"] + [PARAGRAPH] * 8)


def need(program: str, package: str) -> str:
    """The path of a program; ends the bench with a clear line where it is missing."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        raise SystemExit(f"This bench needs {program}; Debian: apt install {package}")
    return found


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


class Sink:
    """Postfix's smtp-sink: takes every letter, keeps none, and counts them."""

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 — it lives as long as the sink.
        user = ["-u", "nobody"] if os.geteuid() == 0 else []
        command = [need("smtp-sink", "postfix"), *user, "-c", *options, f"127.0.0.1:{self.port}", "1000"]
        self._process = subprocess.Popen(command, stdout=self._log, stderr=subprocess.STDOUT)
        for _ in range(100):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            time.sleep(0.05)
        raise SystemExit("smtp-sink doesn't start")

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
        yield app, os.environ | environ
        with app.app_context():
            db.engine.dispose()


def fill(app: Flask, count: int) -> None:
    """So many confirmed subscribers to one topic."""
    now = clock.now()
    with app.app_context(), Session(db.engine) as session:
        topics.add_start_topics(session)
        topic_id = topics.find_topics(session, ["stod"])[0].id
        for start in range(0, count, 10_000):
            names = [f"r{number}@example.org" for number in range(start, min(count, start + 10_000))]
            same = {"created_at": now, "confirmed_at": now, "language": "sv"}
            people = [{"address": name, "address_key": name, **same} for name in names]
            session.execute(sa.insert(Subscriber), people)
        one = {"topic_id": topic_id, "frequency": "direct", "source": "bench", "began_at": now}
        ids = list(session.scalars(sa.select(Subscriber.id)))
        for start in range(0, count, 10_000):
            session.execute(sa.insert(Subscription), [{"subscriber_id": i, **one} for i in ids[start : start + 10_000]])
        session.commit()


def publish(app: Flask) -> None:
    """Publish an item whose letters are of 8 to 10 kB."""
    now = clock.now() - dt.timedelta(seconds=1)
    with app.app_context(), Session(db.engine) as session:
        text = ItemText("Tre nya mottagningar öppnar i vår", PARAGRAPH, BODY, PARAGRAPH)
        item = write_item(session, text, topics.find_topics(session, ["stod"]), now=now, domain="localhost")
        publishing.publish(item, at=now, now=now - dt.timedelta(seconds=1))
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
        running.wait(30)


def write_results(name: str, rows: list[dict[str, Any]]) -> None:
    """Write and print rows of what, value, must and met."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    path = PROJECT / "bench" / "results" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2, ensure_ascii=False) + "\n")
    for row in rows:
        print(f"{'met   ' if row['met'] else 'MISSED'} {row['what']}: {row['value']} (must: {row['must']})")
