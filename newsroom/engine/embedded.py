"""The engine for one machine: threads in this process, work found in the database.

One thread ticks, the others send. The first sender carries nothing but confirmations, so that no mailing, however
large, stands in their way. A lock file lets one engine work per instance folder; a second one stands by.
"""

import fcntl
import logging
import socket
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

from flask import Flask
from sqlalchemy.exc import DBAPIError

from newsroom import clock
from newsroom.delivery import ledger
from newsroom.delivery.models import Lane
from newsroom.delivery.sending import send_batch, tick
from newsroom.delivery.transport import SMTPTransport
from newsroom.engine.rules import rules_of
from newsroom.extensions import db, reading

log = logging.getLogger(__name__)


class EmbeddedEngine:
    """Start it, and letters leave; stop it, and the letters on the wires are finished first."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._rules = rules_of(app)
        self._transport = SMTPTransport(app)
        self._pause: float = app.config["ENGINE_PAUSE_SECONDS"]
        self._senders: int = app.config["ENGINE_SENDERS"]
        self._name = f"{socket.gethostname()}:{app.instance_path}:"
        self._lock_path = Path(app.instance_path) / "engine.lock"
        self._lock: IO[str] | None = None
        self._stopping = threading.Event()
        self._bell = threading.Condition()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to work, as soon as no other engine of this instance does."""
        self._start_thread("ticker", self._tick_for_ever)

    def stop(self, *, seconds: float = 10) -> None:
        """Finish the letters on the wires and end, or give up waiting after so many seconds."""
        self._stopping.set()
        with self._bell:
            self._bell.notify_all()
        for thread in self._threads:
            thread.join(seconds)
        if self._lock is not None:
            self._lock.close()

    def _start_thread(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name=f"engine-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _take_lock(self) -> bool:
        """Wait for the instance's lock; false where the engine is stopped meanwhile."""
        self._lock_path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = self._lock_path.open("w")
        said = False
        while not self._stopping.is_set():
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return True
            except BlockingIOError:
                if not said:
                    log.warning("another engine works for %s; this one stands by", self._app.instance_path)
                said = True
                self._stopping.wait(self._pause)
        return False

    def _tick_for_ever(self) -> None:
        if not self._take_lock():
            return
        # Whoever holds the lock knows that the workers of this name are gone.
        while not self._stopping.is_set() and not self._guard(self._free_leases):
            self._stopping.wait(self._pause)
        for number in range(self._senders + 1):
            lanes = [int(Lane.CONFIRMATION)] if number == 0 else None
            self._start_thread(f"sender-{number}", partial(self._send_for_ever, number, lanes))
        while not self._stopping.is_set():
            self._guard(lambda: tick(db.session(), self._rules, now=clock.now()))
            with self._bell:
                self._bell.notify_all()
            self._stopping.wait(self._pause)

    def _free_leases(self) -> None:
        freed = ledger.free_leases(db.session(), worker_prefix=self._name, now=clock.now())
        db.session.commit()
        if freed:
            log.warning("took over %s batches from an engine that ended in the middle", freed)

    def _send_for_ever(self, number: int, lanes: list[int] | None) -> None:
        while not self._stopping.is_set():
            if self._guard(lambda: self._send_one(number, lanes)):
                continue
            with self._bell:
                if not self._stopping.is_set():
                    self._bell.wait(self._pause)

    def _send_one(self, number: int, lanes: list[int] | None) -> bool:
        session = db.session()
        with reading():
            due = ledger.due_batches(session, now=clock.now(), lanes=lanes)
            session.rollback()
        return any(
            send_batch(
                session,
                self._rules,
                self._transport,
                batch_id,
                worker=f"{self._name}{number}",
                clock=clock.now,
                should_stop=self._stopping.is_set,
            )
            for batch_id in due
        )

    def _guard(self, work: Callable[[], bool | None]) -> bool:
        """Do one piece of work in a context of its own. No error ends the thread: what is undone is found again."""
        try:
            with self._app.app_context():
                return work() is not False
        except DBAPIError as error:
            log.warning("the database doesn't answer as it should; trying again: %s", error.orig)
        except Exception:
            log.exception("the engine met an error; trying again")
        self._stopping.wait(self._pause)
        return False
