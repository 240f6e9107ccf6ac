"""`send_batch` sends some of a mailing, and `recover` settles what a dead worker had sent.

Both can be called by anybody, any number of times, at the same moment; a claim decides between two.
"""

import datetime as dt
import logging
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.orm import Session

from newsroom.delivery import batches, composing, controlling, deliveries, ledger, pace
from newsroom.delivery.answers import Misconfigured, NotNow, Outcome, Result, reconnect_at
from newsroom.delivery.journal import Journal, dead_journals
from newsroom.delivery.models import SINGLE_KINDS
from newsroom.delivery.pacing import Pacer
from newsroom.delivery.pipelining import Outgoing, stuff_dots
from newsroom.delivery.rules import Rules
from newsroom.delivery.transport import Transport, Wire
from newsroom.subscribers.addresses import envelope_address

log = logging.getLogger(__name__)

GROUP = 250  # Letters between two writings of the ledger, at the most,
GROUP_SECONDS = 2.0  # and about how long they may take: what a reader says until a group leaves counts for it.
FAR_AHEAD_SECONDS = 1.0  # A limit that holds back all that is left for longer gives the connection to other letters.
CONFIRMATION_AHEAD_SECONDS = 5.0  # How far ahead of its time a confirmation may go; news never goes so far.
NOT_ALLOWED = "not on the list of allowed addresses"


def recover(session: Session, folder: Path, *, now: dt.datetime) -> int:
    """Settle what workers of this machine had done when they died, and free their batches; says how many died."""
    with dead_journals(folder) as found:
        for entries in found:
            deliveries.settle(session, entries.outcomes, now=now)
            deliveries.doubt(session, entries.in_doubt, now=now)
            freed = batches.free_leases(session, worker=entries.worker, now=now)
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
    claim = batches.claim(session, batch_id, worker=journal.worker, now=clock(), lease=rules.lease)
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
    except batches.Halted:
        session.rollback()
    except batches.LeaseLost:
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
    if problem and run.is_our_fault and claim.kind not in SINGLE_KINDS:
        log.error("mailing %s is stopped: %s", claim.mailing_id, problem)
        controlling.stop(session, claim.mailing_id, problem, now=clock())
    elif problem:
        log.warning("batch %s waits: %s", batch_id, problem)
        wait_until = reconnect_at(batches.count_failures(session, batch_id) + 1, now=clock())
        ledger.note_delay(session, claim.mailing_id, problem)
    batches.release(
        session,
        claim,
        now=clock(),
        resend=rules.resend,
        failed=bool(problem),
        wait_until=wait_until,
        waits_for=run.waits_for,
    )
    session.commit()
    journal.clear()
    return True


def domain_of(address: str) -> str:
    """The part of an address that a domain's limit goes by: in ASCII and lower case."""
    return envelope_address(address).rpartition("@")[2].lower()


class _Run:
    """One worker's way through one batch: groups of letters go out, and their outcomes into the journal and the ledger.

    A server that ends a connection after some letters is within its rights: the letter that met the end goes first on
    the next connection. One that ends it before answering to a single letter has a problem.
    """

    def __init__(
        self,
        session: Session,
        rules: Rules,
        claim: batches.Claim,
        journal: Journal,
        clock: Callable[[], dt.datetime],
        should_stop: Callable[[], bool],
    ) -> None:
        self._session, self._rules, self._claim, self._journal = session, rules, claim, journal
        self._clock, self._should_stop = clock, should_stop
        self._due: deque[deliveries.Due] = deque()
        self._group: deque[deliveries.Due] = deque()
        self._by_id: dict[int, deliveries.Due] = {}
        self._outcomes: dict[int, Outcome] = {}
        self._forms: dict[int, tuple[str, composing.Form]] = {}
        self._lease_until = clock() + rules.lease
        self._look_at = time.monotonic() + self._rules.look_seconds
        slow = rules.letters_per_second or GROUP  # Where a limit holds, a full group would take far too long.
        self._group_size, self._group_began = max(1, min(GROUP, int(slow * GROUP_SECONDS))), time.monotonic()
        self._left: Counter[str] = Counter()  # Letters not yet taken, by domain.
        self._pacer = Pacer(
            self._ask_pace,
            per_second=rules.letters_per_second,
            rate_of=rules.rate_of if rules.domain_rates else None,
        )
        self.wire: Wire | None = None
        self.problem: str | None = None
        self.is_our_fault = False
        self.waits_for: str | None = None
        self.last_words = ""

    def load(self) -> None:
        """Read what the batch holds. Leaves no transaction open."""
        due = deliveries.find_due(self._session, self._claim.batch_id, now=self._clock(), resend=self._rules.resend)
        letters = deliveries.letters_of(self._session, {one.edition_id for one in due})
        self._session.commit()
        # A letter that was taken back between the claim and now is composed anew; its delivery waits for that.
        self._due.extend(one for one in due if one.edition_id in letters)
        if self._pacer.limits:
            self._left.update(domain_of(one.address) for one in self._due)
        # Dots are doubled once per edition: what goes into the places never begins with one.
        self._forms = {key: (sender, composing.Form(stuff_dots(letter))) for key, (sender, letter) in letters.items()}

    def has_more(self) -> bool:
        """Whether there is a letter left that may leave now."""
        return bool(self._due or self._group) and self._goes_on()

    def _goes_on(self) -> bool:
        return self.problem is None and self.waits_for is None and not self._should_stop()

    def take(self, wait: bool) -> Outgoing | None:
        """The next letter. Without `wait` it neither waits nor asks the database: None then only says "not now"."""
        while self._goes_on() and (self._group or self._due):
            if not self._group or time.monotonic() >= self._look_at or self._clock() >= self._lease_until:
                if not wait:
                    return None
                self._look()
                continue
            if not self._pacer.limits:
                return self._address(self._group.popleft())
            one, seconds = self._choose(may_ask=wait)
            if one is not None:
                return self._address(one)
            if not wait:
                return None
            self._wait(seconds)
        return None

    def _look(self) -> None:
        """See that the batch is still ours and its mailing goes out; between two groups, write the ledger."""
        if not self._group:
            self._next_group()
            return
        batches.renew(self._session, self._claim, now=self._clock(), lease=self._rules.lease)
        self._session.commit()
        self._note_look()

    def _note_look(self) -> None:
        self._lease_until = self._clock() + self._rules.lease
        self._look_at = time.monotonic() + self._rules.look_seconds

    def _choose(self, *, may_ask: bool) -> tuple[deliveries.Due | None, float]:
        """The first letter of the group that no limit holds back; or none, and how many seconds to wait for one."""
        shortest, domain = 3600.0, ""
        for one in self._group:
            domain = domain_of(one.address)
            seconds = self._pacer.wait_for(domain, letters=self._left[domain], may_ask=may_ask)
            if seconds <= 0:
                break
            if seconds < shortest:
                shortest, self.waits_for = seconds, domain
        else:
            return None, shortest
        self.waits_for = None
        seconds = self._pacer.wait_for_all(letters=self._left.total(), may_ask=may_ask)
        if seconds > 0:
            return None, seconds
        self._pacer.use(domain)
        self._left[domain] -= 1
        self._group.remove(one)
        return one, 0.0

    def _wait(self, seconds: float) -> None:
        """Wait until a limit lets a letter leave. Where that is long, first see to other letters of the batch."""
        if self.waits_for is not None and self._due:
            self.waits_for = None
            self._next_group()
        elif self.waits_for is None or seconds <= FAR_AHEAD_SECONDS:
            self.waits_for = None
            time.sleep(max(0.0, min(seconds, self._look_at - time.monotonic(), 0.2)))

    def _ask_pace(self, name: str, most: int, per_second: float) -> tuple[int, float]:
        ahead = CONFIRMATION_AHEAD_SECONDS if self._claim.kind in SINGLE_KINDS else pace.AHEAD_SECONDS
        given = pace.take(self._session, name, most=most, per_second=per_second, ahead=ahead)
        self._session.commit()
        return given

    def _address(self, one: deliveries.Due) -> Outgoing | None:
        self._by_id[one.delivery_id] = one
        sender, form = self._forms[one.edition_id]
        to = envelope_address(one.address)
        message_id = composing.make_message_id(self._claim.mailing_key, one.token, self._rules.stationery.domain)
        letter = form.fill(to=to, message_id=message_id, token=one.token)
        return Outgoing(one.delivery_id, sender, to, letter)

    def _next_group(self) -> None:
        """Write the last group down, hold the batch for longer, and skip those of the next who changed their mind."""
        seconds = time.monotonic() - self._group_began
        if self._outcomes and seconds > GROUP_SECONDS:
            self._group_size = max(1, int(len(self._outcomes) * GROUP_SECONDS / seconds))
        group = [self._due.popleft() for _ in range(min(self._group_size, len(self._due)))]
        now = self._clock()
        deliveries.settle(self._session, self._outcomes, now=now)
        batches.renew(self._session, self._claim, now=now, lease=self._rules.lease)
        strangers = [one.delivery_id for one in group if not self._rules.may_get_letters(one.address)]
        if strangers:
            deliveries.skip(self._session, strangers, reason=NOT_ALLOWED, now=now)
        wanted = deliveries.skip_unwanted(
            self._session, group, batch_id=self._claim.batch_id, kind=self._claim.kind, now=now
        )
        self._session.commit()
        self._journal.clear()
        self._outcomes.clear()
        self._group.extend(one for one in group if one.delivery_id in wanted)
        self._group_began = time.monotonic()
        self._note_look()

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
            outcome = outcome._replace(result=Result.LATER)
        self._outcomes[one.key] = outcome
        self._journal.done(one.key, outcome)
        self.last_words = f"{outcome.code or ''} {outcome.reply}".strip()
        if outcome.result is Result.MISCONFIGURED:
            self.is_our_fault = True
            self.problem = f"The mail server doesn't take our letters: {self.last_words}"

    def write_down(self) -> None:
        """Settle what the journal holds; the caller commits and clears it."""
        deliveries.settle(self._session, self._outcomes, now=self._clock())
