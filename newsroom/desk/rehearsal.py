"""Rehearsing a mailing: who would get which letter, and the letters themselves, to the editor alone."""

from collections.abc import Sequence
from pathlib import Path

from flask import Blueprint, Flask, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_babel import ngettext
from flask_security import current_user

from newsroom import clock
from newsroom.delivery import rehearsing
from newsroom.delivery.answers import Misconfigured, NotNow, Result
from newsroom.delivery.transport import SMTPTransport
from newsroom.desk import guarding
from newsroom.desk.items import ITEM
from newsroom.engine.rules import rules_of
from newsroom.extensions import db, this_app
from newsroom.mailbox.store import MailboxStore
from newsroom.news.models import Item
from newsroom.subscribers.addresses import envelope_address

bp = Blueprint("rehearsal", __name__, url_prefix="/desk")

MOST_LETTERS = 50


@bp.before_request
def let_editors_in() -> ResponseReturnValue | None:
    """Ask who it is."""
    item_id = (request.view_args or {}).get("item_id")
    return guarding.let_editors_in(
        back=url_for("rehearsal.show", item_id=item_id) if item_id else url_for("desk.items")
    )


@bp.get(f"{ITEM}/rehearsal")
def show(item_id: int) -> str:
    """Show what would happen if the item were published now."""
    item = db.get_or_404(Item, item_id)
    rules = rules_of(current_app)
    found = rehearsing.rehearse(db.session(), item, now=clock.now(), most_refusals=rules.most_refusals)
    return render_template(
        "desk/rehearsal.html",
        item=item,
        rehearsal=found,
        most=MOST_LETTERS,
        only_to=rules.identity.only_to,
        address=current_user.email,
    )


@bp.post(f"{ITEM}/rehearsal")
def rehearse(item_id: int) -> ResponseReturnValue:
    """Send every edition of the letter to the editor, as its readers would get it."""
    item = db.get_or_404(Item, item_id)
    if not item.topics:
        flash(_("Choose at least one topic first; otherwise nobody can follow it."), "danger")
        return redirect(url_for("desk.item", item_id=item_id), 303)
    rules, to = rules_of(current_app), envelope_address(current_user.email)
    found = rehearsing.rehearse(db.session(), item, now=clock.now(), most_refusals=rules.most_refusals)
    letters = rehearsing.write_letters(
        found, item, to=to, stationery=rules.stationery, now=clock.now(), most=MOST_LETTERS
    )
    db.session.rollback()  # No transaction stays open while we wait for a network.
    try:
        hand_over(this_app(), letters, to=to)
    except (NotNow, Misconfigured) as error:
        flash(_("The rehearsal didn't come through: %(error)s", error=error), "danger")
    else:
        count = len(letters)
        said = ngettext("%(num)s letter has been sent to you.", "%(num)s letters have been sent to you.", count)
        flash(said, "success")
    return redirect(url_for("rehearsal.show", item_id=item_id), 303)


def hand_over(app: Flask, letters: Sequence[rehearsing.RehearsedLetter], *, to: str) -> None:
    """Bring rehearsed letters into the mailbox: over SMTP where it catches, otherwise straight into its store.

    So a rehearsal leaves the machine in no mode. Raises NotNow or Misconfigured.
    """
    if not app.config["MAILBOX"]:
        store, now = MailboxStore(Path(app.instance_path)), clock.now()
        for one in letters:
            store.keep(sender=one.sender, recipients=[to], raw=one.letter, now=now)
        return
    with SMTPTransport(app).connect() as wire:
        for one in letters:
            outcome = wire.deliver(sender=one.sender, to=to, letter=one.letter)
            if outcome.result is not Result.ACCEPTED:
                raise NotNow(f"{outcome.code or ''} {outcome.reply}".strip())
