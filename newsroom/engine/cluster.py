"""The engine for many machines: Celery over RabbitMQ or Redis carries a doorbell, the database holds the work.

Here is what both of its commands share: the Celery app, its queues and the way to ring; and the beat. The worker is in
`worker`. Nothing imports these modules unless the cluster engine is chosen: Celery may not be installed.
"""

import logging
import signal
import sys
import threading
import time
from types import FrameType
from urllib.parse import quote

import amqp
from celery import Celery
from celery.beat import ScheduleEntry, Scheduler, Service
from flask import Flask
from kombu import Connection, Exchange, Producer, Queue
from kombu.exceptions import KombuError
from kombu.exceptions import OperationalError as BrokerError

from newsroom import clock
from newsroom.delivery import batches
from newsroom.delivery.models import Lane
from newsroom.engine.sender import attempt
from newsroom.engine.watching import WATCH_SECONDS, Watch
from newsroom.extensions import db, reading

log = logging.getLogger(__name__)

TICK, SEND = "newsroom.tick", "newsroom.send"  # The tasks.
TICKS, FIRST, NEWS = "ticks", "first", "news"  # The queues.
LANES = {FIRST: (int(Lane.CONFIRMATION),), NEWS: tuple(int(lane) for lane in Lane if lane is not Lane.CONFIRMATION)}

RING_SECONDS = 60  # How long a message is worth anything; after that the batch is rung for again.
TICK_SECONDS = 10  # The same for a tick. Clocks of two machines may differ by some of it.
AT_WORK_SECONDS = 1  # Between two questions whether somebody is still at work on a mailing.
BROKER_SECONDS = 2  # The longest wait for the broker at any step, so that ringing never hangs.


class NobodyHears(Exception):
    """The broker didn't take a message; the text says why, in one line."""


def prefix_of(app: Flask) -> str:
    """What the names of this installation's queues begin with, so that two can share a broker."""
    name = app.config.get("INSTALLATION")
    return f"newsroom.{quote(name, safe='')[:100]}" if name else "newsroom"


def make_celery(app: Flask) -> Celery:
    """The Celery app that an app's settings amount to. It has no tasks yet; see `worker`."""
    prefix = prefix_of(app)
    broker: str = app.config["BROKER_URL"]
    celery = Celery("newsroom", set_as_current=False)
    exchange = Exchange(prefix, type="direct")
    celery.conf.update(
        broker_url=broker,
        broker_connection_timeout=BROKER_SECONDS,
        broker_connection_retry_on_startup=True,
        broker_heartbeat=10,
        broker_transport_options=_redis_options(prefix) if _is_redis(broker) else _amqp_options(),
        task_queues=[
            Queue(
                f"{prefix}.{name}",
                exchange,
                routing_key=f"{prefix}.{name}",
                queue_arguments={"x-message-ttl": RING_SECONDS * 1000},
            )
            for name in (TICKS, FIRST, NEWS)
        ],
        task_create_missing_queues=False,
        task_default_queue=f"{prefix}.{TICKS}",
        task_default_exchange=prefix,
        # The queues outlive the broker, the messages needn't: who comes back to the broker looks for work unasked.
        task_default_delivery_mode="transient",
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        task_publish_retry=False,
        task_serializer="json",
        result_serializer="json",
        accept_content=["json"],
        worker_pool="threads",
        worker_prefetch_multiplier=1,
        worker_enable_prefetch_count_reduction=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_detect_quorum_queues=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        beat_schedule={"tick": {"task": TICK, "schedule": float(app.config["ENGINE_PAUSE_SECONDS"])}},
        beat_sync_every=0,
    )
    return celery


def _is_redis(broker: str) -> bool:
    return broker.startswith("redis")


def _connecting() -> dict[str, float]:
    """How a connection is opened for ringing: it is tried twice, and then the next tick tries again."""
    return {"max_retries": 1, "interval_start": 0, "interval_step": 0.1, "interval_max": 0.1}


def _amqp_options() -> dict[str, object]:
    # Without its yes, a message into a connection that is already dead would count as rung.
    return {**_connecting(), "confirm_publish": True}


def _redis_options(prefix: str) -> dict[str, object]:
    return {
        **_connecting(),
        "global_keyprefix": f"{prefix}:",
        "visibility_timeout": 2 * RING_SECONDS,
        "socket_connect_timeout": BROKER_SECONDS,
        "socket_timeout": 5,  # Longer than Celery's own wait for a message, which is a second.
        "socket_keepalive": True,
    }


class Bell:
    """The way to the broker. Its connection is opened when needed, and anew after trouble. Not for two threads."""

    def __init__(self, celery: Celery, prefix: str) -> None:
        self._celery, self._prefix = celery, prefix
        self._on_redis = _is_redis(celery.conf.broker_url)
        self._connection: Connection | None = None
        self._producer: Producer | None = None

    def ring(self, batch_id: int, *, queue: str) -> None:
        """Tell some worker of a batch. Raises NobodyHears."""
        self._send(SEND, [batch_id], queue=queue, seconds=RING_SECONDS)

    def ring_tick(self) -> None:
        """Ask for a tick, where none is asked for already. Raises NobodyHears."""
        try:
            waiting = self._count(TICKS)
        except (BrokerError, KombuError, OSError) as error:
            raise self._trouble(error) from error
        if waiting == 0:
            self._send(TICK, [], queue=TICKS, seconds=TICK_SECONDS)

    def close(self) -> None:
        """Let go of the connection."""
        connection, self._connection, self._producer = self._connection, None, None
        if connection is None:
            return
        if self._on_redis:
            connection.release()
        else:
            connection.collect(socket_timeout=BROKER_SECONDS)  # Says no good-bye to a broker that may be gone.

    def _open(self) -> Producer:
        if self._producer is None:
            options = {"socket_timeout": BROKER_SECONDS} if self._on_redis else None
            self._connection = self._celery.connection_for_write(transport_options=options)
            opened = self._connection.connection
            if isinstance(opened, amqp.Connection):
                opened.sock.settimeout(BROKER_SECONDS)  # A broker that stands still is as good as gone.
            self._producer = self._celery.amqp.Producer(self._connection)
        return self._producer

    def _count(self, queue: str) -> int:
        """How many messages wait in a queue."""
        producer = self._open()
        assert self._connection is not None
        with self._connection._reraise_as_library_errors():
            declared = self._celery.amqp.queues[f"{self._prefix}.{queue}"].bind(producer.channel)
            declared.declare()
            return int(declared.queue_declare().message_count)

    def _send(self, task: str, words: list[int], *, queue: str, seconds: float) -> None:
        try:
            self._celery.send_task(
                task,
                args=words,
                queue=f"{self._prefix}.{queue}",
                expires=seconds,
                producer=self._open(),
                timeout=BROKER_SECONDS,
                confirm_timeout=BROKER_SECONDS,
            )
        except (BrokerError, KombuError, OSError) as error:
            raise self._trouble(error) from error

    def _trouble(self, error: Exception) -> NobodyHears:
        self.close()
        return NobodyHears(" ".join(f"{type(error).__name__}: {error}".split())[:200])


class _TickScheduler(Scheduler):
    """Celery's scheduler in memory, with our own way of sending. It never waits for a broker that is gone."""

    producer = None

    def __init__(self, app: Celery, **options: object) -> None:
        self._bell = Bell(app, app.conf.task_default_exchange)
        self._heard = True
        super().__init__(app, **options)

    def apply_entry(self, entry: ScheduleEntry, producer: object = None) -> None:
        try:
            self._bell.ring_tick()
        except NobodyHears as error:
            if self._heard:
                log.warning("the broker can't be reached; trying again every time: %s", error)
            self._heard = False
        else:
            if not self._heard:
                log.info("the broker is back")
            self._heard = True


def _watch_for_ever(app: Flask, bell: Bell) -> None:
    """Ask for a tick as soon as somebody has written to the database, but for those who are at work on a mailing."""

    def is_at_work() -> bool:
        session = db.session()
        with reading():
            found = batches.is_at_work(session, now=clock.now())
            session.rollback()
        return found

    with app.app_context():
        watch = Watch(db.engine)
    pause = WATCH_SECONDS
    while True:
        time.sleep(pause)
        pause = WATCH_SECONDS
        if not watch.has_changed():
            continue
        if attempt(app, is_at_work) is not False:
            pause = AT_WORK_SECONDS
            continue
        try:
            bell.ring_tick()
        except NobodyHears as error:
            log.debug("the next beat asks again: %s", error)


def run_beat(app: Flask) -> None:
    """Ask for a tick every ENGINE_PAUSE_SECONDS, and when there is something new, until SIGTERM or Ctrl-C.

    Any number may run.
    """

    def stop(_number: int, _frame: FrameType | None) -> None:
        sys.exit(0)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    log.info("the beat runs: a tick every %s s", app.config["ENGINE_PAUSE_SECONDS"])
    celery = make_celery(app)
    bell = Bell(celery, prefix_of(app))  # Of the watch's own; the scheduler has another.
    threading.Thread(target=_watch_for_ever, args=(app, bell), name="watch", daemon=True).start()
    Service(celery, scheduler_cls=_TickScheduler, max_interval=1).start()
