"""What people see when something goes wrong: what happened, and where to go from there.

The pages need neither database nor session, since either may be what went wrong.
"""

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from flask import Flask, current_app, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from flask_limiter import RateLimitExceeded
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import Gone, HTTPException

from newsroom.extensions import DATABASE_ERRORS, db, describe_failure
from newsroom.news.models import Topic
from newsroom.public.frame import SAFE_METHODS, format_day
from newsroom.public.limiting import say_wait, wait_seconds

log = logging.getLogger(__name__)

# What is left when not even the error's page can be made.
LAST_RESORT = """<!doctype html>
<html lang="sv"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Något gick fel</title>
<main><h1>Något gick fel hos oss</h1><p>Felet är vårt, och det är noterat. Försök igen om en stund.</p>
<p lang="en">Something went wrong here. It is our fault, and it has been noted. Please try again in a while.</p></main>
</html>
"""


class Withdrawn(Gone):
    """An item that was taken back: when, and what it was about."""

    def __init__(self, at: dt.datetime | None, topics: Sequence[Topic]) -> None:
        super().__init__()
        self.at = at
        self.topics = list(topics)


@dataclass
class Page:
    """What an error's page says, below its title and first sentence, and where it leads."""

    title: str
    text: str
    more: str = ""
    search: bool = False
    topics: Sequence[Topic] = ()


def init_app(app: Flask) -> None:
    """Give every error a page of ours."""
    app.register_error_handler(HTTPException, show_http_error)
    app.register_error_handler(SQLAlchemyError, show_database_error)
    app.register_error_handler(Exception, show_crash)


def _describe(code: int) -> Page:
    saved_nothing = _("Nothing has been saved.")
    not_answering = _("Something here doesn't answer right now. Please try again in a while.")
    pages = {
        400: Page(
            _("We couldn't understand that"),
            _("Something was missing from what your browser sent, or got garbled on the way."),
            _("Go back, load the page again and try once more."),
        ),
        403: Page(
            _("That came from another site"),
            _("For safety we only take forms that were filled in here. Open the page on this site and try again."),
            saved_nothing,
        ),
        404: Page(
            _("There is no such page"),
            _("The address may be mistyped, or the page may have moved."),
            search=True,
        ),
        405: Page(
            _("That can't be done here"),
            _("The page exists, but not for what your browser asked of it."),
            saved_nothing,
        ),
        410: Page(
            _("This news item has been withdrawn"),
            _("It was published here, and has been taken back."),
            search=True,
        ),
        413: Page(
            _("That was too much at once"),
            _("What was sent is larger than this page can take. Make it shorter and try again."),
            saved_nothing,
        ),
        429: Page(_("Too many attempts"), _("Many requests have come from your network in a short time.")),
        503: Page(_("We can't save right now"), not_answering, saved_nothing),
    }
    if code == 503 and request.method in SAFE_METHODS:
        return Page(_("We can't show this right now"), not_answering)
    crash = Page(
        _("Something went wrong here"),
        _("It is our fault, and it has been noted. Please try again in a while."),
    )
    return pages.get(code, crash if code >= 500 else pages[400])


def _same_page(code: int) -> str:
    """The page's own address, where asking for it once more may go well."""
    if code < 500 or request.method not in SAFE_METHODS:
        return ""
    query = f"?{request.query_string.decode(errors='replace')}" if request.query_string else ""
    return "/" + quote(request.script_root + request.path).lstrip("/") + query  # Two slashes would name another site.


def _way_back() -> tuple[str, str]:
    """Where the button leads that every page has, and what it says."""
    if request.path.startswith("/desk"):
        return url_for("desk.items"), _("To the desk")
    return url_for("public.front"), _("To the latest news")


def _answer(code: int, page: Page) -> tuple[str, int]:
    again, way_back = _same_page(code), _way_back()
    return render_template("public/error.html", code=code, page=page, again=again, way_back=way_back), code


def show_http_error(error: HTTPException) -> ResponseReturnValue:
    """An error's page; machines at /feeds and /healthz get one line."""
    if error.response is not None or (error.code is not None and error.code < 400):
        return error
    code = error.code or 500
    headers = [(name, value) for name, value in error.get_headers() if name not in ("Content-Type", "Content-Length")]
    if request.path.startswith(("/feeds", "/healthz")):
        return f"{code} {error.name}\n", code, [*headers, ("Content-Type", "text/plain; charset=utf-8")]
    page = _describe(code)
    if isinstance(error, Withdrawn):
        page.topics = error.topics
        if error.at is not None:
            page.text = _("It was published here, and was taken back on %(day)s.", day=format_day(error.at))
    elif isinstance(error, RateLimitExceeded):
        seconds = wait_seconds()
        headers.append(("Retry-After", str(seconds)))
        page.more = say_wait(seconds)
    return *_answer(code, page), headers


def show_database_error(error: SQLAlchemyError) -> ResponseReturnValue:
    """The database is away or can't be written: nothing was saved, and trying again may work."""
    if not isinstance(error, DATABASE_ERRORS):
        return show_crash(error)
    db.session.rollback()
    log.error("the database failed at %s: %s", request.endpoint, describe_failure(error))
    return *_answer(503, _describe(503)), {"Retry-After": "60"}


def show_crash(error: Exception) -> ResponseReturnValue:
    """Our own fault. The log has the details, the page none."""
    log.error("crash at %s", request.endpoint, exc_info=error)
    if current_app.testing and current_app.config.get("PROPAGATE_EXCEPTIONS", True):
        db.session.rollback()
        raise error
    try:
        db.session.rollback()
        return _answer(500, _describe(500))
    except Exception as second:
        log.error("no page for the crash at %s", request.endpoint, exc_info=second)
        return LAST_RESORT, 500
