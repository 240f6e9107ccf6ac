"""What a mail server's answers mean, and when to try again."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from newsroom.delivery.answers import (
    REPLY_LENGTH,
    Outcome,
    Result,
    Stage,
    clean_reply,
    reconnect_at,
    retry_at,
    sort_answer,
)
from tests.factories import HOUR, MINUTE, NOON

SECOND = dt.timedelta(seconds=1)
ACCEPTED, LATER, OUR_FAULT = (Result.ACCEPTED, None), (Result.LATER, None), (Result.MISCONFIGURED, None)
DEAD, NO_SERVICE, CONTENT = (Result.REFUSED, "address"), (Result.REFUSED, "server"), (Result.REFUSED, "content")


@pytest.mark.parametrize(
    ("stage", "code", "reply", "expected"),
    [
        (Stage.CONTENT, 250, "2.0.0 Ok: queued as 4F2A", ACCEPTED),
        (Stage.RECIPIENT, 251, "2.1.5 Will forward", ACCEPTED),
        (Stage.CONNECT, 421, "4.3.2 Closing", LATER),
        (Stage.SENDER, 451, "4.3.0 Try again", LATER),
        (Stage.RECIPIENT, 450, "4.2.1 Mailbox busy", LATER),
        (Stage.RECIPIENT, 450, "4.7.1 Greylisted", LATER),
        (Stage.RECIPIENT, 452, "4.5.3 Too many recipients", LATER),
        (Stage.CONTENT, 454, "4.7.0 Throttled", LATER),
        # A dead address.
        (Stage.RECIPIENT, 550, "5.1.1 No such user", DEAD),
        (Stage.RECIPIENT, 550, "5.1.2 No such domain", DEAD),
        (Stage.RECIPIENT, 556, "5.1.10 The domain takes no mail", DEAD),
        (Stage.RECIPIENT, 550, "No such user here", DEAD),
        (Stage.RECIPIENT, 551, "User not local", DEAD),
        (Stage.RECIPIENT, 553, "Mailbox name not allowed", DEAD),
        # The recipient's server, not the address.
        (Stage.RECIPIENT, 552, "5.2.2 Mailbox full", NO_SERVICE),
        (Stage.RECIPIENT, 550, "5.2.1 Mailbox disabled", NO_SERVICE),
        (Stage.RECIPIENT, 550, "5.4.1 No answer from host", NO_SERVICE),
        (Stage.RECIPIENT, 554, "Transaction failed", NO_SERVICE),
        (Stage.RECIPIENT, 552, "Quota", NO_SERVICE),
        # Our own fault, which counts against nobody.
        (Stage.CONNECT, 554, "No SMTP service here", OUR_FAULT),
        (Stage.SENDER, 550, "5.1.8 Sender's domain doesn't exist", OUR_FAULT),
        (Stage.SENDER, 553, "Sender refused", OUR_FAULT),
        (Stage.SENDER, 530, "5.7.0 Must issue a STARTTLS command first", OUR_FAULT),
        (Stage.RECIPIENT, 550, "5.7.1 Relaying denied", OUR_FAULT),
        (Stage.RECIPIENT, 554, "5.7.1 Client host blocked", OUR_FAULT),
        (Stage.RECIPIENT, 530, "Authentication required", OUR_FAULT),
        (Stage.RECIPIENT, 535, "Authentication failed", OUR_FAULT),
        (Stage.CONTENT, 550, "5.7.26 Neither SPF nor DKIM passed", OUR_FAULT),
        # About the sender, though said at RCPT: Postfix waits with it until there (smtpd_delay_reject).
        (Stage.RECIPIENT, 550, "5.1.8 <nyheter@x.example>: Sender address rejected: Domain not found", OUR_FAULT),
        (Stage.RECIPIENT, 501, "5.1.7 <nyheter@>: Bad sender address syntax", OUR_FAULT),
        # The letter itself.
        (Stage.CONTENT, 552, "5.3.4 Too big", CONTENT),
        (Stage.CONTENT, 554, "5.6.0 Looks like spam", CONTENT),
        (Stage.CONTENT, 550, "Spam", CONTENT),
        (Stage.CONTENT, 550, "5.1.1 Said too late", CONTENT),
    ],
)
def test_an_answer_is_sorted_by_where_it_came_and_what_it_says(
    stage: Stage, code: int, reply: str, expected: tuple[Result, str | None]
) -> None:
    outcome = sort_answer(stage, code, reply.encode())

    assert (outcome.result, outcome.reason) == expected
    assert (outcome.code, outcome.reply) == (code, reply)


@settings(max_examples=60)
@given(st.sampled_from(Stage), st.integers(0, 999), st.binary(max_size=600))
def test_any_answer_is_sorted_and_only_a_2xx_is_accepted(stage: Stage, code: int, reply: bytes) -> None:
    outcome = sort_answer(stage, code, reply)

    assert (outcome.result is Result.ACCEPTED) == (200 <= code < 300)
    assert (outcome.result is Result.LATER) == (400 <= code < 500)
    assert (outcome.result is Result.REFUSED) == (outcome.reason is not None)
    assert outcome.reply.isprintable()
    assert len(outcome.reply) <= REPLY_LENGTH


def test_an_outcome_says_nothing_that_nobody_said() -> None:
    assert Outcome(Result.UNCERTAIN) == Outcome(Result.UNCERTAIN, code=None, reply="", reason=None)


@pytest.mark.parametrize(
    ("reply", "line"),
    [
        (b"2.0.0 Ok", "2.0.0 Ok"),
        (b"  5.1.1 first\r\n5.1.1 second\r\n", "5.1.1 first  5.1.1 second"),
        (b"\x1b[31mred\x00\x07", "[31mred"),
        ("inkorgen är full".encode(), "inkorgen är full"),
        ("inkorgen är full".encode("latin-1"), "inkorgen �r full"),
        (b"x" * 10_000, "x" * REPLY_LENGTH),
        ("mo\u202etsev", "mo tsev"),
        ("\ud800", ""),
        (b"", ""),
    ],
)
def test_a_reply_is_kept_as_one_harmless_line(reply: bytes | str, line: str) -> None:
    assert clean_reply(reply) == line


def test_a_letter_waits_1_5_15_and_then_60_minutes_each_time() -> None:
    waits = [retry_at(attempts, since=NOON, now=NOON, jitter=0) for attempts in (1, 2, 3, 4, 5, 20)]

    assert waits == [NOON + minutes * MINUTE for minutes in (1, 5, 15, 60, 60, 60)]


def test_a_wait_is_at_most_a_fifth_longer_by_chance() -> None:
    assert retry_at(4, since=NOON, now=NOON, jitter=1) == NOON + 72 * MINUTE
    assert retry_at(4, since=NOON, now=NOON, jitter=0.5) == NOON + 66 * MINUTE

    waits = {retry_at(4, since=NOON, now=NOON) for _ in range(50)}

    assert len(waits) > 40  # Letters put off together don't come back together.
    assert all(at is not None and NOON + 60 * MINUTE <= at <= NOON + 72 * MINUTE for at in waits)


def test_after_48_hours_in_all_a_letter_is_not_tried_again() -> None:
    last = NOON + 47 * HOUR
    assert retry_at(40, since=NOON, now=last, jitter=0) == NOON + 48 * HOUR
    assert retry_at(40, since=NOON, now=last + SECOND, jitter=0) is None
    assert retry_at(1, since=NOON, now=NOON + 48 * HOUR, jitter=0) is None


def test_the_whole_schedule_takes_about_two_days_and_fifty_attempts() -> None:
    now, attempts = NOON, 0
    while True:
        attempts += 1
        again = retry_at(attempts, since=NOON, now=now, jitter=0)
        if again is None:
            break
        assert again > now
        now = again

    assert attempts == 51
    assert now - NOON == 47 * HOUR + 21 * MINUTE


def test_the_mail_server_is_asked_again_after_5_15_30_and_then_every_60_seconds() -> None:
    waits = [(reconnect_at(failures, now=NOON) - NOON) / SECOND for failures in (1, 2, 3, 4, 5, 1000)]

    assert waits == [5, 15, 30, 60, 60, 60]
