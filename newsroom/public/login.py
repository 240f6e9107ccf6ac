"""Logging in to one's own topics, without a password: an address, a letter, a link, a button."""

from collections.abc import Sequence

from flask import Blueprint, abort, current_app, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_timedelta, get_locale
from flask_babel import gettext as _

from newsroom import clock
from newsroom.extensions import DATABASE_ERRORS, db, describe_failure, limiter, reading
from newsroom.public import reader
from newsroom.public.frame import refuse_other_sites
from newsroom.public.limiting import giving_back
from newsroom.public.signup import SMALL_FORM, secret_keys
from newsroom.subscribers import personal, sessions
from newsroom.subscribers.addresses import BadAddress, read_address
from newsroom.subscribers.models import PersonalLetter

bp = Blueprint("login", __name__, url_prefix="/mina-amnen")
bp.after_request(reader.keep_private)


def show_form(code: int = 200, *, kept: Sequence[tuple[str, str]] = ()) -> ResponseReturnValue:
    """The form that asks for a link. `kept` is what somebody wanted to save when their session had ended."""
    return _show_form("", kept), code


def _show_form(
    email: str, kept: Sequence[tuple[str, str]], *, errors: dict[str, str] | None = None, sent_to: str = ""
) -> str:
    return render_template("public/login.html", email=email, errors=errors or {}, kept=kept, sent_to=sent_to)


def _read_form() -> tuple[str, Sequence[tuple[str, str]]]:
    """The address that somebody typed, and what they wanted to save when their session had ended."""
    request.max_content_length = SMALL_FORM
    refuse_other_sites()
    return request.form.get("email", ""), read_kept()


def read_kept() -> Sequence[tuple[str, str]]:
    """Everything in a form but the address, for the page to keep."""
    return [pair for pair in request.form.items(multi=True) if pair[0] != "email"]


_give_back = giving_back(lambda errors: _show_form(*_read_form(), errors=errors))


@bp.post("/lank")
@limiter.limit(lambda: current_app.config["SIGNUP_LIMIT"], on_breach=_give_back)
def ask() -> ResponseReturnValue:
    """Send a link, and answer the same whatever the address was."""
    email, kept = _read_form()
    try:
        address = read_address(email)
    except BadAddress:
        wrong = _("This isn't a complete e-mail address. It should look like name@example.org.")
        errors = {"email": wrong if email.strip() else _("Write your e-mail address.")}
        return _show_form(email, kept, errors=errors), 422
    try:
        sessions.ask_to_log_in(
            db.session(),
            address,
            language=str(get_locale()),
            now=clock.now(),
            letters_per_hour=current_app.config["SIGNUP_LETTERS_PER_HOUR"],
        )
        db.session.commit()
    except DATABASE_ERRORS as error:
        db.session.rollback()
        current_app.logger.error("a login link could not be asked for: %s", describe_failure(error))
        with reading():
            text = _("We can't send a link right now. Try again in a while.")
            return _show_form(email, kept, errors={"form": text}), 503
    if kept:  # It goes on standing there, for when its owner comes back from the letter.
        return _show_form(address.shown, kept, sent_to=address.shown)
    return render_template("public/login_sent.html", address=address.shown)


def _find(token: str) -> PersonalLetter:
    try:
        return personal.find_letter(db.session(), "login", token, keys=secret_keys())
    except personal.UnknownLink:
        abort(404)


@bp.get("/logga-in/<token>")
def show(token: str) -> ResponseReturnValue:
    """Show one button; or that the link has done its work."""
    if not personal.is_good(_find(token), now=clock.now()):
        return render_template("public/login_over.html", email="", errors={}), 410
    return render_template("public/log_in.html", span=format_timedelta(reader.session_life(), threshold=2))


@bp.post("/logga-in/<token>")
@limiter.limit(lambda: current_app.config["SIGNUP_LIMIT"])
def log_in(token: str) -> ResponseReturnValue:
    """Use the link, once."""
    refuse_other_sites()
    name = sessions.log_in(db.session(), _find(token), now=clock.now(), life=reader.session_life())
    if name is None:
        return render_template("public/login_over.html", email="", errors={}), 410
    db.session.commit()
    return reader.give_cookie(make_response(redirect(url_for("preferences.show"), 303)), name)


@bp.post("/logga-ut")
def log_out() -> ResponseReturnValue:
    """End the session, here and in the browser."""
    refuse_other_sites()
    name = request.cookies.get(reader.COOKIE)
    if name:
        sessions.end(db.session(), name)
        db.session.commit()
    return reader.take_cookie(make_response(render_template("public/logged_out.html")))
