"""Who is logged in to their own topics: the cookie, and what holds for every page that shows something personal.

The cookie goes to those pages alone, in both languages; the rest of the site never sees one.
"""

import datetime as dt
import zoneinfo

from flask import Response, current_app, request

from newsroom import clock
from newsroom.extensions import db
from newsroom.subscribers import sessions
from newsroom.subscribers.models import Subscriber

COOKIE = "newsroom_reader"
PATHS = ("/mina-amnen", "/en/mina-amnen")


def session_life() -> dt.timedelta:
    """How long a reader stays logged in."""
    return dt.timedelta(minutes=current_app.config["READER_SESSION_MINUTES"])


def local_date(moment: dt.datetime) -> dt.date:
    """The day that a moment is of, in the site's time zone."""
    return moment.astimezone(zoneinfo.ZoneInfo(current_app.config["TIME_ZONE"])).date()


def find_reader() -> Subscriber | None:
    """Whose pages these are; none where nobody is logged in."""
    name = request.cookies.get(COOKIE)
    return sessions.find(db.session(), name, now=clock.now()) if name else None


def give_cookie(response: Response, name: str) -> Response:
    """Hand a session's name to the browser. It ends with the session."""
    for path in PATHS:
        response.set_cookie(
            COOKIE,
            name,
            max_age=session_life(),
            path=path,
            secure=current_app.config["PUBLIC_URL"].startswith("https:"),
            httponly=True,
            samesite="Lax",
        )
    return response


def take_cookie(response: Response) -> Response:
    """Let the browser forget the session's name."""
    for path in PATHS:
        response.delete_cookie(COOKIE, path=path, httponly=True, samesite="Lax")
    return response


def keep_private(response: Response) -> Response:
    """What is somebody's own is kept in no cache; not in the browser's either, once they have left the machine."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["Referrer-Policy"] = "same-origin"
    return response
