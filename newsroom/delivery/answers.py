"""What a mail server's answers mean, and when to try again. Pure."""

import datetime as dt
import enum
import random
import re
from typing import NamedTuple


class Stage(enum.Enum):
    """Where in the talk an answer came."""

    CONNECT = "connect"
    SENDER = "sender"
    RECIPIENT = "recipient"
    CONTENT = "content"


class Result(enum.Enum):
    """What follows from an answer."""

    ACCEPTED = "accepted"  # Our mail server has it. Never: somebody read it.
    REFUSED = "refused"  # Never again with this letter.
    LATER = "later"
    MISCONFIGURED = "misconfigured"  # Our own fault: it counts against nobody, and every letter would fare the same.
    BROKEN = "broken"  # The connection ended before the whole letter had left: it was certainly not taken.
    UNCERTAIN = "uncertain"  # A whole letter left and no answer came; nobody can know (RFC 1047).


class Outcome(NamedTuple):
    """An answer, sorted. `reason` is a word for why it was refused: address, content or server."""

    result: Result
    code: int | None = None
    reply: str = ""
    reason: str | None = None


class NotNow(Exception):
    """No letter can leave at present; try again later. The text is one line for people."""


class Misconfigured(Exception):
    """No letter can leave before a person mends our settings. The text is one line for people."""


_ENHANCED = re.compile(r"^\s*([245])\.(\d{1,3})\.(\d{1,3})\b")
REPLY_LENGTH = 400


def clean_reply(reply: bytes | str) -> str:
    """A server's words as one harmless line of at most 400 characters."""
    text = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else reply
    if not text.isprintable():
        text = "".join(sign if sign.isprintable() else " " for sign in text)
    return text[:REPLY_LENGTH].strip()


def sort_answer(stage: Stage, code: int, reply: bytes | str) -> Outcome:
    """Sort an SMTP reply (RFC 5321 section 4.2, enhanced codes by RFC 3463)."""
    text = clean_reply(reply)
    if 200 <= code < 300:
        return Outcome(Result.ACCEPTED, code, text)
    found = _ENHANCED.match(text)
    subject, detail = (int(found.group(2)), int(found.group(3))) if found else (None, None)
    if 400 <= code < 500:
        return Outcome(Result.LATER, code, text)
    ours = subject == 7 or (subject == 1 and detail in (7, 8))  # X.1.7 and X.1.8 are about the sender's address.
    if stage in (Stage.CONNECT, Stage.SENDER) or ours or code in (530, 535):
        return Outcome(Result.MISCONFIGURED, code, text)
    if stage is Stage.CONTENT:
        return Outcome(Result.REFUSED, code, text, reason="content")
    dead = subject == 1 or (subject is None and code in (550, 551, 553))
    return Outcome(Result.REFUSED, code, text, reason="address" if dead else "server")


RETRY_MINUTES = (1, 5, 15, 60)
RETRY_HOURS_IN_ALL = 48


def retry_at(attempts: int, *, since: dt.datetime, now: dt.datetime, jitter: float | None = None) -> dt.datetime | None:
    """When a letter that was tried `attempts` times (1 or more), first at `since`, is tried next; None: never.

    Waits 1, 5, 15 and then 60 minutes each time, for 48 hours in all, each wait up to a fifth longer by chance
    (`jitter` from 0 to 1), so that letters put off together don't come back together.
    """
    minutes = RETRY_MINUTES[min(attempts, len(RETRY_MINUTES)) - 1]
    at = now + dt.timedelta(minutes=minutes * (1 + 0.2 * (random.random() if jitter is None else jitter)))
    return at if at - since <= dt.timedelta(hours=RETRY_HOURS_IN_ALL) else None


def reconnect_at(failures: int, *, now: dt.datetime) -> dt.datetime:
    """When to try the mail server again after so many failures in a row: 5, 15, 30, then every 60 seconds."""
    return now + dt.timedelta(seconds=(5, 15, 30, 60)[min(failures, 4) - 1])
