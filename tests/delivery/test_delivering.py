"""From published to settled, with the mail server in memory."""

import datetime as dt
import email
import email.policy
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.delivery import batches, controlling, covering, matching, progress
from newsroom.delivery.answers import Misconfigured, NotNow, Outcome, Result
from newsroom.delivery.journal import Journal
from newsroom.delivery.models import Batch, Delivery, Edition, Mailing, MailingEvent
from newsroom.delivery.sending import recover, send_batch
from newsroom.delivery.ticking import tick
from newsroom.delivery.transport import MemoryTransport
from newsroom.engine.rules import rules_of
from newsroom.news import publishing
from newsroom.subscribers import leaving
from tests.factories import (
    DAY,
    HOUR,
    MINUTE,
    NOON,
    deliver_everything,
    fixed,
    make_item,
    make_signup,
    make_subscriber,
    make_topics,
    tick_through,
)

SECOND = dt.timedelta(seconds=1)


@pytest.fixture
def post() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture(autouse=True)
def _topics(session: Session) -> None:
    make_topics(session)


def states(session: Session) -> dict[str, str]:
    session.expire_all()
    return {one.subscriber.address: one.state for one in session.scalars(sa.select(Delivery))}


def count(session: Session, mailing: Mailing) -> dict[str, int]:
    """A mailing's totals, without those that are 0."""
    return {state: number for state, number in progress.totals(session, mailing.id).items() if number}


def test_a_subscriber_to_two_matching_topics_gets_one_letter_that_names_both(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    make_subscriber(session, "ana@example.org", "kollektivtrafik", "hallbarhet", "stod")
    make_item(session, "kollektivtrafik", "hallbarhet")

    deliver_everything(app, session, post, now=NOON)

    assert [letter.to for letter in post.accepted] == ["ana@example.org"]
    text = email.message_from_bytes(post.accepted[0].letter, policy=email.policy.default).get_body(("plain",))
    assert text is not None
    assert "för att du följer Kollektivtrafik och Hållbarhet." in " ".join(text.get_content().split())


def test_the_audience_is_who_follows_directly_and_has_said_yes(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    make_subscriber(session, "parent@example.org", "kultur")
    make_subscriber(session, "child@example.org", "offentlig-konst")
    make_subscriber(session, "sibling@example.org", "kultur-och-halsa")
    make_subscriber(session, "weekly@example.org", "kultur", frequency="weekly")
    make_subscriber(session, "other@example.org", "stod")
    item = make_item(session, "offentlig-konst")

    deliver_everything(app, session, post, now=NOON)
    make_signup(session, "unconfirmed@example.org", "kultur", now=NOON)

    assert sorted(letter.to for letter in post.accepted) == ["child@example.org", "parent@example.org"]
    mailing = session.scalars(sa.select(Mailing).where(Mailing.item_id == item.id)).one()
    assert mailing.state == "done"
    assert count(session, mailing) == {"selected": 2, "accepted": 2}


def test_an_item_of_the_parent_topic_does_not_reach_those_who_follow_a_child(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    make_subscriber(session, "child@example.org", "offentlig-konst")
    make_item(session, "kultur")

    deliver_everything(app, session, post, now=NOON)

    assert post.accepted == []


def test_nothing_is_sent_before_its_time_or_without_announcing(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    make_subscriber(session, "ana@example.org", "stod")
    make_item(session, "stod", published_at=NOON + HOUR)
    make_item(session, "stod", announce=False)
    make_item(session, "stod", published_at=None)

    deliver_everything(app, session, post, now=NOON)
    assert post.accepted == []

    deliver_everything(app, session, post, now=NOON + HOUR)
    assert len(post.accepted) == 1


def test_each_language_and_set_of_topics_is_rendered_once(app: Flask, session: Session, post: MemoryTransport) -> None:
    for number in range(3):
        make_subscriber(session, f"sv{number}@example.org", "stod")
        make_subscriber(session, f"en{number}@example.org", "stod", "bibliotek", language="en")
    make_item(session, "stod", "bibliotek")

    deliver_everything(app, session, post, now=NOON)

    assert len(post.accepted) == 6
    assert session.scalar(sa.select(sa.func.count()).select_from(Edition)) == 2
    english = email.message_from_bytes(
        next(one.letter for one in post.accepted if one.to == "en0@example.org"), policy=email.policy.default
    )
    text = english.get_body(("plain",))
    assert text is not None
    assert "because you follow Grants and support and Libraries" in " ".join(text.get_content().split())
    assert "/en/avsluta/" in english["List-Unsubscribe"]


def test_a_large_audience_is_split_into_batches_and_nobody_falls_between(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    for number in range(23):
        make_subscriber(session, f"reader{number}@example.org", "stod")
    make_item(session, "stod")
    app.config["BATCH_SIZE"] = 5

    deliver_everything(app, session, post, now=NOON)

    assert sorted(session.scalars(sa.select(sa.func.count(Delivery.id)).group_by(Delivery.batch_id))) == [3, 5, 5, 5, 5]
    assert len({letter.to for letter in post.accepted}) == len(post.accepted) == 23


def test_ticking_again_changes_nothing(app: Flask, session: Session, post: MemoryTransport) -> None:
    make_subscriber(session, "ana@example.org", "stod")
    make_item(session, "stod")
    for _ in range(3):
        deliver_everything(app, session, post, now=NOON)
    assert len(post.accepted) == 1


def test_a_confirmation_letter_is_found_and_overtakes_news(app: Flask, session: Session, post: MemoryTransport) -> None:
    make_subscriber(session, "ana@example.org", "stod")
    make_item(session, "stod", published_at=NOON - MINUTE)
    make_signup(session, "bo@example.org", "stod", now=NOON)

    deliver_everything(app, session, post, now=NOON)

    assert [letter.to for letter in post.accepted] == ["bo@example.org", "ana@example.org"]
    assert post.accepted[0].sender != post.accepted[1].sender


def test_who_left_between_matching_and_sending_is_skipped_with_that_reason(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    ana = make_subscriber(session, "ana@example.org", "stod")
    make_subscriber(session, "bo@example.org", "stod")
    item = make_item(session, "stod")
    session.commit()
    with app.app_context():
        tick_through(session, rules_of(app), now=NOON)
    leaving.leave(session, ana, [topic.id for topic in item.topics], source="web", now=NOON)
    session.commit()

    deliver_everything(app, session, post, now=NOON)

    assert [letter.to for letter in post.accepted] == ["bo@example.org"]
    skipped = session.scalars(sa.select(Delivery).where(Delivery.state == "skipped")).one()
    assert (skipped.subscriber_id, skipped.reason) == (ana.id, "unsubscribed")


def test_letters_of_a_withdrawn_item_are_skipped(app: Flask, session: Session, post: MemoryTransport) -> None:
    make_subscriber(session, "ana@example.org", "stod")
    item = make_item(session, "stod")
    with app.app_context():
        tick_through(session, rules_of(app), now=NOON)
    publishing.withdraw(item, now=NOON)
    session.commit()

    deliver_everything(app, session, post, now=NOON)

    assert post.accepted == []
    assert session.scalars(sa.select(Delivery)).one().reason == "withdrawn"


def test_one_refused_recipient_never_touches_the_next(app: Flask, session: Session, post: MemoryTransport) -> None:
    for name in ("ana", "bo", "cia"):
        make_subscriber(session, f"{name}@example.org", "stod")
    make_item(session, "stod")
    post.answers["bo@example.org"] = [Outcome(Result.REFUSED, 550, "5.1.1 No such user", reason="address")]

    deliver_everything(app, session, post, now=NOON)

    assert states(session) == {
        "ana@example.org": "accepted",
        "bo@example.org": "refused",
        "cia@example.org": "accepted",
    }
    refused = session.scalars(sa.select(Delivery).where(Delivery.state == "refused")).one()
    assert (refused.code, refused.reply, refused.reason) == (550, "5.1.1 No such user", "address")


def test_a_throttled_letter_waits_longer_each_time_and_goes_in_the_end(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    make_subscriber(session, "ana@example.org", "stod")
    make_item(session, "stod")
    post.answers["ana@example.org"] = [Outcome(Result.LATER, 450, "4.2.1 Busy")] * 2

    deliver_everything(app, session, post, now=NOON)
    waiting = session.scalars(sa.select(Delivery)).one()
    assert (waiting.state, waiting.code, waiting.attempts) == ("waiting", 450, 1)
    deliver_everything(app, session, post, now=NOON + 30 * SECOND)
    assert post.accepted == []

    deliver_everything(app, session, post, now=NOON + 2 * MINUTE)
    deliver_everything(app, session, post, now=NOON + 4 * MINUTE)
    assert post.accepted == []

    deliver_everything(app, session, post, now=NOON + 10 * MINUTE)
    assert states(session) == {"ana@example.org": "accepted"}
    assert session.scalars(sa.select(Mailing)).one().state == "done"


def test_after_48_hours_of_later_the_letter_is_given_up_and_the_mailing_ends(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    make_subscriber(session, "ana@example.org", "stod")
    make_item(session, "stod")
    post.answers["ana@example.org"] = [Outcome(Result.LATER, 450, "4.2.1 Busy")] * 100

    for hours in range(52):
        deliver_everything(app, session, post, now=NOON + hours * 1.3 * HOUR)

    assert session.scalars(sa.select(Delivery)).one().reason == "gave up"
    assert session.scalars(sa.select(Mailing)).one().state == "done"


@pytest.mark.parametrize("fault", [NotNow("The mail server can't be reached"), Misconfigured("Wrong certificate")])
def test_while_the_mail_server_is_away_letters_wait_and_the_reason_is_written_down(
    app: Flask, session: Session, post: MemoryTransport, fault: Exception
) -> None:
    make_subscriber(session, "ana@example.org", "stod")
    make_item(session, "stod")
    post.answers["connect"] = [fault] * 3

    deliver_everything(app, session, post, now=NOON)
    assert session.scalars(sa.select(Mailing)).one().problem == str(fault)
    assert session.scalars(sa.select(Delivery)).one().attempts == 0

    for seconds in (6, 30, 120, 240):
        deliver_everything(app, session, post, now=NOON + seconds * SECOND)
    assert states(session) == {"ana@example.org": "accepted"}
    session.expire_all()
    assert session.scalars(sa.select(Mailing)).one().problem is None


def test_our_own_fault_stops_the_mailing_until_a_person_resumes_it(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    for name in ("ana", "bo"):
        make_subscriber(session, f"{name}@example.org", "stod")
    make_item(session, "stod")
    post.answers["ana@example.org"] = [Outcome(Result.MISCONFIGURED, 550, "5.7.1 Relaying denied")]

    deliver_everything(app, session, post, now=NOON)

    assert set(states(session).values()) == {"waiting"}
    assert all(one.attempts == 0 for one in session.scalars(sa.select(Delivery)))
    mailing = session.scalars(sa.select(Mailing)).one()
    assert mailing.paused_at == NOON
    assert "5.7.1" in (mailing.problem or "")
    deliver_everything(app, session, post, now=NOON + DAY)
    assert post.accepted == []  # It waits for a person, however long.

    controlling.resume(session, mailing.id, by="redaktor@example.org", now=NOON + DAY)
    deliver_everything(app, session, post, now=NOON + DAY)
    assert set(states(session).values()) == {"accepted"}
    assert [one.kind for one in session.scalars(sa.select(MailingEvent).order_by(MailingEvent.id))] == [
        "stopped",
        "resumed",
    ]


def test_a_confirmation_that_the_server_minds_is_tried_again_by_itself(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    make_signup(session, "ana@example.org", "stod", now=NOON)
    post.answers["ana@example.org"] = [Outcome(Result.MISCONFIGURED, 550, "5.7.1 Relaying denied")]

    deliver_everything(app, session, post, now=NOON)
    assert post.accepted == []
    deliver_everything(app, session, post, now=NOON + 5 * MINUTE)
    assert [letter.to for letter in post.accepted] == ["ana@example.org"]


def test_a_lost_answer_is_uncertain_and_goes_again_under_the_same_message_id(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    make_subscriber(session, "ana@example.org", "stod")
    make_item(session, "stod")
    post.answers["ana@example.org"] = [Outcome(Result.UNCERTAIN, None, "connection lost")]

    deliver_everything(app, session, post, now=NOON)
    uncertain = session.scalars(sa.select(Delivery)).one()
    assert (uncertain.state, uncertain.reason, uncertain.lost) == ("uncertain", "answer lost", 1)
    deliver_everything(app, session, post, now=NOON + 5 * MINUTE)

    assert states(session) == {"ana@example.org": "accepted"}


def test_an_uncertain_letter_is_held_for_a_person_where_the_setting_says_so(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    app.config["UNCERTAIN_LETTERS"] = "hold"
    make_subscriber(session, "ana@example.org", "stod")
    make_item(session, "stod")
    post.answers["ana@example.org"] = [Outcome(Result.UNCERTAIN, None, "connection lost")]

    deliver_everything(app, session, post, now=NOON)
    deliver_everything(app, session, post, now=NOON + DAY)

    assert states(session) == {"ana@example.org": "uncertain"}
    assert session.scalars(sa.select(Mailing)).one().state == "done"


def test_a_letter_whose_answer_is_lost_again_and_again_is_held_in_the_end(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    make_subscriber(session, "ana@example.org", "stod")
    make_item(session, "stod")
    post.answers["ana@example.org"] = [Outcome(Result.UNCERTAIN, None, "connection lost")] * 10

    for hours in range(10):
        deliver_everything(app, session, post, now=NOON + hours * HOUR)

    assert session.scalars(sa.select(Delivery)).one().lost == 3
    assert states(session) == {"ana@example.org": "uncertain"}


def die(app: Flask, session: Session, post: MemoryTransport) -> Journal:
    """Send with a worker that dies of the first exception that the post raises; gives what it leaves behind."""
    journal = Journal(Path(app.instance_path) / "journals", "dead")
    rules = rules_of(app)
    with app.app_context():
        tick_through(session, rules, now=NOON)
        batch = session.scalars(sa.select(Batch)).one()
        with pytest.raises(KeyboardInterrupt):
            send_batch(session, rules, post, batch.id, journal=journal, clock=fixed(NOON))
    session.rollback()
    return journal


def test_what_a_dead_worker_had_done_is_settled_from_its_journal(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    for name in ("ana", "bo", "cia"):
        make_subscriber(session, f"{name}@example.org", "stod")
    make_item(session, "stod")
    post.answers["bo@example.org"] = [KeyboardInterrupt()]  # It dies with this letter on the wire.
    journal = die(app, session, post)
    assert set(states(session).values()) == {"waiting"}

    deliver_everything(app, session, post, now=NOON + MINUTE)
    assert [letter.to for letter in post.accepted] == ["ana@example.org"]  # Its lease runs, and its lock is held.
    journal.abandon()
    assert recover(session, Path(app.instance_path) / "journals", now=NOON + MINUTE) == 1
    assert states(session) == {
        "ana@example.org": "accepted",
        "bo@example.org": "uncertain",
        "cia@example.org": "waiting",
    }

    deliver_everything(app, session, post, now=NOON + MINUTE)
    assert [letter.to for letter in post.accepted] == ["ana@example.org", "bo@example.org", "cia@example.org"]
    assert recover(session, Path(app.instance_path) / "journals", now=NOON + MINUTE) == 0


def test_a_batch_whose_worker_is_lost_with_its_machine_is_free_after_the_lease(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    make_subscriber(session, "ana@example.org", "stod")
    make_item(session, "stod")
    post.answers["ana@example.org"] = [KeyboardInterrupt()]
    journal = die(app, session, post)
    journal.close()  # Nobody will ever read it.

    lease = rules_of(app).lease
    deliver_everything(app, session, post, now=NOON + lease - MINUTE)
    assert post.accepted == []
    deliver_everything(app, session, post, now=NOON + lease)
    assert [letter.to for letter in post.accepted] == ["ana@example.org"]


def test_a_worker_that_stood_still_beyond_its_lease_sends_nothing_more(
    app: Flask, session: Session, post: MemoryTransport, tmp_path: Path
) -> None:
    for name in ("ana", "bo"):
        make_subscriber(session, f"{name}@example.org", "stod")
    make_item(session, "stod")
    rules = rules_of(app)
    with app.app_context(), closing(Journal(tmp_path, "slow")) as journal:
        tick_through(session, rules, now=NOON)
        batch_id = session.scalars(sa.select(Batch.id)).one()
        send_batch(session, rules, post, batch_id, journal=journal, clock=lambda: NOON + HOUR * len(post.accepted))

    assert [letter.to for letter in post.accepted] == ["ana@example.org"]
    assert states(session) == {"ana@example.org": "accepted", "bo@example.org": "waiting"}


def test_two_workers_on_one_batch_send_each_letter_once(
    app: Flask, session: Session, post: MemoryTransport, tmp_path: Path
) -> None:
    make_subscriber(session, "ana@example.org", "stod")
    make_item(session, "stod")
    rules = rules_of(app)
    with app.app_context(), closing(Journal(tmp_path, "second")) as journal:
        tick_through(session, rules, now=NOON)
        batch = session.scalars(sa.select(Batch)).one()
        assert batches.claim(session, batch.id, worker="first", now=NOON, lease=rules.lease) is not None
        session.commit()
        assert send_batch(session, rules, post, batch.id, journal=journal, clock=fixed(NOON)) is False
    assert post.accepted == []


def test_one_mailing_that_cannot_be_composed_holds_up_no_other(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    make_subscriber(session, "ana@example.org", "stod")
    bad = make_item(session, "stod", headline="Trasig")
    bad.headline = "Trasig\x00rubrik" if "sqlite" in str(session.get_bind().url) else "Trasig\x01rubrik"  # type: ignore[union-attr]
    make_item(session, "stod", headline="Hel")
    session.commit()

    deliver_everything(app, session, post, now=NOON)

    assert len(post.accepted) == 1
    broken = session.scalars(sa.select(Mailing).where(Mailing.item_id == bad.id)).one()
    assert (broken.state, broken.problem is not None) == ("composing", True)


def test_a_tick_that_gets_no_connection_is_no_fault_of_the_mailing(
    app: Flask, session: Session, post: MemoryTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_subscriber(session, "ana@example.org", "stod")
    make_item(session, "stod")
    session.commit()

    def run_out(*_: object, **__: object) -> bool:
        raise sa.exc.TimeoutError("QueuePool limit of size 5 overflow 10 reached")

    with monkeypatch.context() as patched, app.app_context():
        patched.setattr(matching, "match_slice", run_out)
        tick(session, rules_of(app), now=NOON)
    assert session.scalars(sa.select(Mailing)).one().problem is None

    deliver_everything(app, session, post, now=NOON)

    assert len(post.accepted) == 1


def test_the_tables_refuse_a_second_mailing_delivery_or_subscription(app: Flask, session: Session) -> None:
    ana = make_subscriber(session, "ana@example.org", "stod")
    item = make_item(session, "stod")
    covering.cover_items(session, now=NOON, lateness=DAY)
    mailing = session.scalars(sa.select(Mailing)).one()
    mailing_id, subscriber_id, item_id = mailing.id, ana.id, item.id
    session.commit()
    for _ in range(2):
        matching.match_slice(session, rules_of(app), mailing_id, now=NOON)
    one = session.scalars(sa.select(Delivery)).one()
    edition_id, batch_id = one.edition_id, one.batch_id
    session.commit()

    for double in (
        Mailing(kind="news", lane=2, item_id=item_id, created_at=NOON),
        Delivery(mailing_id=mailing_id, subscriber_id=subscriber_id, edition_id=edition_id, batch_id=batch_id),
    ):
        session.add(double)
        with pytest.raises(sa.exc.IntegrityError):
            session.flush()
        session.rollback()
