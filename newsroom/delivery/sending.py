"""The two functions that every engine calls: `tick` looks for what to send, `send_batch` sends some of it.

Both can be called by anybody, any number of times, at the same moment; each step reads only what the one before it
committed.
"""

import datetime as dt
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from newsroom.delivery import composing, ledger
from newsroom.delivery.answers import Misconfigured, NotNow, Outcome, Result, reconnect_at
from newsroom.delivery.journal import Journal, dead_journals
from newsroom.delivery.models import Edition, Mailing
from newsroom.delivery.pipelining import Outgoing
from newsroom.delivery.transport import Transport, Wire
from newsroom.extensions import describe_failure
from newsroom.subscribers.addresses import envelope_address
from newsroom.subscribers.signup import make_link_token

log = logging.getLogger(__name__)

GROUP = 250  # Letters between two writings of the ledger.


@dataclass(frozen=True)
class Rules:
    """How an installation delivers. `keys` are its secrets, newest first."""

    stationery: composing.Stationery
    keys: tuple[str, ...]
    batch_size: int = 500
    lease: dt.timedelta = dt.timedelta(minutes=2)
    resend: bool = True  # Whether a letter whose answer was lost goes again, under the same Message-ID.


def tick(session: Session, rules: Rules, *, now: dt.datetime) -> None:
    """Match what is published or asked for, compose it, open it for sending, and close what is finished.

    What goes wrong with one mailing is written down there and holds up no other.
    """
    ledger.cover_signups(session, now=now)
    session.commit()
    ledger.cover_items(session, now=now)
    session.commit()
    for mailing_id in ledger.mailings_in(session, "new"):
        session.rollback()
        _try(session, mailing_id, lambda one: ledger.match(session, one, now=now, batch_size=rules.batch_size))
    for mailing_id in ledger.mailings_in(session, "composing"):
        _try(session, mailing_id, lambda one: _compose(session, rules, one, now=now))
    ledger.finish_mailings(session, now=now)
    session.commit()


def _try(session: Session, mailing_id: int, step: Callable[[int], object]) -> None:
    try:
        step(mailing_id)
        session.commit()
    except DBAPIError as error:
        session.rollback()
        log.warning("mailing %s waits for the next tick: %s", mailing_id, describe_failure(error))
    except Exception as error:
        session.rollback()
        log.exception("mailing %s can't go on", mailing_id)
        ledger.note_problem(session, mailing_id, f"{type(error).__name__}: {error}")
        session.commit()


def _compose(session: Session, rules: Rules, mailing_id: int, *, now: dt.datetime) -> None:
    mailing = session.get_one(Mailing, mailing_id)
    for edition in ledger.uncomposed_editions(session, mailing_id):
        composed = _compose_edition(session, rules, mailing, edition, now=now)
        ledger.keep_letter(
            session, edition.id, sender=composed.sender, letter=composed.letter, sha256=composed.sha256, now=now
        )
    ledger.open_for_sending(session, mailing_id)


def _compose_edition(
    session: Session, rules: Rules, mailing: Mailing, edition: Edition, *, now: dt.datetime
) -> composing.Composed:
    if mailing.signup is not None:
        token = make_link_token(mailing.signup.id, keys=rules.keys)
        return composing.compose_confirmation(mailing.signup, token=token, stationery=rules.stationery, now=now)
    assert mailing.item is not None
    return composing.compose_news(
        mailing.item,
        topics=[row.topic for row in ledger.topics_named(session, edition)],
        mailing_key=mailing.key,
        language=edition.language,
        stationery=rules.stationery,
        now=now,
    )


def recover(session: Session, folder: Path, *, now: dt.datetime) -> int:
    """Settle what workers of this machine had done when they died, and free their batches; says how many died."""
    with dead_journals(folder) as found:
        for entries in found:
            ledger.settle(session, entries.outcomes, now=now)
            ledger.doubt(session, entries.in_doubt, now=now)
            freed = ledger.free_leases(session, worker=entries.worker, now=now)
            log.warning(
                "worker %s is gone: %s letters settled from its journal, %s uncertain, %s batches freed",
                entries.worker,
                len(entries.outcomes),
                len(entries.in_doubt),
                freed,
            )
        session.commit()
        return len(found)


def send_batch(
    session: Session,
    rules: Rules,
    transport: Transport,
    batch_id: int,
    *,
    journal: Journal,
    clock: Callable[[], dt.datetime],
    should_stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Send what is due of one batch. False where another worker has it.

    The ledger is written once per group of letters; in between, the journal knows. A worker may die at any point: of
    what it was doing, at most the one letter on its wire stays in doubt. No transaction is open while the wire is busy.
    """
    claim = ledger.claim(session, batch_id, worker=journal.worker, now=clock(), lease=rules.lease)
    session.commit()
    if claim is None:
        return False
    run = _Run(session, rules, claim, journal, clock, should_stop)
    problem = None
    try:
        run.load()
        while problem is None and run.has_more():
            with transport.open() as wire:
                run.wire = wire
                wire.send_all(run.take, leaving=run.leave, done=run.settle)
                problem = run.problem
                if problem is None and not wire.alive and not wire.answered:
                    problem = f"The mail server broke off: {run.last_words}"
    except (NotNow, Misconfigured) as error:
        problem = str(error)
    except ledger.LeaseLost:
        session.rollback()
        log.warning("batch %s was taken over by another worker", batch_id)
    except Exception:
        # Whatever it was, what the mail server said holds; where the database is the trouble, the journal keeps it.
        session.rollback()
        run.write_down()
        session.commit()
        raise
    run.write_down()
    wait_until = None
    if problem:
        log.warning("batch %s waits: %s", batch_id, problem)
        wait_until = reconnect_at(ledger.count_failures(session, batch_id) + 1, now=clock())
        ledger.note_problem(session, claim.mailing_id, problem)
    ledger.release(session, claim, now=clock(), resend=rules.resend, failed=bool(problem), wait_until=wait_until)
    session.commit()
    journal.clear()
    return True


class _Run:
    """One worker's way through one batch: groups of letters go out, and their outcomes into the journal and the ledger.

    A server that ends a connection after some letters is within its rights: the letter that met the end goes first on
    the next connection. One that ends it before answering to a single letter has a problem.
    """

    def __init__(
        self,
        session: Session,
        rules: Rules,
        claim: ledger.Claim,
        journal: Journal,
        clock: Callable[[], dt.datetime],
        should_stop: Callable[[], bool],
    ) -> None:
        self._session, self._rules, self._claim, self._journal = session, rules, claim, journal
        self._clock, self._should_stop = clock, should_stop
        self._due: deque[ledger.Due] = deque()
        self._group: deque[ledger.Due] = deque()
        self._by_id: dict[int, ledger.Due] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._forms: dict[int, tuple[str, composing.Form]] = {}
        self._lease_until = clock() + rules.lease
        self._lapsed = False
        self.wire: Wire | None = None
        self.problem: str | None = None
        self.last_words = ""

    def load(self) -> None:
        """Read what the batch holds. Leaves no transaction open."""
        due = ledger.due_deliveries(self._session, self._claim.batch_id, now=self._clock(), resend=self._rules.resend)
        letters = ledger.letters_of(self._session, {one.edition_id for one in due})
        self._session.commit()
        self._due.extend(due)
        self._forms = {key: (sender, composing.Form(letter)) for key, (sender, letter) in letters.items()}

    def has_more(self) -> bool:
        """Whether there is a letter left that may leave now."""
        return bool(self._due or self._group) and not (self._lapsed or self._should_stop())

    def take(self, wait: bool) -> Outgoing | None:
        """The next letter. Between two groups the ledger is written, which needs all answers: then only if `wait`."""
        while not self._group:
            if not wait or not self._due or self.problem or self._should_stop():
                return None
            self._next_group()
        now = self._clock()
        if now >= self._lease_until:
            self._lapsed = True  # This process stood still for long, and the batch may be another's by now.
        elif now >= self._lease_until - self._rules.lease * 2 / 3:
            ledger.renew(self._session, self._claim, now=now, lease=self._rules.lease)
            self._session.commit()
            self._lease_until = now + self._rules.lease
        if self._should_stop() or self.problem or self._lapsed:
            return None
        one = self._group.popleft()
        self._by_id[one.delivery_id] = one
        sender, form = self._forms[one.edition_id]
        to = envelope_address(one.address)
        message_id = composing.make_message_id(self._claim.mailing_key, one.token, self._rules.stationery.domain)
        letter = form.fill(to=to, message_id=message_id, token=one.token)
        return Outgoing(one.delivery_id, sender, to, letter)

    def _next_group(self) -> None:
        """Write the last group down, hold the batch for longer, and skip those of the next who changed their mind."""
        group = [self._due.popleft() for _ in range(min(GROUP, len(self._due)))]
        now = self._clock()
        ledger.settle(self._session, self._outcomes, now=now)
        ledger.renew(self._session, self._claim, now=now, lease=self._rules.lease)
        wanted = ledger.skip_unwanted(self._session, self._claim, group, now=now)
        self._session.commit()
        self._journal.clear()
        self._lease_until = now + self._rules.lease
        self._outcomes.clear()
        self._group.extend(one for one in group if one.delivery_id in wanted)

    def leave(self, one: Outgoing) -> None:
        """A letter is about to leave."""
        self._journal.leaving(one.key)

    def settle(self, one: Outgoing, outcome: Outcome) -> None:
        """An outcome has come."""
        due = self._by_id.pop(one.key)
        if outcome.result is Result.BROKEN:
            if self.wire is not None and self.wire.answered:
                self._group.appendleft(due)
                return
            outcome = replace(outcome, result=Result.LATER)
        self._outcomes[one.key] = outcome
        self._journal.done(one.key, outcome)
        self.last_words = f"{outcome.code or ''} {outcome.reply}".strip()
        if outcome.result is Result.MISCONFIGURED:
            self.problem = f"The mail server doesn't take our letters: {self.last_words}"

    def write_down(self) -> None:
        """Settle what the journal holds; the caller commits and clears it."""
        ledger.settle(self._session, self._outcomes, now=self._clock())
