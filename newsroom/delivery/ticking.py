"""`tick` looks for what there is to do but sending: begin, match, compose, open, close and certify mailings.

It can be called by anybody, any number of times, at the same moment; each step reads only what the one before it
committed. It does a little at a time, so that a confirmation asked for meanwhile is found within a second.
"""

import datetime as dt
import logging
from collections.abc import Callable

from sqlalchemy.orm import Session

from newsroom.delivery import certificate, composing, covering, erasing, ledger, matching
from newsroom.delivery.digests import Period
from newsroom.delivery.models import Edition, Mailing
from newsroom.delivery.rules import Rules
from newsroom.extensions import DATABASE_ERRORS, describe_failure, reading
from newsroom.subscribers import forgetting, reminding
from newsroom.subscribers.signup import make_link_token

log = logging.getLogger(__name__)

EDITIONS_AT_A_TIME = 20


def tick(session: Session, rules: Rules, *, now: dt.datetime) -> bool:
    """Take every mailing a step further; says whether there is more to do at once.

    What goes wrong with one mailing is written down there and holds up no other.
    """
    ledger.skip_cancelled(session, now=now)
    ledger.recall_digests(session)
    session.commit()
    covering.cover_signups(session, now=now)
    reminding.remind(session, now=now)
    covering.cover_personal_letters(session, now=now)
    session.commit()
    covering.cover_items(session, now=now, lateness=rules.lateness)
    covering.cover_corrections(session, now=now, lateness=rules.lateness)
    session.commit()
    covering.cover_digests(session, rules.schedules, now=now, lateness=rules.lateness)
    session.commit()
    forgetting.forget(session, now=now)
    session.commit()
    more = _match(session, rules, now=now)
    with reading():
        composing_now = ledger.mailings_to_compose(session)
        session.rollback()
    for mailing_id in composing_now:
        more |= _try(session, mailing_id, lambda one: _compose(session, rules, one, now=now))
    ledger.finished_mailings(session, now=now)
    erasing.forget_letters(session, now=now)
    session.commit()
    with reading():
        finished = certificate.uncertified(session)
        session.rollback()
    for mailing_id in finished:
        _try(session, mailing_id, lambda one: _certify(session, one, now=now))
    return more


def _match(session: Session, rules: Rules, *, now: dt.datetime) -> bool:
    """Match a slice of the most urgent mailing that can be."""
    with reading():
        waiting = ledger.mailings_to_match(session)
        session.rollback()
    return any(
        _try(
            session,
            mailing_id,
            lambda one: matching.match_slice(session, rules, one, now=now),
        )
        for mailing_id in waiting
    )


def _try(session: Session, mailing_id: int, step: Callable[[int], bool]) -> bool:
    """Do a step and commit it; false where it failed, and where it says that there is no more to do."""
    try:
        more = step(mailing_id)
        session.commit()
    except DATABASE_ERRORS as error:
        session.rollback()
        log.warning("mailing %s waits for the next tick: %s", mailing_id, describe_failure(error))
        return False
    except Exception as error:
        session.rollback()
        log.exception("mailing %s can't go on", mailing_id)
        ledger.note_problem(session, mailing_id, f"{type(error).__name__}: {error}")
        session.commit()
        return False
    return more


def _compose(session: Session, rules: Rules, mailing_id: int, *, now: dt.datetime) -> bool:
    """Compose some of a mailing's editions, and let it be sent once none is left; says whether there are more."""
    with reading():  # Rendering takes its time, and nobody else should wait for it.
        mailing = session.get_one(Mailing, mailing_id)
        editions = ledger.uncomposed_editions(session, mailing_id, most=EDITIONS_AT_A_TIME)
        composed = [(one.id, compose_edition(session, rules, mailing, one, now=now)) for one in editions]
        session.rollback()
    for edition_id, one in composed:
        ledger.keep_letter(session, edition_id, sender=one.sender, letter=one.letter, sha256=one.sha256, now=now)
    return not ledger.open_for_sending(session, mailing_id, now=now) and bool(composed)


def compose_edition(
    session: Session, rules: Rules, mailing: Mailing, edition: Edition, *, now: dt.datetime
) -> composing.Composed:
    """Write one edition's letter. Reads only."""
    if mailing.signup is not None:
        token = make_link_token(mailing.signup, keys=rules.keys)
        return composing.compose_confirmation(mailing.signup, token=token, stationery=rules.stationery, now=now)
    if mailing.personal_letter is not None:
        return composing.compose_personal(
            mailing.personal_letter, keys=rules.keys, stationery=rules.stationery, now=now
        )
    masks = ledger.read_reason(edition.reason)
    reached = ledger.topics_of(session, mailing.id)
    items = [item for item in ledger.items_of(session, mailing.id) if item.id in masks]
    told = [
        composing.Told(item, [row.topic for row in reached[item.id] if row.bit & masks[item.id]])
        # Where every item has been withdrawn, nobody gets the letter: each delivery is skipped for that.
        for item in [item for item in items if item.withdrawn_at is None] or items
    ]
    if mailing.correction is not None:
        return composing.compose_correction(
            told[0],
            correction=mailing.correction.text,
            mailing_key=mailing.key,
            language=edition.language,
            stationery=rules.stationery,
            now=now,
        )
    if mailing.period_start is not None and mailing.period_end is not None:
        return composing.compose_digest(
            told,
            kind=mailing.kind,
            period=Period(mailing.period_start, mailing.period_end),
            mailing_key=mailing.key,
            language=edition.language,
            stationery=rules.stationery,
            now=now,
        )
    return composing.compose_news(
        told,
        kind=mailing.kind,
        mailing_key=mailing.key,
        language=edition.language,
        stationery=rules.stationery,
        now=now,
    )


def _certify(session: Session, mailing_id: int, *, now: dt.datetime) -> bool:
    with reading():  # Counting a large mailing takes its time, and nobody else should wait for it.
        lines = certificate.collect(session, mailing_id)
        session.rollback()
    certificate.keep(session, mailing_id, lines, now=now)
    return False
