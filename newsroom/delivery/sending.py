"""The two functions that every engine calls: `tick` looks for what to send, `send_batch` sends some of it.

Both can be called by anybody, any number of times, at the same moment; each step reads only what the one before it
committed.
"""

import datetime as dt
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace

from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from newsroom.delivery import composing, ledger
from newsroom.delivery.answers import Misconfigured, NotNow, Result, reconnect_at
from newsroom.delivery.models import Edition, Mailing
from newsroom.delivery.transport import Transport, Wire
from newsroom.subscribers.addresses import envelope_address
from newsroom.subscribers.signup import make_link_token

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rules:
    """How an installation delivers. `keys` are its secrets, newest first."""

    stationery: composing.Stationery
    keys: tuple[str, ...]
    batch_size: int = 500
    lease: dt.timedelta = dt.timedelta(minutes=15)
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
        log.warning("mailing %s waits for the next tick: %s", mailing_id, error.orig)
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


def send_batch(
    session: Session,
    rules: Rules,
    transport: Transport,
    batch_id: int,
    *,
    worker: str,
    clock: Callable[[], dt.datetime],
    should_stop: Callable[[], bool] = lambda: False,
) -> bool:
    """Send what is due of one batch. False where another worker has it.

    Each letter is committed as `sending` before the wire and settled right after it, so that a worker may die at any
    point: at most the one letter that was on its wire stays in doubt. No transaction is open while the wire is busy.
    """
    claim = ledger.claim(session, batch_id, worker=worker, now=clock(), lease=rules.lease)
    session.commit()
    if claim is None:
        return False
    wait_until = problem = None
    try:
        due = deque(ledger.due_deliveries(session, batch_id, now=clock(), resend=rules.resend))
        forms = {
            edition_id: (sender, composing.Form(letter))
            for edition_id, (sender, letter) in ledger.letters_of(session, {one.edition_id for one in due}).items()
        }
        session.commit()
        while due and problem is None and not should_stop():
            with transport.open() as wire:
                problem = _use_wire(session, rules, wire, claim, due, forms, clock=clock, should_stop=should_stop)
    except (NotNow, Misconfigured) as error:
        problem = str(error)
    except ledger.LeaseLost:
        session.rollback()
        log.warning("batch %s was taken over by another worker", batch_id)
        return True
    if problem:
        log.warning("batch %s waits: %s", batch_id, problem)
        wait_until = reconnect_at(ledger.count_failures(session, batch_id) + 1, now=clock())
        ledger.note_problem(session, claim.mailing_id, problem)
    ledger.release(session, claim, now=clock(), resend=rules.resend, failed=bool(problem), wait_until=wait_until)
    session.commit()
    return True


def _use_wire(
    session: Session,
    rules: Rules,
    wire: Wire,
    claim: ledger.Claim,
    due: deque[ledger.Due],
    forms: dict[int, tuple[str, composing.Form]],
    *,
    clock: Callable[[], dt.datetime],
    should_stop: Callable[[], bool],
) -> str | None:
    """Send letters over one connection while it lives; gives the problem for which another one wouldn't help.

    A server that ends a connection after some letters is within its rights: the letter that met the end goes first on
    the next connection. One that ends it before answering to a single letter has a problem.
    """
    renewed = clock()
    answered = 0
    while due and wire.alive and not should_stop():
        one = due.popleft()
        now = clock()
        if now - renewed > rules.lease / 3:
            ledger.renew(session, claim, now=now, lease=rules.lease)
            renewed = now
        begun = ledger.begin(session, claim, one.delivery_id, now=now, resend=rules.resend)
        session.commit()  # Also what settled the letter before.
        if not begun:
            continue
        sender, form = forms[one.edition_id]
        to = envelope_address(one.address)
        message_id = composing.make_message_id(claim.mailing_key, one.token, rules.stationery.domain)
        outcome = wire.deliver(sender=sender, to=to, letter=form.fill(to=to, message_id=message_id, token=one.token))
        if outcome.result is Result.BROKEN and answered:
            due.appendleft(one)
        elif outcome.result is Result.BROKEN:
            outcome = replace(outcome, result=Result.LATER)
        elif outcome.result is not Result.UNCERTAIN:
            answered += 1
        ledger.settle(session, one.delivery_id, outcome, now=clock())
        if outcome.result is Result.MISCONFIGURED:
            session.commit()
            return f"The mail server doesn't take our letters: {outcome.code} {outcome.reply}"
        if not wire.alive and not answered:
            session.commit()
            return f"The mail server broke off: {outcome.code or ''} {outcome.reply}"
    session.commit()
    return None
