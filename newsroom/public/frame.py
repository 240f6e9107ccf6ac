"""What surrounds every page: its language, its headers, its addresses, and the promise that GET changes nothing."""

import datetime as dt
import hashlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from wsgiref.types import StartResponse, WSGIEnvironment

from babel import Locale
from babel.lists import format_list
from flask import Flask, Response, abort, current_app, g, has_request_context, request, url_for
from flask_babel import format_date, format_datetime, get_locale, to_user_timezone
from flask_babel import gettext as _
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from newsroom.extensions import babel, reading
from newsroom.links import Links
from newsroom.news import markdown
from newsroom.news.models import LANGUAGES, Topic
from newsroom.public import styles
from newsroom.translations import PoDomain

SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
HOUR_SECONDS = 3600
YEAR_SECONDS = 365 * 24 * HOUR_SECONDS
POLICY = (
    "default-src 'none'; style-src 'self'; font-src 'self'; img-src 'self' data:; script-src 'self'; "
    "connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


class LanguagePrefix:
    """Serves the readers' site in English under /en.

    The prefix moves into SCRIPT_NAME, so that every address a page builds stays in its language by itself. The desk
    has one address, which its session's cookie is bound to.
    """

    def __init__(self, app: Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]) -> None:
        self._app = app

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/en" or (path.startswith("/en/") and not path.startswith("/en/desk")):
            environ["newsroom.language"] = "en"
            environ["SCRIPT_NAME"] = environ.get("SCRIPT_NAME", "") + "/en"
            environ["PATH_INFO"] = path.removeprefix("/en") or "/"
        return self._app(environ, start_response)


def choose_language() -> str:
    """The page's language: by its address; at the desk, by the browser's wish."""
    if not has_request_context():
        return "en"
    if request.path.startswith("/desk"):
        return request.accept_languages.best_match(LANGUAGES, default="sv") or "sv"
    return str(request.environ.get("newsroom.language", "sv"))


def init_app(app: Flask) -> None:
    """Set up languages, headers and what templates may use."""
    if app.config["TRUSTED_PROXIES"]:
        hops = app.config["TRUSTED_PROXIES"]
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
    app.wsgi_app = LanguagePrefix(app.wsgi_app)  # type: ignore[method-assign]
    babel.init_app(
        app,
        default_locale="sv",
        default_timezone=app.config["TIME_ZONE"],
        locale_selector=choose_language,
    )
    babel.domain_instance = PoDomain()
    look = styles.init_app(app)
    app.before_request(_refuse_nul)
    app.before_request(_begin_reading)
    app.teardown_request(_end_reading)
    app.after_request(_add_headers)
    app.jinja_env.globals.update(
        static=make_static_address(Path(app.static_folder or ""), made={styles.NAME: look.sheet}),
        other_language=_other_language,
        format_day=format_day,
        format_days=format_days,
        format_moment=format_moment,
        format_morning=format_morning,
        join_names=join_names,
        names_of=names_of,
        markdown=markdown.to_html,
        site_links=lambda: Links(current_app.config["PUBLIC_URL"]),
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.context_processor(lambda: {"language": str(get_locale() or "sv")})


def _refuse_nul() -> None:
    if "\0" in request.path:
        abort(404)  # PostgreSQL's text can't hold it, so it names nothing.


def _begin_reading() -> None:
    if request.method in SAFE_METHODS:
        g.reading = reading()
        g.reading.__enter__()


def _end_reading(_error: BaseException | None) -> None:
    context: AbstractContextManager[None] | None = g.pop("reading", None)
    if context is not None:
        context.__exit__(None, None, None)


def _add_headers(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
    if current_app.config["PUBLIC_URL"].startswith("https:"):
        response.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    if request.endpoint in ("static", "styles.sheet") and response.status_code in (200, 206, 304):
        # An address with a version in it never means another file.
        response.cache_control.no_cache = None
        response.cache_control.public = True
        response.cache_control.max_age = YEAR_SECONDS if "v" in request.args else HOUR_SECONDS
    if response.mimetype == "text/html":
        response.headers.setdefault("Content-Language", choose_language())
        response.headers.setdefault("Cache-Control", "no-cache")
    return response


def refuse_other_sites() -> None:
    """Refuse a form that another site sent."""
    if came_from_another_site():
        abort(403)


def came_from_another_site() -> bool:
    """Whether another site sent a form (Fetch Metadata, or Origin where a browser is older).

    A request with neither header doesn't come from a browser that could be tricked, and is taken.
    """
    came_from = request.headers.get("Sec-Fetch-Site")
    if came_from is not None:
        return came_from not in ("same-origin", "none")
    origin = request.headers.get("Origin")
    own = {request.host, urlsplit(current_app.config["PUBLIC_URL"]).netloc}
    return origin is not None and origin.partition("://")[2] not in own


def make_static_address(folder: Path, *, made: Mapping[str, bytes]) -> Callable[[str], str]:
    """A function from a static file's name to its address, which changes whenever the file does.

    `made` are the files that stand in no folder.
    """
    known: dict[str, str] = {}

    def static(name: str) -> str:
        if name not in known:
            content = made[name] if name in made else (folder / name).read_bytes()
            known[name] = hashlib.sha256(content).hexdigest()[:10]
        return f"/static/{name}?v={known[name]}"

    return static


def _other_language() -> tuple[str, str]:
    """The other language's code, and this page's address in it; the front page's, where a form's answer has none."""
    prefix, other = ("", "sv") if request.script_root.endswith("/en") else ("/en", "en")
    if request.method in SAFE_METHODS:
        path = request.full_path if request.query_string else request.path
    else:
        path = request.path if _can_be_opened() else "/"
    return other, prefix + path


def _can_be_opened() -> bool:
    """Whether a form's own address shows that form, too; one that names a letter's link shows what became of it."""
    try:
        _endpoint, names = current_app.url_map.bind("localhost").match(request.path, method="GET")
    except HTTPException:
        return False
    return not names


def format_day(moment: dt.datetime) -> str:
    """A date for people, such as 12 november 2026, in the site's time zone."""
    return str(format_date(moment, format="d MMMM y"))


def format_days(start: dt.datetime, end: dt.datetime) -> str:
    """The days of a period, such as 16–22 november 2026, in the site's time zone.

    It ends on the morning after the last of them: a weekly letter's at seven on Monday.
    """
    first, last = to_user_timezone(start).date(), to_user_timezone(end).date() - dt.timedelta(days=1)
    if first >= last:
        return str(format_date(last, format="d MMMM y"))
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{format_date(last, format='d MMMM y')}"
    begins = format_date(first, format="d MMMM" if first.year == last.year else "d MMMM y")
    return str(_("%(first)s – %(last)s", first=begins, last=format_date(last, format="d MMMM y")))


def format_moment(moment: dt.datetime) -> str:
    """A date and time for people, such as 12 nov. 2026 09:30, in the site's time zone."""
    return str(format_datetime(moment, format="d MMM y HH:mm"))


def format_morning(moment: dt.datetime) -> str:
    """A day soon, with its time, such as torsdag 12 november kl. 07:00, in the site's time zone."""
    pattern = "EEEE d MMMM 'at' HH:mm" if str(get_locale()) == "en" else "EEEE d MMMM 'kl.' HH:mm"
    return str(format_datetime(moment, format=pattern))


def join_names(names: list[str]) -> str:
    """Names as a sentence lists them: A, B och C."""
    return format_list(list(names), locale=get_locale() or Locale("sv"))


def names_of(topics: Iterable[Topic], language: str) -> list[str]:
    """The topics' names in a language."""
    return [topic.name_in(language) for topic in topics]


def absolute(endpoint: str, **values: Any) -> str:
    """A page's address with the site's public one in front."""
    return str(current_app.config["PUBLIC_URL"]) + url_for(endpoint, **values)
