"""Who may get letters at all, and how fast they may leave: exact over all workers."""

import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.delivery import batches, pace
from newsroom.delivery.answers import Outcome, Result
from newsroom.delivery.journal import Journal
from newsroom.delivery.models import Batch, Delivery, Pace
from newsroom.delivery.pacing import Pacer
from newsroom.delivery.pipelining import Outgoing, Take
from newsroom.delivery.sending import send_batch
from newsroom.delivery.transport import MemoryTransport
from newsroom.engine.rules import rules_of
from newsroom.extensions import db
from newsroom.subscribers.models import Subscriber
from newsroom.subscribers.signup import confirm
from tests.factories import (
    DAY,
    HOUR,
    NOON,
    deliver_everything,
    make_item,
    make_signup,
    make_subscriber,
    make_topics,
    tick_through,
)


@pytest.fixture
def post() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture(autouse=True)
def _topics(session: Session) -> None:
    make_topics(session)


class TimedTransport(MemoryTransport):
    """Notes when each letter left."""

    def __init__(self) -> None:
        super().__init__()
        self.left_at: list[tuple[float, str]] = []

    def send_all(
        self, take: Take, *, leaving: Callable[[Outgoing], None], done: Callable[[Outgoing, Outcome], None]
    ) -> None:
        def note(one: Outgoing) -> None:
            self.left_at.append((time.monotonic(), one.to))
            leaving(one)

        super().send_all(take, leaving=note, done=done)


# How fast


def test_the_right_to_send_is_given_once_over_all_who_ask(session: Session) -> None:
    began = session.scalar(sa.select(Pace.free_at)) or 0.0
    given, asked = 0, 0
    while given < 30:
        count, seconds = pace.take(session, "", most=5, per_second=20)
        free_at = session.scalars(sa.select(Pace.free_at)).one()
        began = began or free_at - count / 20
        session.commit()
        given, asked = given + count, asked + 1
        assert free_at - began >= given / 20 - 0.001  # No two letters are given the same moment.
        assert (count > 0) or (seconds > 0)
        if not count:
            time.sleep(seconds)
    assert asked > 6  # It had to wait at times.


def test_who_may_go_ahead_of_time_gets_a_place_where_others_must_wait(session: Session) -> None:
    while pace.take(session, "", most=1, per_second=0.25)[0]:
        session.commit()
    assert pace.take(session, "", most=1, per_second=0.25)[0] == 0
    count, seconds = pace.take(session, "", most=1, per_second=0.25, ahead=5)
    assert count == 1
    assert 0 < seconds < 4.5


@pytest.mark.slow
@pytest.mark.xdist_group("load")
def test_several_workers_together_keep_to_the_limit(app: Flask, session: Session) -> None:
    app.config.update(LETTERS_PER_SECOND=40.0, BATCH_SIZE=20)
    for number in range(60):
        make_subscriber(session, f"r{number}@example.org", "stod")
    make_item(session, "stod")
    session.commit()
    with app.app_context():
        tick_through(session, rules_of(app), now=NOON)
        batches = session.scalars(sa.select(Batch.id)).all()
    session.commit()
    posts = [TimedTransport() for _ in batches]

    def work(number: int) -> None:
        with app.app_context(), closing(Journal(Path(app.instance_path) / "journals", f"w{number}")) as journal:
            send_batch(db.session(), rules_of(app), posts[number], batches[number], journal=journal, clock=lambda: NOON)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(batches))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    moments = sorted(moment for one in posts for moment, _ in one.left_at)
    assert len(moments) == 60
    assert moments[-1] - moments[0] >= 60 / 40 - pace.AHEAD_SECONDS - 0.05
    assert session.scalar(sa.select(sa.func.count()).where(Delivery.state == "accepted")) == 60


def test_a_domain_at_its_limit_holds_up_no_other_and_the_batch_waits_for_it(
    app: Flask, session: Session, tmp_path: Path
) -> None:
    app.config["DOMAIN_LETTERS_PER_SECOND"] = {"slow.example": 0.1}
    for number in range(4):
        make_subscriber(session, f"r{number}@slow.example", "stod")
        make_subscriber(session, f"r{number}@example.org", "stod")
    make_item(session, "stod")
    post = TimedTransport()

    deliver_everything(app, session, post, now=NOON)

    assert Counter(one.to.partition("@")[2] for one in post.accepted) == {"example.org": 4, "slow.example": 1}
    batch = session.scalars(sa.select(Batch)).one()
    assert (batch.state, batch.waits_for, batch.worker) == ("open", "slow.example", None)
    free_at = session.scalars(sa.select(Pace.free_at).where(Pace.name == "slow.example")).one()
    session.commit()
    assert batches.due_batches(session, now=NOON.fromtimestamp(free_at - 1, NOON.tzinfo)) == []
    assert batches.due_batches(session, now=NOON.fromtimestamp(free_at + 1, NOON.tzinfo)) == [batch.id]


def test_each_domain_has_its_own_limit_and_the_star_is_everybody_elses(app: Flask) -> None:
    rules = rules_of(app)
    assert rules.rate_of("example.org") is None
    app.config["DOMAIN_LETTERS_PER_SECOND"] = {"example.org": 5.0, "*": 20.0}
    assert [rules_of(app).rate_of(one) for one in ("example.org", "other.example")] == [5.0, 20.0]


def test_a_pacer_asks_only_where_there_is_a_limit_and_where_it_may() -> None:
    asked: list[str] = []

    def ask(name: str, most: int, per_second: float) -> tuple[int, float]:
        asked.append(name)
        return 2, 0.0

    free = Pacer(ask, per_second=None, rate_of=None)
    assert (free.wait_for("a.example", letters=9, may_ask=True), free.wait_for_all(letters=9, may_ask=True)) == (0, 0)
    assert asked == []
    bound = Pacer(ask, per_second=1000, rate_of={"a.example": 1000.0}.get)
    assert bound.wait_for("a.example", letters=9, may_ask=False) > 60
    assert bound.wait_for("a.example", letters=9, may_ask=True) == 0
    assert bound.wait_for_all(letters=9, may_ask=True) == 0
    bound.use("a.example")
    assert 0 <= bound.wait_for("a.example", letters=8, may_ask=False) <= 0.001
    assert asked == ["a.example", ""]


# Who


def test_outside_the_list_of_allowed_addresses_nobody_gets_a_letter(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    app.config["ONLY_TO"] = ("*@example.org", "bo@test.example")
    for address in ("ana@example.org", "bo@test.example", "cia@test.example"):
        make_subscriber(session, address, "stod")
    make_signup(session, "dan@test.example", "stod", now=NOON)
    make_item(session, "stod")

    deliver_everything(app, session, post, now=NOON)

    assert sorted(letter.to for letter in post.accepted) == ["ana@example.org", "bo@test.example"]
    skipped = session.scalars(sa.select(Delivery).where(Delivery.state == "skipped")).all()
    assert {(one.subscriber.address, one.reason) for one in skipped} == {
        (address, "not on the list of allowed addresses") for address in ("cia@test.example", "dan@test.example")
    }


def test_an_address_refused_again_and_again_gets_no_more_letters_until_its_owner_confirms_anew(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    ana = make_subscriber(session, "ana@example.org", "stod")
    make_subscriber(session, "bo@example.org", "stod")
    no = Outcome(Result.REFUSED, 550, "5.1.1 No such user", reason="address")
    post.answers["ana@example.org"] = [no] * 3
    post.answers["bo@example.org"] = [no, no, Outcome(Result.ACCEPTED, 250, "Ok"), no]
    for hours in range(5):
        make_item(session, "stod", published_at=NOON + hours * HOUR)
        deliver_everything(app, session, post, now=NOON + hours * HOUR)

    session.expire_all()
    assert (ana.refusals, session.scalars(sa.select(Subscriber.refusals).order_by(Subscriber.id)).all()) == (3, [3, 0])
    suspended = session.scalars(sa.select(Delivery).where(Delivery.state == "skipped")).all()
    assert [(one.subscriber_id, one.reason) for one in suspended] == [(ana.id, "address refused before")] * 2

    confirm(session, make_signup(session, "ana@example.org", "stod", now=NOON + DAY), now=NOON + DAY)
    make_item(session, "stod", published_at=NOON + DAY)
    deliver_everything(app, session, post, now=NOON + DAY)
    assert "ana@example.org" in [letter.to for letter in post.accepted]


def test_other_refusals_do_not_count_against_the_address(app: Flask, session: Session, post: MemoryTransport) -> None:
    make_subscriber(session, "ana@example.org", "stod")
    make_item(session, "stod")
    post.answers["ana@example.org"] = [Outcome(Result.REFUSED, 554, "5.6.0 Content", reason="content")]
    deliver_everything(app, session, post, now=NOON)
    assert session.scalars(sa.select(Subscriber.refusals)).one() == 0
