"""The Prenumerera flow: choose, "almost done", confirm."""

from dataclasses import dataclass, field

from flask import Blueprint, abort, current_app, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy.exc import DBAPIError

from newsroom import clock
from newsroom.extensions import db, describe_failure, limiter, reading
from newsroom.news import topics as topic_tree
from newsroom.news.models import Topic
from newsroom.public.frame import refuse_other_sites
from newsroom.subscribers import signup
from newsroom.subscribers.addresses import Address, BadAddress, read_address
from newsroom.subscribers.models import FREQUENCIES, Signup

bp = Blueprint("signup", __name__)

SMALL_FORM = 512 * 1024  # Octets; the form's fields together are far smaller.


@dataclass
class SignupForm:
    """What somebody typed, and what is wrong with it, by field. Nothing typed is ever dropped."""

    email: str = ""
    topics: list[str] = field(default_factory=list)
    frequency: str = ""
    errors: dict[str, str] = field(default_factory=dict)


def consent_text() -> str:
    """The words that stand above the button, kept as proof of what was agreed to."""
    return str(_("I want news about the topics I have chosen by e-mail, and I can stop whenever I like."))


def _show(form: SignupForm, code: int = 200) -> ResponseReturnValue:
    page = render_template(
        "public/subscribe.html",
        form=form,
        topics=topic_tree.all_topics(db.session()),
        frequencies=FREQUENCIES,
        consent_text=consent_text(),
    )
    return page, code


@bp.get("/prenumerera")
def choose() -> ResponseReturnValue:
    """Let a reader choose topics; those that the button came with are ticked."""
    known = {topic.slug for topic in topic_tree.all_topics(db.session())}
    wanted = [slug for slug in request.args.getlist("topics") if slug in known]
    return _show(SignupForm(topics=wanted, frequency="direct"))


@bp.post("/prenumerera")
@limiter.limit(lambda: current_app.config["SIGNUP_LIMIT"])
def ask() -> ResponseReturnValue:
    """Take a sign-up and answer the same, whatever the address was."""
    request.max_content_length = SMALL_FORM
    refuse_other_sites()
    form = SignupForm(
        email=request.form.get("email", ""),
        topics=request.form.getlist("topics"),
        frequency=request.form.get("frequency", ""),
    )
    try:
        address, wanted = _check(form)
        if address is None:
            return _show(form, 422)
        signup.ask(
            db.session(),
            address,
            wanted,
            frequency=form.frequency,
            language=str(get_locale()),
            source="web",
            consent_text=consent_text(),
            now=clock.now(),
            letters_per_hour=current_app.config["SIGNUP_LETTERS_PER_HOUR"],
        )
        db.session.commit()
    except DBAPIError as error:
        db.session.rollback()
        current_app.logger.error("a sign-up could not be saved: %s", describe_failure(error))
        form.errors["form"] = _("We can't save right now. What you filled in is still here; try again in a while.")
        with reading():
            return _show(form, 503)
    return render_template("public/almost.html", address=address.shown)


def _check(form: SignupForm) -> tuple[Address | None, list[Topic]]:
    """The address and topics that a form names; where something is wrong, no address and the form's errors set."""
    address = None
    wanted: list[Topic] = []
    try:
        wanted = topic_tree.find_topics(db.session(), form.topics)
    except topic_tree.UnknownTopic:
        form.errors["topics"] = _("One of the topics isn't there any more. Choose again.")
    else:
        if not wanted:
            form.errors["topics"] = _("Choose at least one topic.")
    if form.frequency not in FREQUENCIES:
        form.errors["frequency"] = _("Choose how often you want letters.")
    try:
        address = read_address(form.email)
    except BadAddress:
        if form.email.strip():
            form.errors["email"] = _("This isn't a complete e-mail address. It should look like name@example.org.")
        else:
            form.errors["email"] = _("Write your e-mail address.")
    return (None if form.errors else address), wanted


def _find(token: str) -> Signup:
    try:
        return signup.find_signup(db.session(), token, keys=secret_keys())
    except signup.UnknownSignup:
        abort(404)


def secret_keys() -> list[str]:
    """The secrets that links are signed with, newest first."""
    config = current_app.config
    return [config["SECRET_KEY"], *(config.get("SECRET_KEY_FALLBACKS") or ())]


@bp.get("/bekrafta/<token>")
def show_confirmation(token: str) -> ResponseReturnValue:
    """Show one big button; or, once it was pressed, what holds now; or that the link is too old."""
    found = _find(token)
    if signup.is_too_old(found, now=clock.now()):
        return render_template("public/too_old.html", token=token), 410
    template = "public/confirmed.html" if found.confirmed_at else "public/confirm.html"
    return render_template(template, signup=found, token=token)


@bp.post("/bekrafta/<token>")
def confirm(token: str) -> ResponseReturnValue:
    """Take the yes."""
    found = _find(token)
    try:
        signup.confirm(db.session(), found, now=clock.now())
    except signup.TooOld:
        return render_template("public/too_old.html", token=token), 410
    db.session.commit()
    return redirect(url_for("signup.show_confirmation", token=token), 303)


@bp.post("/bekrafta/<token>/ny")
@limiter.limit(lambda: current_app.config["SIGNUP_LIMIT"])
def ask_again(token: str) -> ResponseReturnValue:
    """Send a new link in place of one that is too old."""
    found = _find(token)
    now = clock.now()
    if not signup.is_too_old(found, now=now):
        return redirect(url_for("signup.show_confirmation", token=token), 303)
    signup.ask_again(db.session(), found, now=now, letters_per_hour=current_app.config["SIGNUP_LETTERS_PER_HOUR"])
    db.session.commit()
    return render_template("public/almost.html", address=found.subscriber.address)
