"""The mailbox at the desk: rehearsed letters, behind the login."""

from flask import Blueprint, url_for
from flask.typing import ResponseReturnValue

from newsroom.desk import guarding
from newsroom.mailbox import pages

bp = Blueprint("letters", __name__, url_prefix="/desk")
bp.register_blueprint(pages.bp, url_prefix="")


@bp.before_request
def let_editors_in() -> ResponseReturnValue | None:
    """Ask who it is."""
    return guarding.let_editors_in(back=url_for("letters.mailbox.letters"))
