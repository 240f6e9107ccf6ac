"""The engine for one machine: threads in this process, work found in the database.

One thread ticks, the others send. The first sender carries nothing but confirmations, so that no mailing, however
large, stands in their way.
"""

import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from flask import Flask

from newsroom import clock
from newsroom.delivery.covering import is_somebody_waiting
from newsroom.delivery.models import Lane
from newsroom.delivery.sending import recover
from newsroom.delivery.ticking import tick
from newsroom.engine.rules import rules_of
from newsroom.engine.sender import Leave, Sender, attempt, journal_folder
from newsroom.engine.watching import WATCH_SECONDS, Watch
from newsroom.extensions import db, reading

T = TypeVar("T")


class EmbeddedEngine:
    """Start it, and letters leave; stop it, and the letters on the wires are finished first."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._rules = rules_of(app)
        self._pause: float = app.config["ENGINE_PAUSE_SECONDS"]
        self._senders: int = app.config["ENGINE_SENDERS"]
        self._name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._leave = Leave(self._rules.identity)
        self._stopping = threading.Event()
        self._look_now = threading.Event()  # Set by whoever has something for the ticker to see before its next look.
        self._busy: set[int] = set()  # Senders that had something to do when they last looked.
        self._bell = threading.Condition()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to work. Other engines on the same database are welcome."""
        self._start_thread("ticker", self._tick_for_ever)

    def stop(self, *, seconds: float = 10) -> None:
        """Finish the letters on the wires and end, or give up waiting after so many seconds."""
        self._stopping.set()
        self._look_now.set()
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
        with self._app.app_context():
            watch = Watch(db.engine)
        while not self._stopping.is_set():
            watch.has_changed()  # What is written from here on asks for another look.
            more = self._guard(self._look)
            with self._bell:
                self._bell.notify_all()
            if not more:
                self._wait_for_work(watch)
            self._look_now.clear()
        watch.close()

    def _wait_for_work(self, watch: Watch) -> None:
        """Wait for the time of the next look, or until somebody wrote to the database.

        While letters leave, their senders write all the time; only what readers asked for themselves is then seen to.
        """
        end = time.monotonic() + self._pause
        while (left := end - time.monotonic()) > 0 and not self._look_now.wait(min(left, WATCH_SECONDS)):
            if watch.has_changed() and (not self._busy or self._guard(self._is_somebody_waiting)):
                return

    def _is_somebody_waiting(self) -> bool:
        session = db.session()
        with reading():
            found = is_somebody_waiting(session, now=clock.now())
            session.rollback()
        return found

    def _look(self) -> bool:
        """Take over from workers that died, and do what there is to do but sending; says whether there is more."""
        session = db.session()
        recover(session, journal_folder(self._app), now=clock.now())
        return self._leave.ask() and tick(session, self._rules, now=clock.now())

    def _send_for_ever(self, number: int, lanes: list[int] | None) -> None:
        sender = Sender(self._app, self._rules, f"{self._name}:{number}", should_stop=self._stopping.is_set)
        worked = False
        while not self._stopping.is_set():
            found = self._guard(partial(sender.send_next, lanes)) if self._leave.given else False
            if worked and not found:
                self._look_now.set()  # What this was the last batch of is done, and should be called so.
            worked = bool(found)
            (self._busy.add if worked else self._busy.discard)(number)
            if found is False:
                sender.rest()
                with self._bell:
                    if not self._stopping.is_set():
                        self._bell.wait(self._pause)
        sender.close()

    def _guard(self, work: Callable[[], T]) -> T | None:
        """Attempt a piece of work; after an error, wait."""
        found = attempt(self._app, work)
        if found is None:
            self._stopping.wait(self._pause)
        return found
