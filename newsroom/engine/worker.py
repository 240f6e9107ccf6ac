"""The cluster engine's worker: a Celery worker on threads whose tasks are `tick` and `send_batch`.

A message names a batch, and its task sends that batch, then whatever else is due for a short while: the queue only
wakes. Beside the worker for news runs one for confirmations and ticks, a process of its own that news can't occupy.
"""

import ctypes
import logging
import math
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from functools import partial
from types import FrameType

from celery import bootsteps
from celery.app.trace import setup_worker_optimizations
from celery.worker import WorkController
from celery.worker import state as celery_state
from celery.worker.consumer import Consumer
from celery.worker.consumer.tasks import Tasks
from flask import Flask
from kombu import Connection

from newsroom import clock
from newsroom.delivery import ringing
from newsroom.delivery.sending import recover
from newsroom.delivery.ticking import tick
from newsroom.engine.cluster import FIRST, LANES, NEWS, SEND, TICK, TICKS, Bell, NobodyHears, make_celery, prefix_of
from newsroom.engine.rules import rules_of, warm_up
from newsroom.engine.sender import Leave, Sender, attempt, journal_folder
from newsroom.extensions import db, reading

log = logging.getLogger(__name__)

PR_SET_PDEATHSIG = 1

FIRST_THREADS = 2  # One to tick, and one that is always free for a confirmation.
GO_ON_SECONDS = 2.0  # How long a task goes on with what else is due, before the queue is asked again.
TICKING_SECONDS = 5.0  # How long a tick goes on while there is more to do at once.
HOUSE_SECONDS = 1.0  # Between two looks after dead workers and idle connections.
LEAVE_SECONDS = 2.0  # How long the leave to send holds before the database is asked again.
LONGEST_RETRY_SECONDS = 5.0  # The longest pause between two attempts to reach the broker.
STOP_SECONDS = 30.0  # How long the process for confirmations may take to end.


class Worker:
    """One worker process. `queues` are those it listens to, `lanes` those it looks for work in."""

    def __init__(self, app: Flask, *, queues: list[str], threads: int) -> None:
        self._app = app
        self._rules = rules_of(app)
        self._queues, self._threads = queues, threads
        # Whoever carries news helps with confirmations when it looks for more; the other way round never.
        self._lanes = None if NEWS in queues else LANES[FIRST]
        self._pause: float = app.config["ENGINE_PAUSE_SECONDS"]
        self._name = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"
        self._leave = Leave(self._rules.identity)
        self._leave_asked = -LEAVE_SECONDS
        self.stopping = threading.Event()
        self._ticking = threading.Lock()
        self._resting: deque[tuple[float, Sender]] = deque()  # Each with the time since which it rests.
        self._made = 0
        self._celery = make_celery(app)
        self._bell = Bell(self._celery, prefix_of(app))
        self._bell_lock = threading.Lock()

    def run(self) -> None:
        """Work until SIGTERM or Ctrl-C, then finish the letters on the wires."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        self._celery.task(self._tick, name=TICK, typing=False)
        self._celery.task(self._send, name=SEND, typing=False)
        self._celery.steps["consumer"].add(_look_unasked(partial(self._send, None), self._threads))
        setup_worker_optimizations(self._celery)
        if TICKS in self._queues:
            warm_up(self._app)
        # It shows each lost connection a second time, with a traceback.
        logging.getLogger("celery.worker.loops").setLevel(logging.CRITICAL)
        house = threading.Thread(target=self._keep_house, name="house", daemon=True)
        house.start()
        controller = WorkController(
            self._celery,
            queues=[f"{prefix_of(self._app)}.{name}" for name in self._queues],
            concurrency=self._threads,
            consumer_cls=_PatientConsumer,
            without_gossip=True,
            without_mingle=True,
            without_heartbeat=True,
        )
        log.info("worker %s runs: %s, %s threads", self._name, " and ".join(self._queues), self._threads)
        controller.start()
        self.stopping.set()
        house.join(HOUSE_SECONDS * 5)
        for _, sender in self._resting:
            sender.close()
        self._bell.close()
        log.info("worker %s has ended", self._name)
        if controller.exitcode:
            sys.exit(controller.exitcode)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping.set()
        celery_state.should_stop = os.EX_OK  # Celery looks at it within a second.

    # The tasks

    def _tick(self) -> None:
        """Do what there is to do but sending, for a while, and ring for the batches that are due."""
        if not self._ticking.acquire(blocking=False):
            return  # One at a time is enough, and leaves a thread to the confirmations.
        try:
            end = time.monotonic() + TICKING_SECONDS
            while attempt(self._app, self._look) and time.monotonic() < end and not self.stopping.is_set():
                pass
        finally:
            self._ticking.release()

    def _look(self) -> bool:
        """One tick, and one round of ringing; says whether there is more to do at once."""
        session = db.session()
        if not self._leave.ask():
            return False
        more = tick(session, self._rules, now=clock.now())
        for queue in (FIRST, NEWS):
            self._ring(queue)
        return more

    def _ring(self, queue: str) -> None:
        session, now = db.session(), clock.now()
        most = ringing.most_outstanding(self._rules)
        with reading():
            found = ringing.unrung_batches(session, now=now, lanes=LANES[queue], most=most)
            session.rollback()
        rung = []
        try:
            with self._bell_lock:
                for batch_id in found:
                    self._bell.ring(batch_id, queue=queue)
                    rung.append(batch_id)
        except NobodyHears as error:
            log.warning("the broker doesn't take what is due; the next tick tries again: %s", error)
        if rung:
            ringing.note_rung(session, rung, now=now)
            session.commit()

    def _send(self, batch_id: int | None) -> None:
        """Send a batch, and go on for a while with whatever is due, the most urgent first; unasked, until nothing is.

        A look that failed is tried until it works: the messages would otherwise be used up while the database is away.
        """
        end = time.monotonic() + GO_ON_SECONDS if batch_id is not None else math.inf
        sender: Sender | None = None
        worked = False
        while not self.stopping.is_set():
            if sender is None:
                sender = attempt(self._app, self._take_sender)
            found = attempt(self._app, partial(self._send_one, sender, batch_id)) if sender is not None else None
            if found is None:
                self.stopping.wait(self._pause)
            elif (not found and batch_id is None) or time.monotonic() >= end:
                break
            worked = worked or bool(found)
            batch_id = None
        if worked and not found:
            self._ask_for_tick()  # What this was the last batch of is done, and should be called so.
        if sender is not None:
            self._resting.append((time.monotonic(), sender))

    def _ask_for_tick(self) -> None:
        try:
            with self._bell_lock:
                self._bell.ring_tick()
        except NobodyHears as error:
            log.debug("the beat will ask for a tick soon enough: %s", error)

    def _send_one(self, sender: Sender, batch_id: int | None) -> bool:
        if not self._may_send():
            return False
        return sender.send_next(self._lanes) if batch_id is None else sender.send(batch_id)

    def _may_send(self) -> bool:
        """The leave to send; a no is asked about again at once, since the message wouldn't come a second time."""
        if self._leave.given and time.monotonic() < self._leave_asked + LEAVE_SECONDS:
            return True
        self._leave_asked = time.monotonic()
        return self._leave.ask()

    def _take_sender(self) -> Sender:
        """A sender that rests, the last to lie down first, or a new one; no more are at work than there are threads."""
        try:
            return self._resting.pop()[1]
        except IndexError:
            self._made += 1
            name = f"{self._name}:{self._made}:{secrets.token_hex(2)}"
            return Sender(self._app, self._rules, name, should_stop=self.stopping.is_set)

    # The house

    def _keep_house(self) -> None:
        """Take over from dead workers of this machine, and close what is open and idle."""
        while not self.stopping.wait(HOUSE_SECONDS):
            attempt(self._app, lambda: recover(db.session(), journal_folder(self._app), now=clock.now()))
            for _ in range(len(self._resting)):
                try:
                    since, sender = self._resting.popleft()
                except IndexError:
                    break  # Another thread took it to work.
                if time.monotonic() >= since + HOUSE_SECONDS:
                    sender.rest()
                self._resting.appendleft((since, sender))


class _PatientConsumer(Consumer):
    """Celery's consumer, which otherwise waits longer and longer for its broker, and says so each time."""

    def ensure_connected(self, conn: Connection) -> Connection:
        failures = 0

        def note_failure(error: Exception, _interval: float) -> None:
            nonlocal failures
            failures += 1
            if failures == 1:
                log.warning("the broker can't be reached; trying again until it can: %s", error)

        connected = conn.ensure_connection(
            note_failure,
            interval_start=1,
            interval_step=1,
            interval_max=LONGEST_RETRY_SECONDS,
            callback=celery_state.maybe_shutdown,
        )
        if failures:
            log.info("the broker is back")
        return connected


def _look_unasked(look: Callable[[], None], threads: int) -> type:
    """A step of Celery's: at the start, and whenever the broker comes back, each thread looks for work unasked.

    Messages may be gone with the broker; without this, their batches would wait until they are rung for again. For the
    same reason such a look ends only where nothing is due.
    """

    class Look(bootsteps.StartStopStep):
        requires = (Tasks,)

        def start(self, consumer: object) -> None:
            for _ in range(threads):
                consumer.pool.apply_async(look, (), {}, callback=lambda _: None)  # type: ignore[attr-defined]

    return Look


class Companion:
    """The process for confirmations and ticks, kept alive beside the one for news."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping
        self._thread = threading.Thread(target=self._keep, name="companion", daemon=True)

    def start(self) -> None:
        """Begin. The kernel ends the child with the thread that started it, so that thread stays to the end."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the child, which is asked to end as soon as `stopping` is set."""
        self._thread.join()

    def _keep(self) -> None:
        command = [sys.executable, "-m", "newsroom", "worker", "--lanes", FIRST, "--parent", str(os.getpid())]
        while not self._stopping.is_set():
            child = subprocess.Popen(command)  # noqa: S603 — our own command, with nothing from outside in it.
            while child.poll() is None and not self._stopping.wait(0.2):
                pass
            if not self._stopping.is_set():
                log.warning("the process for confirmations ended with %s; starting another", child.returncode)
                self._stopping.wait(1)
                continue
            child.terminate()
            try:
                child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def end_with(parent: int) -> None:
    """See that this process ends when its parent does."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(1)  # It ended before we could ask.


def run_worker(app: Flask, *, lanes: str, parent: int | None) -> None:
    """Run a worker until SIGTERM or Ctrl-C; `lanes` is first, news, or all for both."""
    if parent is not None:
        end_with(parent)
    if lanes == FIRST:
        Worker(app, queues=[TICKS, FIRST], threads=FIRST_THREADS).run()
        return
    worker = Worker(app, queues=[NEWS], threads=app.config["ENGINE_SENDERS"])
    if lanes == NEWS:
        worker.run()
        return
    companion = Companion(worker.stopping)
    companion.start()
    try:
        worker.run()
    finally:
        worker.stopping.set()
        companion.join()
