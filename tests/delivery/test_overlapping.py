"""An item's letters leave while the rest of its audience is still being matched."""

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.delivery import batches, controlling, covering, ledger, matching, progress
from newsroom.delivery.answers import NotNow, Outcome, Result
from newsroom.delivery.journal import Journal
from newsroom.delivery.models import Batch, Mailing
from newsroom.delivery.rules import Rules
from newsroom.delivery.sending import send_batch
from newsroom.delivery.ticking import tick
from newsroom.delivery.transport import MemoryTransport
from newsroom.desk import wording
from newsroom.engine.rules import rules_of
from newsroom.news.models import Correction
from tests.factories import (
    DAY,
    MINUTE,
    NOON,
    deliver_everything,
    fixed,
    make_item,
    make_subscriber,
    make_topics,
)

SendWhatIsDue = Callable[[], None]


@pytest.fixture
def post() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture
def rules(app: Flask) -> Rules:
    """Slices of two."""
    return replace(rules_of(app), first_slice=2, slice_size=2, batch_size=2)


@pytest.fixture(autouse=True)
def _audience(session: Session) -> None:
    make_topics(session)
    for number in range(4):
        make_subscriber(session, f"r{number}@example.org", "stod", language="en" if number == 3 else "sv")
    make_item(session, "stod")
    session.commit()


@pytest.fixture
def mailing(app: Flask, session: Session, rules: Rules) -> Mailing:
    """The item's mailing, whose first slice has been matched and composed, and no other."""
    with app.app_context():
        while session.scalar(sa.select(Mailing.selected)) != 2:
            assert tick(session, rules, now=NOON)
    return session.scalars(sa.select(Mailing)).one()


@pytest.fixture
def send_what_is_due(
    app: Flask, session: Session, rules: Rules, post: MemoryTransport, tmp_path: Path
) -> SendWhatIsDue:
    def send() -> None:
        with app.app_context(), closing(Journal(tmp_path, "test")) as journal:
            for batch_id in batches.due_batches(session, now=NOON):
                send_batch(session, rules, post, batch_id, journal=journal, clock=fixed(NOON))

    return send


def count(session: Session, mailing: Mailing) -> dict[str, int]:
    """A mailing's totals, without those that are 0."""
    return {state: number for state, number in progress.totals(session, mailing.id).items() if number}


def test_the_first_letters_leave_while_the_rest_is_being_matched_and_nobody_is_missed_or_told_twice(
    app: Flask,
    session: Session,
    post: MemoryTransport,
    rules: Rules,
    mailing: Mailing,
    send_what_is_due: SendWhatIsDue,
) -> None:
    send_what_is_due()

    assert sorted(one.to for one in post.accepted) == ["r0@example.org", "r1@example.org"]
    session.refresh(mailing)
    assert (mailing.state, mailing.opened_at, mailing.matched_at) == ("matching", NOON, None)
    assert count(session, mailing) == {"selected": 2, "accepted": 2}
    session.commit()

    deliver_everything(app, session, post, now=NOON + MINUTE, rules=rules)

    assert sorted(one.to for one in post.accepted) == [f"r{number}@example.org" for number in range(4)]
    session.refresh(mailing)
    assert (mailing.state, mailing.opened_at, mailing.matched_at) == ("done", NOON, NOON + MINUTE)
    assert count(session, mailing) == {"selected": 4, "accepted": 4}


def test_a_mailing_whose_letters_have_all_left_is_not_finished_before_its_audience_is_matched(
    session: Session, mailing: Mailing, send_what_is_due: SendWhatIsDue
) -> None:
    send_what_is_due()

    assert session.scalar(sa.select(Batch.id).where(Batch.state == "open")) is None
    assert ledger.finished_mailings(session, now=NOON) == []


def test_while_an_edition_lacks_its_letter_no_batch_is_begun_but_what_was_begun_goes_on(
    app: Flask, session: Session, rules: Rules, mailing: Mailing
) -> None:
    lease = rules.lease
    (first,) = batches.due_batches(session, now=NOON)
    begun = batches.claim(session, first, worker="ana", now=NOON, lease=lease)
    assert begun is not None
    matching.match_slice(session, rules, mailing.id, now=NOON)
    session.commit()

    (second,) = session.scalars(sa.select(Batch.id).where(Batch.id != first))
    assert batches.due_batches(session, now=NOON) == []
    assert batches.claim(session, second, worker="bo", now=NOON, lease=lease) is None
    batches.renew(session, begun, now=NOON, lease=lease)  # Raises nothing.
    session.commit()

    with app.app_context():
        tick(session, rules, now=NOON)
    batches.renew(session, begun, now=NOON, lease=lease)
    assert batches.due_batches(session, now=NOON) == [second]
    assert batches.claim(session, second, worker="bo", now=NOON, lease=lease) is not None


def test_what_is_leaving_is_not_halted_when_matching_ends(
    app: Flask, session: Session, rules: Rules, mailing: Mailing
) -> None:
    (first,) = batches.due_batches(session, now=NOON)
    begun = batches.claim(session, first, worker="ana", now=NOON, lease=rules.lease)
    assert begun is not None
    with app.app_context():
        tick(session, rules, now=NOON)
    assert matching.match_slice(session, rules, mailing.id, now=NOON) is False  # There is nobody left.
    session.commit()

    session.refresh(mailing)
    assert mailing.state == "sending"
    batches.renew(session, begun, now=NOON, lease=rules.lease)


def test_one_that_is_paused_in_the_middle_is_matched_to_its_end_and_sent_when_it_goes_on(
    app: Flask, session: Session, post: MemoryTransport, rules: Rules, mailing: Mailing
) -> None:
    controlling.pause(session, mailing.id, by="eva", now=NOON)
    session.commit()
    deliver_everything(app, session, post, now=NOON, rules=rules)
    assert post.accepted == []
    assert count(session, mailing) == {"selected": 4, "waiting": 4}

    controlling.resume(session, mailing.id, by="eva", now=NOON)
    session.commit()
    deliver_everything(app, session, post, now=NOON, rules=rules)
    assert len(post.accepted) == 4


def test_one_that_is_stopped_in_the_middle_stays_stopped_and_says_why(
    app: Flask,
    session: Session,
    post: MemoryTransport,
    rules: Rules,
    mailing: Mailing,
    send_what_is_due: SendWhatIsDue,
) -> None:
    post.answers["r0@example.org"] = [Outcome(Result.MISCONFIGURED, 550, "5.7.1 Not you")]
    send_what_is_due()
    deliver_everything(app, session, post, now=NOON, rules=rules)

    session.refresh(mailing)
    assert (mailing.state, mailing.paused_at) == ("sending", NOON)
    assert "5.7.1 Not you" in (mailing.problem or "")


def test_one_that_is_cancelled_in_the_middle_sends_nothing_more_and_its_sums_are_right(
    app: Flask,
    session: Session,
    post: MemoryTransport,
    rules: Rules,
    mailing: Mailing,
    send_what_is_due: SendWhatIsDue,
) -> None:
    send_what_is_due()
    matching.match_slice(session, rules, mailing.id, now=NOON)
    controlling.cancel(session, mailing.id, by="eva", now=NOON)
    session.commit()

    deliver_everything(app, session, post, now=NOON, rules=rules)

    assert len(post.accepted) == 2
    session.refresh(mailing)
    assert (mailing.state, mailing.matched_at) == ("done", None)
    assert count(session, mailing) == {"selected": 4, "accepted": 2, "skipped": 2}


def test_nothing_is_tried_again_by_hand_before_the_audience_is_matched(
    session: Session, post: MemoryTransport, mailing: Mailing, send_what_is_due: SendWhatIsDue
) -> None:
    post.answers["r0@example.org"] = [Outcome(Result.REFUSED, 550, "5.1.1 Nobody", reason="address")]
    send_what_is_due()

    with pytest.raises(controlling.NotPossible):  # It would be called sent, and the rest forgotten.
        controlling.try_refused_again(session, mailing.id, by="eva", now=NOON)


def test_a_mail_server_that_is_away_meanwhile_is_not_mistaken_for_letters_that_cannot_be_prepared(
    app: Flask,
    session: Session,
    post: MemoryTransport,
    rules: Rules,
    mailing: Mailing,
    send_what_is_due: SendWhatIsDue,
) -> None:
    post.answers["connect"] = [NotNow("away"), NotNow("away"), NotNow("away")]
    send_what_is_due()
    session.refresh(mailing)
    assert (mailing.state, mailing.problem) == ("matching", None)
    with app.test_request_context("/desk/"):
        phase = wording.phase_of(mailing, now=NOON)
    assert (phase.name, phase.words.split(".")[0]) == ("matching", "De första breven lämnar oss redan")
    session.commit()

    deliver_everything(app, session, post, now=NOON, rules=rules)
    session.refresh(mailing)
    assert (mailing.state, mailing.problem) == ("sending", "away")


def test_a_digest_leaves_only_when_its_whole_audience_is_matched(
    app: Flask, session: Session, rules: Rules, mailing: Mailing
) -> None:
    mailing.kind, mailing.item_id = "daily", None
    mailing.period_start, mailing.period_end = NOON - DAY, NOON
    session.commit()

    assert batches.due_batches(session, now=NOON) == []
    assert ledger.mailings_to_compose(session) == []


def test_a_correction_made_in_the_middle_reaches_also_who_is_matched_afterwards(
    app: Flask,
    session: Session,
    post: MemoryTransport,
    rules: Rules,
    mailing: Mailing,
    send_what_is_due: SendWhatIsDue,
) -> None:
    send_what_is_due()
    session.add(Correction(item_id=mailing.item_id, text="På tisdag.", announce=True, corrected_at=NOON))
    session.flush()
    covering.cover_corrections(session, now=NOON, lateness=DAY)
    correction_id = session.scalars(sa.select(Mailing.id).where(Mailing.kind == "correction")).one()
    session.commit()

    assert matching.match_slice(session, rules, correction_id, now=NOON) is False  # It would miss them.
    session.commit()
    deliver_everything(app, session, post, now=NOON, rules=rules)

    assert Counter(one.to for one in post.accepted) == {f"r{number}@example.org": 2 for number in range(4)}
    assert [b"tisdag" in one.letter for one in post.accepted] == [False] * 4 + [True] * 4


def test_somebody_is_at_work_while_a_mailing_is_being_matched_composed_or_sent(
    app: Flask, session: Session, post: MemoryTransport, rules: Rules, mailing: Mailing
) -> None:
    assert batches.is_at_work(session, now=NOON)
    session.commit()
    post.answers = {f"r{number}@example.org": [Outcome(Result.LATER, 450, "4.2.0 Later")] for number in range(4)}
    deliver_everything(app, session, post, now=NOON, rules=rules)
    assert not batches.is_at_work(session, now=NOON)

    (batch_id, *_) = batches.due_batches(session, now=NOON + 2 * MINUTE)
    assert batches.claim(session, batch_id, worker="ana", now=NOON + 2 * MINUTE, lease=rules.lease) is not None
    assert batches.is_at_work(session, now=NOON + 2 * MINUTE)
    assert not batches.is_at_work(session, now=NOON + 2 * MINUTE + rules.lease)
