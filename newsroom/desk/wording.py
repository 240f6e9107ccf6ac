"""What the desk says about mailings: states, reasons and events in plain words. No queries."""

import datetime as dt
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from flask_babel import format_decimal, format_timedelta, ngettext
from flask_babel import gettext as _

from newsroom.delivery import deliveries, matching, sending
from newsroom.delivery.answers import RETRY_HOURS_IN_ALL
from newsroom.delivery.models import Mailing, MailingEvent
from newsroom.delivery.progress import Reason
from newsroom.public.frame import format_day, format_moment


def format_count(number: float) -> str:
    """A number for people, such as 12 345."""
    return str(format_decimal(number))


def format_span(span: dt.timedelta) -> str:
    """How long something takes, roughly, such as 3 minutes."""
    return str(format_timedelta(span, threshold=2))


def title_of(mailing: Mailing) -> str:
    """What a mailing is called: its item's headline, or the day its digest is of."""
    if mailing.kind == "correction" and mailing.item is not None:
        return str(_("Correction: %(headline)s", headline=mailing.item.headline))
    if mailing.item is not None:
        return mailing.item.headline
    day = format_day(mailing.period_end or mailing.created_at)
    if mailing.kind == "weekly":
        return str(_("Weekly letter of %(day)s", day=day))
    return str(_("Daily letter of %(day)s", day=day))


@dataclass(frozen=True)
class Phase:
    """Where a mailing stands. `name` is for programs, `label` fits a tag, `words` are a sentence or two.

    `quote` holds what a machine said, word for word; it isn't ours to translate.
    """

    name: str
    label: str
    colour: str
    words: str
    quote: str = ""

    @property
    def moves(self) -> bool:
        """Whether the numbers change without a person's doing."""
        return self.name in ("new", "matching", "composing", "sending", "waiting", "cancelling")


def phase_of(mailing: Mailing, *, now: dt.datetime, next_try: dt.datetime | None = None) -> Phase:
    """Where a mailing stands. `next_try` is when its next letter may leave, where the caller knows it."""
    if mailing.state == "done":
        return _finished(mailing)
    if mailing.cancelled_at is not None:
        words = _("The mailing has been cancelled. What hasn't left is being taken back.")
        return Phase("cancelling", _("Is being cancelled"), "warning", words)
    if mailing.state == "held":
        return Phase("held", _("Waits for your decision"), "warning", _why_held(mailing, now=now))
    if mailing.paused_at is not None and mailing.problem:
        words = _("Whoever looks after the mail server has to mend a fault; then try again here. No letter is lost.")
        return Phase("stopped", _("Stopped"), "danger", words, mailing.problem)
    if mailing.paused_at is not None:
        words = _("Since %(time)s. Nothing leaves until somebody continues.", time=format_moment(mailing.paused_at))
        return Phase("paused", _("Paused"), "warning", words)
    if mailing.state != "sending" and mailing.problem:
        words = _("The letters can't be prepared. It is tried again by itself, but somebody has to mend the fault.")
        return Phase("stuck", _("Can't go on"), "danger", words, mailing.problem)
    return _on_its_way(mailing, now=now, next_try=next_try)


def _finished(mailing: Mailing) -> Phase:
    at = format_moment(mailing.finished_at) if mailing.finished_at else ""
    if mailing.cancelled_at is not None:
        words = _("What hadn't left by %(time)s was never sent.", time=format_moment(mailing.cancelled_at))
        return Phase("cancelled", _("Cancelled"), "neutral", words)
    if mailing.selected == 0:
        return Phase("done", _("Nothing to send"), "neutral", _("There was nobody to send to, or nothing to tell."))
    return Phase("done", _("Done"), "success", _("Everything had been sent by %(time)s.", time=at))


def _why_held(mailing: Mailing, *, now: dt.datetime) -> str:
    due = due_at(mailing)
    words = _(
        "It should have left %(time)s, which is %(span)s ago. So late a letter may do more harm than good; that is for "
        "a person to judge.",
        time=format_moment(due),
        span=format_span(now - due),
    )
    return str(words)


def due_at(mailing: Mailing) -> dt.datetime:
    """When a mailing should have left."""
    if mailing.correction is not None:
        return mailing.correction.corrected_at
    published_at = mailing.item.published_at if mailing.item is not None else None
    return mailing.period_end or published_at or mailing.created_at


def _on_its_way(mailing: Mailing, *, now: dt.datetime, next_try: dt.datetime | None) -> Phase:
    if mailing.state == "new":
        return Phase("new", _("Begins"), "info", _("It begins within a few seconds, or after what must go first."))
    if mailing.state == "matching" and mailing.opened_at is not None:
        words = _("The first letters are leaving already. The rest of those who are to get one are being written down.")
        return Phase("matching", _("Is being sent"), "info", words)
    if mailing.state == "matching":
        words = _("Everybody who is to get the letter is being written down.")
        return Phase("matching", _("Finds its readers"), "info", words)
    if mailing.state == "composing":
        return Phase("composing", _("Being written"), "info", _("The letters are being written."))
    if mailing.problem and next_try is not None and next_try > now:
        words = _("The mail server doesn't answer as it should. Next try %(time)s.", time=format_moment(next_try))
        return Phase("waiting", _("Waits"), "warning", words, mailing.problem)
    if next_try is not None and next_try > now + dt.timedelta(seconds=30):
        words = _("The letters that are left were put off. Next try %(time)s.", time=format_moment(next_try))
        return Phase("waiting", _("Waits"), "info", words)
    return Phase("sending", _("Is being sent"), "info", _("The letters are leaving."), mailing.problem or "")


def name_of_state(state: str) -> str:
    """A delivery's state as a heading over numbers."""
    names: dict[str, str] = {
        "selected": _("In all"),
        "accepted": _("Accepted by the mail server"),
        "waiting": _("Waiting"),
        "refused": _("Refused"),
        "skipped": _("Skipped"),
        "uncertain": _("Uncertain"),
    }
    return names[state]


def explain(one: Reason) -> str:
    """Why a letter was skipped or refused, waits or is in doubt, as a sentence."""
    known: dict[tuple[str, str | None], str] = {
        ("skipped", "unsubscribed"): _("They stopped subscribing before the letter left."),
        ("skipped", "withdrawn"): _("The item was withdrawn before the letter left."),
        ("skipped", "cancelled"): _("The mailing was cancelled before the letter left."),
        ("skipped", deliveries.PAUSED): _("They had paused their letters before this one left."),
        ("skipped", deliveries.ERASED): _("They had everything about them erased before the letter left."),
        ("skipped", "already confirmed"): _("The address had been confirmed already."),
        ("skipped", matching.SUSPENDED): _("The address has been refused several times, so nothing more goes there."),
        ("skipped", sending.NOT_ALLOWED): _("This installation may only send to certain addresses, and not to these."),
        ("refused", "address"): _("The address doesn't exist, or can't receive mail."),
        ("refused", "server"): _("The receiver's mail server doesn't take the letter."),
        ("refused", "content"): _("The mail server doesn't take the letter because of what is in it."),
        ("refused", "gave up"): _(
            "The receiver's mail server asked us to wait, and still did after %(hours)s hours of trying.",
            hours=RETRY_HOURS_IN_ALL,
        ),
        ("uncertain", "answer lost"): _("The whole letter left, but no answer came. It may have arrived or not."),
        ("uncertain", "worker lost"): _("Sending broke off in the middle of the letter. It may have arrived or not."),
    }
    if (one.state, one.reason) in known:
        return known[one.state, one.reason]
    words = one.reason or _("No reason was given.")
    if one.state == "waiting" and one.code is not None and one.code >= 500:
        words = _("The mail server doesn't take our letters. It counts against no address; they are tried again.")
    elif one.state == "waiting":
        words = _("The receiver's mail server asks us to come back later. It is tried again by itself.")
    return str(words)


@dataclass
class Told:
    """A reason in our words: how many letters, and some of what mail servers said, with their codes."""

    state: str
    words: str
    count: int = 0
    quotes: list[str] = field(default_factory=list)


QUOTES = 3
_ADDRESS = re.compile(r"[^\s<>@]+@")  # Whose address it was is nobody's business here; the domain may explain.


def tell_reasons(reasons: Iterable[Reason]) -> Sequence[Told]:
    """Reasons gathered by what we say about them; the order stays, states together."""
    found: dict[tuple[str, str], Told] = {}
    for one in reasons:
        words = explain(one)
        told = found.setdefault((one.state, words), Told(one.state, words))
        told.count += one.count
        quote = f"{one.code or ''} {_ADDRESS.sub('…@', one.reply or '')}".strip()
        if quote and one.state != "skipped" and len(told.quotes) < QUOTES and quote not in told.quotes:
            told.quotes.append(quote)
    order = ("refused", "uncertain", "waiting", "skipped")
    return sorted(found.values(), key=lambda told: (order.index(told.state), -told.count))


def describe_event(kind: str, by: str) -> str:
    """Who decided what, as a sentence without its time."""
    who = {"engine": _("Newsroom by itself"), "command line": _("the command line")}.get(by, by)
    sentences: dict[str, str] = {
        "held": _("Held back, because it was late"),
        "released": _("Let go by %(who)s", who=who),
        "paused": _("Paused by %(who)s", who=who),
        "resumed": _("Continued by %(who)s", who=who),
        "stopped": _("Stopped, because the mail server doesn't take our letters"),
        "cancelled": _("Cancelled by %(who)s", who=who),
        "retried": _("What was refused is tried again, by %(who)s", who=who),
        "resent": _("What was in doubt is sent again, by %(who)s", who=who),
    }
    return sentences[kind]


def tell_history(mailing: Mailing, events: Iterable[MailingEvent]) -> Sequence[tuple[dt.datetime, str]]:
    """What has happened to a mailing, the latest first."""
    own = [
        (mailing.created_at, _("The mailing began")),
        (mailing.matched_at, _("Everybody who is to get it had been written down")),
        (mailing.opened_at, _("Sending began")),
        (mailing.finished_at, _("The mailing was finished")),
    ]
    decided = [(event.happened_at, describe_event(event.kind, event.by)) for event in events]
    found = [(at, words) for at, words in own if at is not None] + decided
    return sorted(found, key=lambda pair: pair[0])[::-1]


def count_letters(number: int) -> str:
    """So many letters."""
    return str(ngettext("%(count)s letter", "%(count)s letters", number, count=format_count(number)))


def describe_line(line: dict[str, object]) -> tuple[str, Sequence[tuple[str, str]]]:
    """A certificate's line for people: what it is, and what it says, name by name. No part is left out."""
    words = {name: value for name, value in line.items() if name not in ("line", "hash")}
    return _lines().get(str(line["line"]), str(line["line"])), [
        (_parts().get(name, name), _write_part(value)) for name, value in words.items()
    ]


def _lines() -> dict[str, str]:
    return {
        "mailing": _("The mailing"),
        "item": _("News item"),
        "edition": _("Edition of the letter"),
        "event": _("Decision"),
        "reason": _("Reason"),
        "first and last": _("First and last letter"),
        "totals": _("Totals"),
    }


def _parts() -> dict[str, str]:
    return {
        "mailing": _("mailing"),
        "key": _("key"),
        "kind": _("kind"),
        "period_start": _("period from"),
        "period_end": _("period until"),
        "begun_at": _("begun"),
        "matched_at": _("readers written down"),
        "opened_at": _("sending began"),
        "cancelled_at": _("cancelled"),
        "finished_at": _("finished"),
        "software": _("program"),
        "number": _("certificate number"),
        "issue": _("issue"),
        "made_at": _("certificate made"),
        "item": _("item"),
        "guid": _("lasting name"),
        "version": _("version"),
        "language": _("language"),
        "items": _("items and topics"),
        "sha256": _("the letter's SHA-256"),
        "deliveries": _("letters"),
        "at": _("when"),
        "state": _("state"),
        "reason": _("reason"),
        "count": _("number"),
        "first_accepted_at": _("first letter accepted"),
        "last_accepted_at": _("last letter accepted"),
        "selected": _("in all"),
        "accepted": _("accepted"),
        "refused": _("refused"),
        "skipped": _("skipped"),
        "waiting": _("waiting"),
        "uncertain": _("uncertain"),
    }


def _write_part(value: object) -> str:
    """A value as it stands in the file; a certificate is read by its letter, so nothing is made nicer."""
    return "–" if value is None or value == "" else str(value)
