"""The installation at the desk: where the database doesn't know it, what that means, and the yes that lets it send."""

import logging

from flask import Blueprint, current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_security import current_user

from newsroom import clock
from newsroom.delivery import installation, overview
from newsroom.desk import guarding
from newsroom.engine.rules import rules_of
from newsroom.extensions import db

bp = Blueprint("installation", __name__, url_prefix="/desk/installation")

log = logging.getLogger(__name__)


@bp.before_request
def let_editors_in() -> ResponseReturnValue | None:
    """Ask who it is."""
    return guarding.let_editors_in(back=url_for("installation.show"))


@bp.get("")
def show() -> str:
    """Show which installations wait for a yes, why, and what would leave."""
    rules, now = rules_of(current_app), clock.now()
    waiting = installation.pending(db.session())
    ahead = None
    if waiting:
        ahead = overview.look_ahead(db.session(), rules.schedules, now=now, lateness=rules.lateness)
    return render_template(
        "desk/installation.html",
        waiting=waiting,
        ahead=ahead,
        lateness=rules.lateness,
        only_to=rules.identity.only_to,
    )


@bp.post("")
def accept() -> ResponseReturnValue:
    """Let the installations that wait send from this database."""
    names = [(one.name, one.problem) for one in installation.pending(db.session())]
    count = installation.accept(db.session(), now=clock.now())
    db.session.commit()
    if count:
        log.warning("editor %s let %s installations send: %s", current_user.id, count, names)
        flash(_("The installation may send from now on. Letters leave within a minute."), "success")
    else:
        flash(_("Nothing waited for a decision."), "info")
    return redirect(url_for("installation.show"), 303)
