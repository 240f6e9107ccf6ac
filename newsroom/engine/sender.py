"""What every engine is made of: senders, the leave to send at all, and attempts that no error ends."""

import itertools
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from flask import Flask

from newsroom import clock
from newsroom.delivery import batches
from newsroom.delivery.installation import Identity, may_send
from newsroom.delivery.journal import Journal
from newsroom.delivery.rules import Rules
from newsroom.delivery.sending import send_batch
from newsroom.delivery.transport import SMTPTransport
from newsroom.extensions import DATABASE_ERRORS, db, describe_failure, reading

log = logging.getLogger(__name__)

T = TypeVar("T")


def attempt(app: Flask, work: Callable[[], T]) -> T | None:
    """Do one piece of work in a context of its own. An error goes into the log, and None is what came of it."""
    try:
        with app.app_context():
            return work()
    except DATABASE_ERRORS as error:
        log.warning("the database doesn't answer as it should; trying again: %s", describe_failure(error))
    except OSError as error:
        log.error("this machine doesn't let the engine go on; trying again: %s", error)
    except Exception:
        log.exception("the engine met an error; trying again")
    return None


def journal_folder(app: Flask) -> Path:
    """Where this installation's workers keep their journals."""
    return Path(app.instance_path) / "journals"


class Sender:
    """A journal and a connection of its own, kept between batches. Not shared between threads.

    Each call needs an app context. `name` is this sender's alone, on all machines.
    """

    def __init__(self, app: Flask, rules: Rules, name: str, *, should_stop: Callable[[], bool]) -> None:
        self._rules = rules
        self._folder = journal_folder(app)
        self._name = name
        self._should_stop = should_stop
        self._lives = itertools.count()
        self._transport = SMTPTransport(app)
        self._journal: Journal | None = None
        try:
            self._journal = self._begin_journal()
        except OSError as error:
            log.error("no journal can be written, so nothing is sent; trying again: %s", error)

    def _begin_journal(self) -> Journal:
        return Journal(self._folder, f"{self._name}:{next(self._lives)}")

    def send(self, batch_id: int) -> bool:
        """Send what is due of a batch; false where another worker has it. After any error the sender can go on."""
        if self._journal is None:
            self._journal = self._begin_journal()
        try:
            return send_batch(
                db.session(),
                self._rules,
                self._transport,
                batch_id,
                journal=self._journal,
                clock=clock.now,
                should_stop=self._should_stop,
            )
        except Exception:
            journal, self._journal = self._journal, None
            journal.abandon()  # What it says is settled by the next look, as if this worker had died.
            raise

    def send_next(self, lanes: Sequence[int] | None) -> bool:
        """Send the most urgent batch of these lanes; false where none is due that another worker doesn't have."""
        session = db.session()
        with reading():
            due = batches.due_batches(session, now=clock.now(), lanes=lanes)
            session.rollback()
        return any(self.send(batch_id) for batch_id in due)

    def rest(self) -> None:
        """Close the connection: idle, the server would close it sooner or later."""
        self._transport.close()

    def close(self) -> None:
        """End in good order."""
        self._transport.close()
        if self._journal is not None:
            self._journal.close()
            self._journal = None


class Leave:
    """The leave to send from this database at all, as it was last given or not."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity
        self.given: bool | None = None  # Not known before the first look.

    def ask(self) -> bool:
        """Ask the database; says once in the log when the answer becomes no."""
        given = may_send(db.session(), self._identity, now=clock.now())
        if not given and self.given is not False:
            log.error(
                "nothing leaves: this database doesn't know this installation; newsroom engine accept-installation"
            )
        self.given = given
        return given
