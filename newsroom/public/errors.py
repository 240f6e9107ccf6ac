"""What people see when something goes wrong: what happened, and where to go from there."""

import logging

from flask import Flask, current_app, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from werkzeug.exceptions import HTTPException

from newsroom.extensions import db, describe_failure
from newsroom.public.frame import SAFE_METHODS

log = logging.getLogger(__name__)


def init_app(app: Flask) -> None:
    """Give every error a page of ours."""
    app.register_error_handler(HTTPException, show_http_error)
    app.register_error_handler(SQLAlchemyError, show_database_error)
    app.register_error_handler(Exception, show_crash)


def _texts(code: int) -> tuple[str, str]:
    texts = {
        400: (_("We couldn't understand that"), _("The request was incomplete or garbled. Go back and try again.")),
        403: (
            _("That came from another site"),
            _("For safety we only take forms that were filled in here. Open the page on this site and try again."),
        ),
        404: (_("There is no such page"), _("The address may be mistyped, or the page may have moved.")),
        405: (_("That can't be done here"), _("The page exists, but not for this kind of request.")),
        410: (_("This news item has been withdrawn"), _("It was published here, and has been taken back.")),
        413: (_("That was too much at once"), _("What was sent is larger than this page can take. Nothing was saved.")),
        429: (_("Too many attempts"), _("Wait a minute, then try again.")),
        503: (
            _("We can't save right now"),
            _("Nothing has been saved. Please try again in a while."),
        ),
    }
    if code == 503 and request.method in SAFE_METHODS:
        return _("We can't show this right now"), _("Our database doesn't answer. Please try again in a while.")
    crash = (_("Something went wrong here"), _("It is our fault, and it has been noted. Please try again in a while."))
    return texts.get(code, crash if code >= 500 else texts[400])


def _page(code: int) -> tuple[str, int]:
    title, text = _texts(code)
    return render_template("public/error.html", code=code, title=title, text=text), code


def show_http_error(error: HTTPException) -> ResponseReturnValue:
    """An error's page; machines at /feeds and /dev get one line."""
    if error.response is not None or (error.code is not None and error.code < 400):
        return error
    code = error.code or 500
    headers = [(name, value) for name, value in error.get_headers() if name not in ("Content-Type", "Content-Length")]
    if request.path.startswith(("/feeds", "/healthz")):
        return f"{code} {error.name}\n", code, [*headers, ("Content-Type", "text/plain; charset=utf-8")]
    body, code = _page(code)
    return body, code, headers


def show_database_error(error: SQLAlchemyError) -> ResponseReturnValue:
    """The database is away or can't be written: nothing was saved, and trying again may work."""
    if not isinstance(error, DBAPIError):
        return show_crash(error)
    db.session.rollback()
    log.error("the database failed at %s: %s", request.endpoint, describe_failure(error))
    body, code = _page(503)
    return body, code, {"Retry-After": "60"}


def show_crash(error: Exception) -> ResponseReturnValue:
    """Our own fault. The log has the details, the page none."""
    db.session.rollback()
    log.error("crash at %s", request.endpoint, exc_info=error)
    if current_app.testing and current_app.config.get("PROPAGATE_EXCEPTIONS", True):
        raise error
    return _page(500)
