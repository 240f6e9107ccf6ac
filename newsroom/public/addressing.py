"""Another address for the same subscription: asked for when logged in, and confirmed by the link in a letter to it."""

from flask import Blueprint, abort, current_app, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale
from flask_babel import gettext as _

from newsroom import clock
from newsroom.delivery import erasing, moving
from newsroom.extensions import DATABASE_ERRORS, db, describe_failure, limiter, reading
from newsroom.public import login, reader
from newsroom.public.frame import refuse_other_sites
from newsroom.public.limiting import giving_back
from newsroom.public.signup import SMALL_FORM, secret_keys
from newsroom.subscribers import changing, personal, sessions
from newsroom.subscribers.addresses import Address, BadAddress, read_address
from newsroom.subscribers.models import PersonalLetter, Subscriber

bp = Blueprint("addressing", __name__, url_prefix="/mina-amnen")
bp.after_request(reader.keep_private)


def _show(subscriber: Subscriber, *, email: str = "", errors: dict[str, str] | None = None) -> str:
    pending = changing.pending(db.session(), subscriber, now=clock.now())
    return render_template(
        "public/address.html", subscriber=subscriber, pending=pending, email=email, errors=errors or {}
    )


@bp.get("/adress")
def show() -> ResponseReturnValue:
    """Show the form for a new address."""
    subscriber = reader.find_reader()
    return login.show_form() if subscriber is None else _show(subscriber)


def _read_form() -> str:
    request.max_content_length = SMALL_FORM
    refuse_other_sites()
    return request.form.get("email", "")


def _show_again(errors: dict[str, str]) -> str | None:
    """The form as it was filled in; nothing where nobody is logged in."""
    email = _read_form()
    with reading():
        subscriber = reader.find_reader()
        return None if subscriber is None else _show(subscriber, email=email, errors=errors)


@bp.post("/adress")
@limiter.limit(lambda: current_app.config["SIGNUP_LIMIT"], on_breach=giving_back(_show_again))
def ask() -> ResponseReturnValue:
    """Ask the new address for its yes, and answer the same whatever address it is."""
    email = _read_form()
    with reading():
        subscriber = reader.find_reader()
        if subscriber is None:
            return login.show_form(403)
        address, errors = _check(email, subscriber)
        if address is None:
            return _show(subscriber, email=email, errors=errors), 422
        db.session.rollback()
    try:
        changing.ask(
            db.session(),
            subscriber,
            address,
            language=str(get_locale()),
            keys=secret_keys(),
            now=clock.now(),
            letters_per_hour=current_app.config["SIGNUP_LETTERS_PER_HOUR"],
        )
        db.session.commit()
    except DATABASE_ERRORS as error:
        db.session.rollback()
        current_app.logger.error("a change of address could not be saved: %s", describe_failure(error))
        with reading():
            text = _("We can't save right now. What you filled in is still here; try again in a while.")
            return _show(subscriber, email=email, errors={"form": text}), 503
    return render_template("public/address_asked.html", old=subscriber.address, new=address.shown)


def _check(email: str, subscriber: Subscriber) -> tuple[Address | None, dict[str, str]]:
    try:
        address = read_address(email)
    except BadAddress:
        if email.strip():
            wrong = _("This isn't a complete e-mail address. It should look like name@example.org.")
            return None, {"email": wrong}
        return None, {"email": _("Write your new e-mail address.")}
    if address.key == subscriber.address_key:
        return None, {"email": _("This is the address that your letters go to already.")}
    return address, {}


@bp.post("/adress/avbryt")
def cancel() -> ResponseReturnValue:
    """Take the question to the new address back."""
    refuse_other_sites()
    subscriber = reader.find_reader()
    if subscriber is None:
        return login.show_form(403)
    changing.cancel(db.session(), subscriber, now=clock.now())
    db.session.commit()
    return redirect(url_for("preferences.show"), 303)


def _find(token: str) -> PersonalLetter:
    try:
        return personal.find_letter(db.session(), "change", token, keys=secret_keys())
    except personal.UnknownLink:
        abort(404)


def _show_over(letter: PersonalLetter) -> ResponseReturnValue:
    """The link has done its work, or came too late. It says which, to whoever has it, but names no address."""
    changed = letter.address is not None and read_address(letter.address).key == letter.subscriber.address_key
    return render_template("public/address_over.html", changed=changed), 410


@bp.get("/ny-adress/<token>")
def show_confirmation(token: str) -> ResponseReturnValue:
    """Show one button; or that the link has done its work, or came too late."""
    letter = _find(token)
    if letter.address is None or not personal.is_good(letter, now=clock.now()):
        return _show_over(letter)
    other = changing.find_other(db.session(), letter)
    merges = other is not None and other.confirmed_at is not None
    return render_template("public/address_confirm.html", address=letter.address, merges=merges)


@bp.post("/ny-adress/<token>")
@limiter.limit(lambda: current_app.config["SIGNUP_LIMIT"])
def confirm(token: str) -> ResponseReturnValue:
    """Take the new address's yes, and let whoever gave it in."""
    refuse_other_sites()
    letter, now = _find(token), clock.now()
    before = letter.subscriber_id
    became, subscriber = changing.confirm(db.session(), letter, now=now)
    if became is changing.Confirmed.TOO_LATE:
        db.session.rollback()
        return _show_over(_find(token))
    erasing.forget_replies(db.session(), before)
    merged = became is changing.Confirmed.MERGED
    if merged:
        moving.move_letters(db.session(), before, into=subscriber.id, now=now)
    name = sessions.begin(db.session(), subscriber, now=now, life=reader.session_life())
    db.session.commit()
    page = render_template("public/address_changed.html", address=subscriber.address, merged=merged)
    return reader.give_cookie(make_response(page), name)
