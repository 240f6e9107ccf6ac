"""Logging in to one's own topics, without a password: an address, a letter, a link, a button."""

from flask import Blueprint, abort, current_app, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_timedelta, get_locale
from flask_babel import gettext as _

from newsroom import clock
from newsroom.extensions import DATABASE_ERRORS, db, describe_failure, limiter, reading
from newsroom.public import reader
from newsroom.public.frame import refuse_other_sites
from newsroom.public.signup import SMALL_FORM, secret_keys
from newsroom.subscribers import personal, sessions
from newsroom.subscribers.addresses import BadAddress, read_address
from newsroom.subscribers.models import PersonalLetter

bp = Blueprint("login", __name__, url_prefix="/mina-amnen")
bp.after_request(reader.keep_private)


def show_form(
    code: int = 200, *, email: str = "", errors: dict[str, str] | None = None, kept: list[tuple[str, str]] | None = None
) -> ResponseReturnValue:
    """The form that asks for a link. `kept` is what somebody wanted to save when their session had ended."""
    return render_template("public/login.html", email=email, errors=errors or {}, kept=kept), code


@bp.post("/lank")
@limiter.limit(lambda: current_app.config["SIGNUP_LIMIT"])
def ask() -> ResponseReturnValue:
    """Send a link, and answer the same whatever the address was."""
    request.max_content_length = SMALL_FORM
    refuse_other_sites()
    email = request.form.get("email", "")
    try:
        address = read_address(email)
    except BadAddress:
        wrong = _("This isn't a complete e-mail address. It should look like name@example.org.")
        return show_form(
            422, email=email, errors={"email": wrong if email.strip() else _("Write your e-mail address.")}
        )
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
            return show_form(503, email=email, errors={"form": text})
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
