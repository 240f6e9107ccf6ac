"""Digests: when they are due, what they tell of, whom, and that nobody is told twice or not at all."""

import datetime as dt
import email
import email.policy
import zoneinfo
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session

from newsroom.delivery import batches, controlling, ledger, progress
from newsroom.delivery.digests import Schedule, periods_ended
from newsroom.delivery.journal import Journal
from newsroom.delivery.models import Delivery, Edition, EditionItem, Mailing
from newsroom.delivery.sending import send_batch
from newsroom.delivery.ticking import tick
from newsroom.delivery.transport import KeptLetter, MemoryTransport
from newsroom.engine.rules import rules_of
from newsroom.news import publishing
from newsroom.news.models import Item
from newsroom.subscribers import leaving
from tests.factories import DAY, HOUR, MINUTE, deliver_everything, make_item, make_subscriber, make_topics, tick_through

STOCKHOLM = zoneinfo.ZoneInfo("Europe/Stockholm")
DAILY = Schedule("daily", frozenset({1, 2, 3, 4, 5}), dt.time(7), STOCKHOLM)
WEEKLY = Schedule("weekly", frozenset({1}), dt.time(7), STOCKHOLM)


def at(day: str, hour: int = 7, minute: int = 0) -> dt.datetime:
    """A moment by the clock on the wall in Stockholm, aware, in UTC."""
    local = dt.datetime.combine(dt.date.fromisoformat(day), dt.time(hour, minute), STOCKHOLM)
    return local.astimezone(dt.UTC)


MONDAY, TUESDAY, WEDNESDAY, FRIDAY = "2026-11-09", "2026-11-10", "2026-11-11", "2026-11-13"
NEXT_MONDAY = "2026-11-16"
EARLIER = at("2026-11-05")


# When


def test_a_daily_digest_ends_at_seven_on_weekdays_and_mondays_reaches_back_over_the_weekend() -> None:
    found = periods_ended(DAILY, after=at(MONDAY, 8), by=at(NEXT_MONDAY))
    assert [one.end for one in found] == [at(f"2026-11-{day}") for day in (10, 11, 12, 13, 16)]
    assert (found[-1].start, found[-1].end) == (at(FRIDAY), at(NEXT_MONDAY))


@pytest.mark.parametrize(
    ("friday", "monday", "hours"), [("2027-03-26", "2027-03-29", 71), ("2027-10-29", "2027-11-01", 73)]
)
def test_over_a_change_of_the_clock_it_still_ends_at_seven_on_the_wall(friday: str, monday: str, hours: int) -> None:
    (found,) = periods_ended(DAILY, after=at(friday), by=at(monday))
    assert found.end.astimezone(STOCKHOLM).hour == found.start.astimezone(STOCKHOLM).hour == 7
    assert found.end - found.start == hours * HOUR


@pytest.mark.parametrize("day", ["2027-03-28", "2027-10-31"])
def test_a_digest_in_the_hour_that_is_skipped_or_repeated_is_due_once(day: str) -> None:
    schedule = Schedule("daily", frozenset(range(1, 8)), dt.time(2, 30), STOCKHOLM)
    found = periods_ended(schedule, after=at(day, 0), by=at(day, 23, 59))
    assert len(found) == 1


MOMENTS = st.integers(0, 270 * 24 * 60).map(lambda minutes: at("2027-03-01") + minutes * MINUTE)


@given(
    moment=MOMENTS,
    looks=st.lists(MOMENTS, max_size=5),
    days=st.frozensets(st.integers(1, 7), min_size=1),
    time=st.times(),
)
def test_every_moment_lies_in_one_period_whenever_anybody_looks(
    moment: dt.datetime, looks: list[dt.datetime], days: frozenset[int], time: dt.time
) -> None:
    schedule = Schedule("daily", days, time.replace(second=0, microsecond=0), STOCKHOLM)
    periods = set()
    for by in sorted([*looks, dt.datetime(2027, 12, 31, tzinfo=dt.UTC)]):
        periods |= set(periods_ended(schedule, after=dt.datetime(2027, 2, 15, tzinfo=dt.UTC), by=by))
    assert len([one for one in periods if one.start <= moment < one.end]) == 1


# What and whom


@pytest.fixture
def post() -> MemoryTransport:
    return MemoryTransport()


@pytest.fixture(autouse=True)
def _topics(session: Session) -> None:
    make_topics(session)


def subscribe(session: Session, name: str, *slugs: str, frequency: str = "daily", language: str = "sv") -> None:
    make_subscriber(session, f"{name}@example.org", *slugs, frequency=frequency, language=language, now=EARLIER)


def text_of(letter: KeptLetter, kind: str = "plain") -> str:
    part = email.message_from_bytes(letter.letter, policy=email.policy.default).get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def got(post: MemoryTransport) -> Counter[str]:
    return Counter(letter.to.partition("@")[0] for letter in post.accepted)


def headlines_in(letter: KeptLetter, items: Sequence[str]) -> list[str]:
    """Which of these headlines a letter tells of, in its order, as often as it does."""
    text = text_of(letter)
    places = [(place, one) for one in items for place in range(len(text)) if text.startswith(f"{one}\n", place)]
    return [one for _, one in sorted(places)]


def test_a_digest_tells_each_item_once_under_its_first_topic_names_the_others_and_begins_with_the_newest(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    subscribe(session, "ana", "stod", "bibliotek", "hallbarhet")
    make_item(session, "stod", headline="Äldst", published_at=at(MONDAY, 8))
    make_item(session, "bibliotek", "stod", "kultur", headline="Mellan", published_at=at(MONDAY, 9))
    make_item(session, "stod", headline="Yngst", published_at=at(MONDAY, 10))
    make_item(session, "kultur", headline="Annat ämne", published_at=at(MONDAY, 11))

    deliver_everything(app, session, post, now=at(TUESDAY, 6, 59))
    assert post.accepted == []
    deliver_everything(app, session, post, now=at(TUESDAY))

    (letter,) = post.accepted
    assert headlines_in(letter, ["Äldst", "Mellan", "Yngst", "Annat ämne"]) == ["Yngst", "Äldst", "Mellan"]
    text = text_of(letter)
    assert text.index("STÖD") < text.index("Yngst") < text.index("BIBLIOTEK") < text.index("Mellan")
    assert text.count("Hör också till Stöd.") == 1
    message = email.message_from_bytes(letter.letter, policy=email.policy.default)
    assert message["Subject"] == "Yngst och 2 till"
    assert message["List-Id"].endswith("<daily.localhost>")
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_a_weekly_letter_says_which_days_it_tells_of_also_where_it_leaves_late(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    for name, language in (("ana", "sv"), ("bo", "en")):
        subscribe(session, name, "stod", frequency="weekly", language=language)
    subscribe(session, "cia", "stod", frequency="daily")
    make_item(session, "stod", published_at=at(FRIDAY))

    deliver_everything(app, session, post, now=at(NEXT_MONDAY, 11))

    letters = {one.to.partition("@")[0]: one for one in post.accepted}
    for name, words in (
        ("ana", "9–15 november 2026 · 1 nyhet"),
        ("bo", "9–15 November 2026 · 1 item"),
        ("cia", "16 november 2026 · 1 nyhet"),
    ):
        assert f"\n\n{words}\n\n" in text_of(letters[name])
        assert f'">{words}</p>' in text_of(letters[name], "html")


def test_nothing_to_tell_no_letter(app: Flask, session: Session, post: MemoryTransport) -> None:
    subscribe(session, "ana", "stod")
    make_item(session, "kultur", published_at=at(MONDAY, 8))
    make_item(session, "stod", published_at=at(MONDAY, 9), announce=False)
    publishing.withdraw(make_item(session, "stod", published_at=at(MONDAY, 10)), now=at(MONDAY, 11))

    deliver_everything(app, session, post, now=at(TUESDAY))

    assert post.accepted == []
    daily = session.scalars(sa.select(Mailing).where(Mailing.kind == "daily")).all()
    assert {(one.state, one.selected) for one in daily} == {("done", 0)}


def test_a_run_that_is_a_few_hours_late_is_caught_up_once_with_the_same_items(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    subscribe(session, "ana", "stod")
    make_item(session, "stod", headline="I tid", published_at=at(MONDAY, 8))
    make_item(session, "stod", headline="Efter", published_at=at(TUESDAY, 7, 1))

    for hour in (15, 16, 17):
        deliver_everything(app, session, post, now=at(TUESDAY, hour))

    (letter,) = post.accepted
    assert headlines_in(letter, ["I tid", "Efter"]) == ["I tid"]
    deliver_everything(app, session, post, now=at(WEDNESDAY))
    assert headlines_in(post.accepted[-1], ["I tid", "Efter"]) == ["Efter"]


def test_a_run_that_is_too_late_waits_for_a_persons_yes(app: Flask, session: Session, post: MemoryTransport) -> None:
    subscribe(session, "ana", "stod")
    make_item(session, "stod", headline="Gammal", published_at=at(MONDAY, 8))

    deliver_everything(app, session, post, now=at(TUESDAY, 19, 1))
    deliver_everything(app, session, post, now=at(TUESDAY, 23))
    assert post.accepted == []
    held = session.scalars(sa.select(Mailing).where(Mailing.kind == "daily", Mailing.state == "held")).one()
    assert held.problem == "too late"

    controlling.release(session, held.id, by="redaktor@example.org", now=at(TUESDAY, 23))
    deliver_everything(app, session, post, now=at(TUESDAY, 23))
    (letter,) = post.accepted
    assert headlines_in(letter, ["Gammal"]) == ["Gammal"]


def test_who_gets_a_topic_direct_is_not_told_again_in_the_digest_of_another(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    subscribe(session, "ana", "stod", frequency="direct")
    subscribe(session, "ana", "bibliotek", frequency="weekly")
    make_item(session, "stod", "bibliotek", headline="Båda", published_at=at(WEDNESDAY, 8))
    make_item(session, "bibliotek", headline="Bara den ena", published_at=at(WEDNESDAY, 9))

    deliver_everything(app, session, post, now=at(WEDNESDAY, 10))
    deliver_everything(app, session, post, now=at(NEXT_MONDAY))

    assert [headlines_in(one, ["Båda", "Bara den ena"]) for one in post.accepted] == [["Båda"], ["Bara den ena"]]


def test_what_the_daily_digest_told_the_weekly_one_leaves_out_also_where_both_are_due_at_once(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    subscribe(session, "ana", "stod", frequency="daily")
    subscribe(session, "ana", "bibliotek", frequency="weekly")
    make_item(session, "stod", "bibliotek", headline="Båda", published_at=at(FRIDAY, 12))
    make_item(session, "bibliotek", headline="Veckans", published_at=at(FRIDAY, 13))

    deliver_everything(app, session, post, now=at(NEXT_MONDAY))

    assert [headlines_in(one, ["Båda", "Veckans"]) for one in post.accepted] == [["Båda"], ["Veckans"]]


def test_an_item_published_right_before_the_hour_is_announced_first_and_stands_in_no_digest_of_those_who_got_it(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    subscribe(session, "ana", "stod", frequency="direct")
    subscribe(session, "ana", "bibliotek", frequency="daily")
    subscribe(session, "bo", "bibliotek", frequency="daily")
    make_item(session, "stod", "bibliotek", headline="Nyss", published_at=at(TUESDAY) - dt.timedelta(seconds=1))

    deliver_everything(app, session, post, now=at(TUESDAY))

    assert got(post) == {"ana": 1, "bo": 1}


def test_an_item_whose_commit_came_after_its_digest_stands_in_the_next_one(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    subscribe(session, "ana", "stod")
    make_item(session, "stod", headline="Först", published_at=at(MONDAY, 8))
    deliver_everything(app, session, post, now=at(TUESDAY))
    make_item(session, "stod", headline="Sen", published_at=at(MONDAY, 9))

    deliver_everything(app, session, post, now=at(WEDNESDAY))
    deliver_everything(app, session, post, now=at("2026-11-12"))

    assert [headlines_in(one, ["Först", "Sen"]) for one in post.accepted] == [["Först"], ["Sen"]]


def test_who_subscribed_after_a_period_ended_gets_no_digest_of_it(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    subscribe(session, "ana", "stod")
    make_subscriber(session, "bo@example.org", "stod", frequency="daily", now=at(TUESDAY, 8))
    make_item(session, "stod", published_at=at(MONDAY, 8))

    deliver_everything(app, session, post, now=at(TUESDAY, 9))

    assert got(post) == {"ana": 1}


def test_a_period_that_ended_before_anybody_wanted_digests_has_no_mailing(app: Flask, session: Session) -> None:
    make_subscriber(session, "ana@example.org", "stod", frequency="daily", now=at(TUESDAY, 8))
    make_item(session, "stod", published_at=at(MONDAY, 8))
    session.commit()
    with app.app_context():
        tick_through(session, rules_of(app), now=at(TUESDAY, 9))
    assert session.scalars(sa.select(Mailing).where(Mailing.period_end.is_not(None))).all() == []


def test_each_set_of_items_is_rendered_once_in_each_language(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    for number in range(3):
        subscribe(session, f"ett{number}", "stod")
        subscribe(session, f"två{number}".replace("å", "a"), "stod", "bibliotek")
        subscribe(session, f"en{number}", "stod", language="en")
    make_item(session, "stod", headline="Ett", published_at=at(MONDAY, 8))
    make_item(session, "bibliotek", headline="Två", published_at=at(MONDAY, 9))

    deliver_everything(app, session, post, now=at(TUESDAY))

    editions = session.scalars(sa.select(Edition).join(Mailing).where(Mailing.kind == "daily")).all()
    assert len(editions) == 3
    assert len(post.accepted) == 9
    english = next(one for one in post.accepted if one.to.startswith("en"))
    assert "GRANTS AND SUPPORT" in text_of(english)


def test_two_digests_of_one_period_can_not_be(app: Flask, session: Session) -> None:
    for _ in range(2):
        session.add(
            Mailing(kind="daily", lane=3, created_at=at(TUESDAY), period_start=at(MONDAY), period_end=at(TUESDAY))
        )
    with pytest.raises(sa.exc.IntegrityError):
        session.flush()
    session.rollback()


def test_a_clock_that_jumps_forward_and_back_costs_no_item_and_no_double(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    subscribe(session, "ana", "stod")
    make_item(session, "stod", headline="Före", published_at=at(MONDAY, 8))
    deliver_everything(app, session, post, now=at(WEDNESDAY, 7, 30))  # A day and a half ahead of the real time,
    make_item(session, "stod", headline="Medan", published_at=at(MONDAY, 20))  # which is still Monday evening.
    for day in (TUESDAY, WEDNESDAY, "2026-11-12"):
        deliver_everything(app, session, post, now=at(day))
        for held in session.scalars(sa.select(Mailing).where(Mailing.state == "held")):
            controlling.release(session, held.id, by="redaktor@example.org", now=at(day))
        deliver_everything(app, session, post, now=at(day, 7, 1))

    told = Counter(one for letter in post.accepted for one in headlines_in(letter, ["Före", "Medan"]))
    assert told == {"Före": 1, "Medan": 1}


@pytest.mark.parametrize("sunday", ["2027-03-28", "2027-10-31"])
def test_through_the_nights_in_which_the_clock_changes_every_item_is_told_once(
    app: Flask, session: Session, post: MemoryTransport, sunday: str
) -> None:
    for frequency in ("direct", "daily", "weekly"):
        subscribe(session, frequency, "stod", frequency=frequency)
    start = at(sunday) - 2 * DAY - 12 * HOUR
    for hours in range(0, 96, 6):
        make_item(session, "stod", headline=f"Nyhet {hours}.", published_at=start + hours * HOUR)
    session.commit()
    for hours in (*range(0, 96, 6), *range(96, 11 * 24, 12)):
        deliver_everything(app, session, post, now=start + hours * HOUR)

    names = [f"Nyhet {hours}." for hours in range(0, 96, 6)]
    for frequency in ("direct", "daily", "weekly"):
        letters = [one for one in post.accepted if one.to == f"{frequency}@example.org"]
        assert Counter(name for one in letters for name in headlines_in(one, names)) == dict.fromkeys(names, 1)


def test_two_ticks_at_the_same_instant_make_one_digest(app: Flask, session: Session, post: MemoryTransport) -> None:
    subscribe(session, "ana", "stod")
    make_item(session, "stod", published_at=at(MONDAY, 8))
    session.commit()
    with app.app_context(), Session(session.get_bind()) as other:
        for one in (session, other):
            tick(one, rules_of(app), now=at(TUESDAY))
        while any(tick(one, rules_of(app), now=at(TUESDAY)) for one in (session, other)):
            pass
    deliver_everything(app, session, post, now=at(TUESDAY))
    assert got(post) == {"ana": 1}


def test_an_item_withdrawn_while_its_digest_is_on_its_way_is_taken_out_of_it(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    subscribe(session, "ana", "stod", "bibliotek")
    subscribe(session, "bo", "bibliotek")
    make_item(session, "stod", headline="Kvar", published_at=at(MONDAY, 8))
    gone = make_item(session, "bibliotek", headline="Borta", published_at=at(MONDAY, 9))
    session.commit()
    with app.app_context():
        tick_through(session, rules_of(app), now=at(TUESDAY))
    publishing.withdraw(session.get_one(Item, gone.id), now=at(TUESDAY, 7, 1))
    session.commit()

    deliver_everything(app, session, post, now=at(TUESDAY, 7, 2))

    (letter,) = post.accepted
    assert headlines_in(letter, ["Kvar", "Borta"]) == ["Kvar"]
    skipped = session.scalars(sa.select(Delivery).where(Delivery.state == "skipped")).one()
    assert (skipped.subscriber.address, skipped.reason) == ("bo@example.org", "withdrawn")


def test_a_letter_taken_back_between_a_workers_claim_and_its_reading_does_not_leave_empty(
    app: Flask, session: Session, post: MemoryTransport, tmp_path: Path
) -> None:
    subscribe(session, "ana", "stod", "bibliotek")
    make_item(session, "stod", headline="Kvar", published_at=at(MONDAY, 8))
    gone_id = make_item(session, "bibliotek", headline="Borta", published_at=at(MONDAY, 9)).id
    session.commit()
    with app.app_context():
        tick_through(session, rules_of(app), now=at(TUESDAY))
    (batch_id,) = batches.due_batches(session, now=at(TUESDAY))
    session.commit()

    asked = 0

    def change_the_letter_meanwhile() -> dt.datetime:
        """The time. It is asked right before the letters are read, and again before the first of them leaves."""
        nonlocal asked
        asked += 1
        with Session(session.get_bind()) as other:
            if asked == 3:
                publishing.withdraw(other.get_one(Item, gone_id), now=at(TUESDAY, 7, 1))
                ledger.recall_digests(other)
                other.commit()
            elif asked == 4:
                tick_through(other, rules_of(app), now=at(TUESDAY, 7, 1))
        return at(TUESDAY, 7, 1)

    with app.app_context(), closing(Journal(tmp_path, "w")) as journal:
        send_batch(session, rules_of(app), post, batch_id, journal=journal, clock=change_the_letter_meanwhile)
    assert post.accepted == []
    deliver_everything(app, session, post, now=at(TUESDAY, 7, 2))
    assert [headlines_in(one, ["Kvar", "Borta"]) for one in post.accepted] == [["Kvar"]]


def test_a_digests_unsubscribe_link_ends_the_topics_that_it_came_for(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    subscribe(session, "ana", "stod", "bibliotek")
    make_item(session, "stod", published_at=at(MONDAY, 8))
    deliver_everything(app, session, post, now=at(TUESDAY))
    link = email.message_from_bytes(post.accepted[0].letter)["List-Unsubscribe"].strip("<>")

    path = link.removeprefix(app.config["PUBLIC_URL"])
    assert app.test_client().post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200

    ana = leaving.find_subscriber(session, path.split("/")[2])
    assert ana is not None
    followed = leaving.active_subscriptions(session, ana, [one.id for one in make_topics(session).values()])
    assert [one.topic.slug for one in followed] == ["bibliotek"]


def test_a_digest_of_very_many_items_stays_under_the_size_that_mail_clients_cut_at_and_has_told_of_all(
    app: Flask, session: Session, post: MemoryTransport
) -> None:
    subscribe(session, "ana", "stod", "bibliotek", "hallbarhet")
    subscribe(session, "ana", "kultur", frequency="weekly")
    headlines = [f"Så söker din förening bidrag för öppna mötesplatser, del {number} av 220" for number in range(220)]
    for number, headline in enumerate(headlines):
        make_item(
            session,
            *("stod", "bibliotek", "hallbarhet", "kultur"),
            headline=headline,
            lede="Ord. " * 60,
            published_at=at(MONDAY, 8) + number * MINUTE,
        )

    deliver_everything(app, session, post, now=at(TUESDAY))

    (letter,) = post.accepted
    assert len(letter.letter) < 102_000
    named = len(headlines_in(letter, headlines))
    assert 50 < named < 200
    assert f"220 nyheter, varav {named} i det här brevet" in text_of(letter)
    assert f"{220 - named} nyheter till finns på webbplatsen:" in text_of(letter)
    # What only its last line tells of is told: the ledger has all of it, and no later letter tells it again.
    edition = sa.select(Edition.id).join(Mailing).where(Mailing.kind == "daily")
    listed = sa.select(sa.func.count()).select_from(EditionItem).where(EditionItem.edition_id.in_(edition))
    assert session.scalar(listed) == 220
    deliver_everything(app, session, post, now=at(NEXT_MONDAY))
    assert len(post.accepted) == 1
    mailing = session.scalars(sa.select(Mailing).where(Mailing.kind == "daily", Mailing.selected > 0)).one()
    assert progress.totals(session, mailing.id)["accepted"] == 1
