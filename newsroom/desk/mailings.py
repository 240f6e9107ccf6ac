"""Mailings at the desk: what needs a decision, how far each has come, and what a person can do about it."""

import datetime as dt
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa
from flask import Blueprint, Response, abort, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale, ngettext
from flask_babel import gettext as _
from flask_security import current_user

from newsroom import clock
from newsroom.delivery import certificate, controlling, ledger, overview, progress, rehearsing
from newsroom.delivery.models import SINGLE_KINDS, Mailing, MailingEvent, MailingItem
from newsroom.desk import guarding, wording
from newsroom.extensions import db
from newsroom.public.frame import join_names, names_of

bp = Blueprint("mailings", __name__, url_prefix="/desk/mailings")

PER_PAGE = 50
LAST_PAGE = 100_000
MAILING = "/<int(max=2147483647):mailing_id>"  # A larger number is no mailing's, and more than SQLite takes.
RETRY_MILLISECONDS = 2000


@bp.before_request
def let_editors_in() -> ResponseReturnValue | None:
    """Ask who it is."""
    mailing_id = (request.view_args or {}).get("mailing_id")
    return guarding.let_editors_in(
        back=url_for("mailings.mailing", mailing_id=mailing_id) if mailing_id else url_for("mailings.mailings")
    )


def _find(mailing_id: int) -> Mailing:
    found = db.get_or_404(Mailing, mailing_id)
    if found.kind in SINGLE_KINDS:
        abort(404)  # They hold one person's address each, and need nobody's decision.
    return found


@bp.get("")
def mailings() -> str:
    """List what needs a person, then what is on its way, then what is finished."""
    number = min(max(request.args.get("sida", 1, type=int), 1), LAST_PAGE)
    session, now = db.session(), clock.now()
    needing = session.scalars(overview.needing_a_person()).all() if number == 1 else []
    going = session.scalars(overview.on_their_way()).all() if number == 1 else []
    done = session.scalars(overview.finished().offset((number - 1) * PER_PAGE).limit(PER_PAGE + 1)).all()
    more, done = len(done) > PER_PAGE, done[:PER_PAGE]
    shown = [*needing, *going, *done]
    return render_template(
        "desk/mailings.html",
        needing=needing,
        going=going,
        done=done,
        totals=overview.totals_of(session, shown),
        phases={one.id: wording.phase_of(one, now=now) for one in shown},
        title_of=wording.title_of,
        number=number,
        more=more,
    )


@dataclass(frozen=True)
class Standing:
    """How far a mailing has come, as the page and the live view show it."""

    phase: wording.Phase
    totals: dict[str, int]
    rate: float | None  # Letters a second.

    @property
    def settled(self) -> int:
        """How many letters need nothing more."""
        return self.totals["selected"] - self.totals["waiting"] - self.totals["uncertain"]

    @property
    def left_by(self) -> int:
        """How many letters have been on a wire."""
        return self.totals["accepted"] + self.totals["refused"] + self.totals["uncertain"]

    @property
    def percent(self) -> int:
        """Full only when nothing waits any more."""
        done = self.totals["selected"] - self.totals["waiting"]
        return 100 * done // self.totals["selected"] if self.totals["selected"] else 0

    @property
    def seconds_left(self) -> float | None:
        """About how long the rest takes, where letters leave."""
        waiting = self.totals["waiting"]
        return waiting / self.rate if self.phase.name == "sending" and self.rate and waiting else None


def _look(found: Mailing, *, now: dt.datetime) -> Standing:
    """How far a mailing has come, with its rate on average since it began to be sent."""
    session = db.session()
    phase = wording.phase_of(found, now=now, next_try=overview.next_try(session, found.id))
    standing = Standing(phase, progress.totals(session, found.id), None)
    end = found.finished_at or now
    if found.opened_at is None or end <= found.opened_at or not standing.left_by:
        return standing
    return Standing(phase, standing.totals, standing.left_by / (end - found.opened_at).total_seconds())


def _show_progress(found: Mailing, standing: Standing) -> str:
    span = dt.timedelta(seconds=standing.seconds_left) if standing.seconds_left is not None else None
    return render_template("desk/progress.html", mailing=found, standing=standing, span=span)


@bp.get(MAILING)
def mailing(mailing_id: int) -> str:
    """Show one mailing: how it goes, why, and what can be done."""
    found, now, session = _find(mailing_id), clock.now(), db.session()
    standing = _look(found, now=now)
    rehearsal = None
    if standing.phase.name == "held" and found.item is not None and found.kind != "correction":
        rules = current_app.config
        rehearsal = rehearsing.rehearse(session, found.item, now=now, most_refusals=rules["MOST_ADDRESS_REFUSALS"])
    events = sa.select(MailingEvent).where(MailingEvent.mailing_id == found.id).order_by(MailingEvent.id)
    told = sa.select(MailingItem).where(MailingItem.mailing_id == found.id).order_by(MailingItem.place)
    editions = sorted(_describe_editions(found), key=lambda edition: -edition.letters)
    return render_template(
        "desk/mailing.html",
        mailing=found,
        title=wording.title_of(found),
        standing=standing,
        progress=_show_progress(found, standing),
        troubles=_count_troubles(standing),
        reasons=wording.tell_reasons(progress.reasons(session, found.id, most=200)),
        history=wording.tell_history(found, session.scalars(events).all()),
        told=session.scalars(told).all(),
        editions=editions[:MOST_EDITIONS],
        more_editions=max(0, len(editions) - MOST_EDITIONS),
        rehearsal=rehearsal,
        certificate=certificate.newest(session, found.id),
    )


MOST_EDITIONS = 15


@dataclass(frozen=True)
class EditionShown:
    """An edition as the page lists it: what it names, and how many letters are of it."""

    language: str
    names: str
    letters: int


def _describe_editions(found: Mailing) -> Iterator[EditionShown]:
    reached = ledger.topics_of(db.session(), found.id)
    for language, reason, _sha256, letters in progress.editions(db.session(), found.id):
        masks = ledger.read_reason(reason)
        topics = [row.topic for item_id, mask in masks.items() for row in reached.get(item_id, []) if row.bit & mask]
        names = join_names(list(dict.fromkeys(names_of(topics, str(get_locale())))))
        if found.item_id is None:
            number = len(masks)
            names = ngettext("%(num)s item about %(topics)s", "%(num)s items about %(topics)s", number, topics=names)
        if letters:
            yield EditionShown(language, names, letters)


# The live view


def _write_live_id(standing: Standing, *, now: dt.datetime) -> str:
    """What the browser gives back at its next call: letters that have left, when (in milliseconds), and the rate."""
    return f"{standing.left_by}-{int(now.timestamp() * 1000)}-{standing.rate or 0:.3f}"


def _read_rate(given: str, left_by: int, *, now: dt.datetime) -> float | None:
    """The rate since the last event, smoothed by the one before; None where the last event isn't ours to go by."""
    try:
        before, milliseconds, rate = given.split("-")
        seconds = now.timestamp() - int(milliseconds) / 1000
        difference, smooth = left_by - int(before), float(rate)
    except ValueError:
        return None
    if not 0.2 <= seconds <= 60 or difference < 0 or not 0 <= smooth < 1e9:
        return None
    return (difference / seconds + smooth) / 2


def _count_troubles(standing: Standing) -> int:
    return sum(standing.totals[state] for state in ("refused", "skipped", "uncertain"))


@bp.get(f"{MAILING}/progress")
def watch(mailing_id: int) -> Response:
    """One event that says how far a mailing has come; the browser comes back for the next by itself.

    So a hundred open windows hold no thread of the server's between two events (HTML section 9.2, `retry`).
    """
    found, now = _find(mailing_id), clock.now()
    standing = _look(found, now=now)
    rate = _read_rate(request.headers.get("Last-Event-ID", ""), standing.left_by, now=now)
    if rate is not None and standing.phase.moves:
        standing = Standing(standing.phase, standing.totals, rate)
    words = {
        "phase": standing.phase.name,
        "says": f"{standing.phase.label}. {standing.phase.words}",
        "troubles": _count_troubles(standing),
        "moves": standing.phase.moves,
        "html": _show_progress(found, standing),
    }
    event = f"retry: {RETRY_MILLISECONDS}\nid: {_write_live_id(standing, now=now)}\ndata: {json.dumps(words)}\n\n"
    return Response(event, mimetype="text/event-stream", headers={"Cache-Control": "no-store"})


# What a person decides


def _decide(mailing_id: int, decide: Callable[..., object], said: Callable[[object], str]) -> ResponseReturnValue:
    found = _find(mailing_id)
    try:
        result = decide(db.session(), found.id, by=current_user.email, now=clock.now())
    except controlling.NotPossible:
        db.session.rollback()
        flash(_("That can't be done any more: the mailing has moved on since the page was opened."), "warning")
    else:
        db.session.commit()
        flash(said(result), "success")
    return redirect(url_for("mailings.mailing", mailing_id=mailing_id), 303)


@bp.post(f"{MAILING}/pause")
def pause(mailing_id: int) -> ResponseReturnValue:
    """Let no further letter leave."""
    return _decide(mailing_id, controlling.pause, lambda _result: _("Paused. Nothing more leaves after a few seconds."))


@bp.post(f"{MAILING}/resume")
def resume(mailing_id: int) -> ResponseReturnValue:
    """Let a paused mailing go on."""
    return _decide(mailing_id, controlling.resume, lambda _result: _("The mailing goes on."))


@bp.post(f"{MAILING}/release")
def release(mailing_id: int) -> ResponseReturnValue:
    """Let a held mailing go out, late as it is."""
    return _decide(mailing_id, controlling.release, lambda _result: _("The letters leave within a minute."))


@bp.post(f"{MAILING}/retry")
def retry(mailing_id: int) -> ResponseReturnValue:
    """Try what was refused once more."""
    return _decide(mailing_id, controlling.try_refused_again, _say_again)


@bp.post(f"{MAILING}/resend")
def resend(mailing_id: int) -> ResponseReturnValue:
    """Send once more what may have arrived or not."""
    return _decide(mailing_id, controlling.send_uncertain_again, _say_again)


def _say_again(result: object) -> str:
    number = int(str(result))
    return str(
        ngettext(
            "%(count)s letter is tried again.",
            "%(count)s letters are tried again.",
            number,
            count=wording.format_count(number),
        )
    )


@bp.get(f"{MAILING}/cancel")
def ask_to_cancel(mailing_id: int) -> ResponseReturnValue:
    """Show what cancelling would do, and ask."""
    found = _find(mailing_id)
    standing = _look(found, now=clock.now())
    if found.state == "done" or found.cancelled_at is not None:
        flash(_("That can't be done any more: the mailing has moved on since the page was opened."), "warning")
        return redirect(url_for("mailings.mailing", mailing_id=mailing_id), 303)
    return render_template("desk/cancel.html", mailing=found, title=wording.title_of(found), standing=standing)


@bp.post(f"{MAILING}/cancel")
def cancel(mailing_id: int) -> ResponseReturnValue:
    """End a mailing for good."""
    return _decide(mailing_id, controlling.cancel, lambda _result: _("Cancelled. What hasn't left is not sent."))


# The certificate


@bp.get(f"{MAILING}/certificate")
def show_certificate(mailing_id: int) -> str:
    """Show a mailing's certificate, for reading and for printing."""
    found = _find(mailing_id)
    kept = certificate.newest(db.session(), found.id) or abort(404)
    body = json.loads(kept.body)
    return render_template(
        "desk/certificate.html",
        mailing=found,
        title=wording.title_of(found),
        certificate=kept,
        body=body,
        describe_line=wording.describe_line,
    )


@bp.get(f"{MAILING}/certificate.json")
def download_certificate(mailing_id: int) -> Response:
    """Serve a mailing's certificate exactly as it was kept."""
    found = _find(mailing_id)
    kept = certificate.newest(db.session(), found.id) or abort(404)
    name = f"utskicksprotokoll-{kept.number}.json"
    return Response(
        kept.body,
        mimetype="application/json",
        headers={"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
    )
