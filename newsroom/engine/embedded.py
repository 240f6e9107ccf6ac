"""The engine for one machine: threads in this process, work found in the database.

One thread ticks, the others send. The first sender carries nothing but confirmations, so that no mailing, however
large, stands in their way.
"""

import itertools
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from flask import Flask
from sqlalchemy.exc import DBAPIError

from newsroom import clock
from newsroom.delivery import ledger
from newsroom.delivery.journal import Journal
from newsroom.delivery.models import Lane
from newsroom.delivery.sending import recover, send_batch, tick
from newsroom.delivery.transport import SMTPTransport
from newsroom.engine.rules import rules_of
from newsroom.extensions import db, describe_failure, reading

log = logging.getLogger(__name__)

T = TypeVar("T")


class EmbeddedEngine:
    """Start it, and letters leave; stop it, and the letters on the wires are finished first."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._rules = rules_of(app)
        self._pause: float = app.config["ENGINE_PAUSE_SECONDS"]
        self._senders: int = app.config["ENGINE_SENDERS"]
        self._name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._journals = Path(app.instance_path) / "journals"
        self._stopping = threading.Event()
        self._bell = threading.Condition()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to work. Other engines on the same database are welcome."""
        self._start_thread("ticker", self._tick_for_ever)

    def stop(self, *, seconds: float = 10) -> None:
        """Finish the letters on the wires and end, or give up waiting after so many seconds."""
        self._stopping.set()
        with self._bell:
            self._bell.notify_all()
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _start_thread(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name=f"engine-{name}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _tick_for_ever(self) -> None:
        for number in range(self._senders + 1):
            lanes = [int(Lane.CONFIRMATION)] if number == 0 else None
            self._start_thread(f"sender-{number}", partial(self._send_for_ever, number, lanes))
        while not self._stopping.is_set():
            self._guard(self._look)
            with self._bell:
                self._bell.notify_all()
            self._stopping.wait(self._pause)

    def _look(self) -> None:
        """Take over from workers that died, and do what there is to do but sending."""
        session = db.session()
        recover(session, self._journals, now=clock.now())
        tick(session, self._rules, now=clock.now())

    def _send_for_ever(self, number: int, lanes: list[int] | None) -> None:
        transport = SMTPTransport(self._app)
        for life in itertools.count():
            journal = Journal(self._journals, f"{self._name}:{number}:{life}")
            while not self._stopping.is_set():
                found = self._guard(partial(self._send_one, journal, transport, lanes))
                if found is None:
                    journal.abandon()  # What it says is settled by the next look, as if this worker had died.
                    break
                if not found:
                    transport.close()  # An idle connection would be closed by the server sooner or later.
                    with self._bell:
                        if not self._stopping.is_set():
                            self._bell.wait(self._pause)
            else:
                journal.close()
                transport.close()
                return

    def _send_one(self, journal: Journal, transport: SMTPTransport, lanes: list[int] | None) -> bool:
        session = db.session()
        with reading():
            due = ledger.due_batches(session, now=clock.now(), lanes=lanes)
            session.rollback()
        return any(
            send_batch(
                session,
                self._rules,
                transport,
                batch_id,
                journal=journal,
                clock=clock.now,
                should_stop=self._stopping.is_set,
            )
            for batch_id in due
        )

    def _guard(self, work: Callable[[], T]) -> T | None:
        """Do one piece of work in a context of its own. No error ends the thread: it gives None."""
        try:
            with self._app.app_context():
                return work()
        except DBAPIError as error:
            log.warning("the database doesn't answer as it should; trying again: %s", describe_failure(error))
        except Exception:
            log.exception("the engine met an error; trying again")
        self._stopping.wait(self._pause)
        return None
