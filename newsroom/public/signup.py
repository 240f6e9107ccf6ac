"""The Prenumerera flow: choose, "almost done", confirm. Two pages, one letter, three presses."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

from flask import Blueprint, abort, current_app, make_response, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import get_locale
from flask_babel import gettext as _
from sqlalchemy.exc import DBAPIError, TimeoutError

from newsroom import clock
from newsroom.delivery.digests import next_end
from newsroom.engine.rules import rules_of
from newsroom.extensions import DATABASE_ERRORS, db, describe_failure, limiter, reading
from newsroom.news import topics as topic_tree
from newsroom.news.models import Topic
from newsroom.public import reader
from newsroom.public.choosing import OWN, OWN_FIELD, Choice, check_choice, expect, read_choice, show_choice
from newsroom.public.frame import came_from_another_site, refuse_other_sites
from newsroom.public.limiting import giving_back
from newsroom.public.wording import say_letters, say_nothing_chosen
from newsroom.subscribers import leaving, personal, sessions, signup
from newsroom.subscribers.addresses import Address, BadAddress, read_address
from newsroom.subscribers.models import FREQUENCIES, Signup, Subscription

bp = Blueprint("signup", __name__)

SMALL_FORM = 512 * 1024  # Octets; the form's fields together are far smaller.
TRAP = "subject"  # A field that no person sees; whoever fills it in is a program.
AGAIN_AFTER = dt.timedelta(minutes=1)


@dataclass
class SignupForm(Choice):
    """What somebody typed, and what is wrong with it, by field. Nothing typed is ever dropped."""

    email: str = ""

    def fields(self) -> list[tuple[str, str]]:
        """Everything typed, as hidden fields would carry it."""
        own = [(OWN_FIELD + slug, often) for slug, often in self.own.items() if slug in self.topics]
        return [("email", self.email), *(("topics", one) for one in self.topics), ("frequency", self.frequency), *own]


def consent_text() -> str:
    """The words that stand above the button, kept as proof of what was agreed to."""
    return str(_("I want news about the topics I have chosen by e-mail, and I can stop whenever I like."))


def _show(form: SignupForm) -> str:
    return render_template("public/subscribe.html", **show_choice(form), trap=TRAP, consent_text=consent_text())


@bp.get("/prenumerera")
def choose() -> ResponseReturnValue:
    """Let a reader choose topics; those that the button came with are ticked."""
    known = {topic.slug for topic in topic_tree.all_topics(db.session())}
    return _show(SignupForm(topics=[slug for slug in request.args.getlist("topics") if slug in known]))


@bp.get("/prenumerera/uppskattning")
def tell_estimate() -> ResponseReturnValue:
    """Say how many letters some choices would bring, for the page to show while somebody chooses."""
    form = Choice(**read_choice(request.args))
    chosen = [topic for topic in topic_tree.all_topics(db.session()) if topic.slug in form.topics]
    if not chosen:
        return {"says": say_nothing_chosen(), "each": dict.fromkeys(FREQUENCIES, "")}
    expected = expect(form, chosen)
    each = {frequency: say_letters(expected.each.get(frequency)) for frequency in FREQUENCIES}
    return {"says": say_letters(expected.chosen), "each": each}


def _read_form() -> SignupForm:
    request.max_content_length = SMALL_FORM
    refuse_other_sites()
    return SignupForm(**read_choice(request.form), email=request.form.get("email", ""))


def _show_again(form: SignupForm, errors: dict[str, str]) -> str:
    """The form that could not be taken; in simple fields where not even the topics can be read."""
    form.asks_own, form.errors = False, errors
    try:
        with reading():
            return _show(form)
    except DATABASE_ERRORS:
        db.session.rollback()
        return render_template("public/unsaved.html", form=form)


_give_back = giving_back(lambda errors: _show_again(_read_form(), errors))


@bp.post("/prenumerera")
@limiter.limit(lambda: current_app.config["SIGNUP_LIMIT"], on_breach=_give_back)
def ask() -> ResponseReturnValue:
    """Take a sign-up and answer the same, whatever the address was."""
    return _take(resent=False)


@bp.post("/prenumerera/igen")
@limiter.limit(lambda: current_app.config["SIGNUP_LIMIT"], on_breach=_give_back)
def ask_again() -> ResponseReturnValue:
    """Send the letter once more, for who waits for it in vain; a minute after the first at the earliest."""
    return _take(resent=True)


def _take(*, resent: bool) -> ResponseReturnValue:
    form = _read_form()
    try:
        if form.came_for in ("count", "change"):
            with reading():
                form.asks_own = form.frequency == OWN
                return _show(form)
        address, wanted = _check(form)
        if address is None or form.asks_own:
            return _show(form), 422 if form.errors else 200
        now = clock.now()
        shown_at = _when_shown(now) if resent else now
        if resent and now - shown_at < AGAIN_AFTER:
            said = _("A letter can take a moment. Wait a minute after the first one, then press again.")
            return _show_almost(form, address, shown_at=shown_at, said=said)
        if not request.form.get(TRAP):
            own = form.own if form.frequency == OWN else {}
            signup.ask(
                db.session(),
                address,
                wanted,
                frequency=form.often(wanted[0]),
                own=own,
                language=str(get_locale()),
                source="web",
                consent_text=consent_text(),
                now=now,
                letters_per_hour=current_app.config["SIGNUP_LETTERS_PER_HOUR"],
                keys=secret_keys(),
            )
            db.session.commit()
    except DATABASE_ERRORS as error:
        return _keep(form, error)
    return _show_almost(form, address, shown_at=now, said=_("We have sent the letter again.") if resent else "")


def _keep(form: SignupForm, error: DBAPIError | TimeoutError) -> ResponseReturnValue:
    """Give the form back where nothing can be saved."""
    db.session.rollback()
    current_app.logger.error("a sign-up could not be saved: %s", describe_failure(error))
    text = _("We can't save right now. What you filled in is still here; try again in a while.")
    return _show_again(form, {"form": text}), 503, {"Retry-After": "60"}


def _when_shown(now: dt.datetime) -> dt.datetime:
    """When the page was shown whose button asks for a second letter; what is garbled counts as long ago.

    It only spares people from asking too soon. Limits hold whatever it says.
    """
    try:
        shown_at = dt.datetime.fromtimestamp(int(request.form.get("shown", "")), dt.UTC)
    except (ValueError, OverflowError, OSError):
        return now - AGAIN_AFTER
    return shown_at if shown_at <= now else now - AGAIN_AFTER


def _show_almost(form: SignupForm, address: Address, *, shown_at: dt.datetime, said: str) -> str:
    """What to look for now. It holds all that was chosen, so that nobody fills anything in twice."""
    config = current_app.config
    return render_template(
        "public/almost.html",
        address=address.shown,
        fields=form.fields(),
        said=said,
        shown=int(shown_at.timestamp()),
        sender_name=config["SITE_NAME"],
        sender_address=config["MAIL_CONFIRMATION_SENDER"],
        subject=render_template("mail/confirmation/subject.txt", site_name=config["SITE_NAME"]),
    )


def _check(form: SignupForm) -> tuple[Address | None, list[Topic]]:
    """The address and topics that a form names; where something is wrong, no address and the form's errors set."""
    address = None
    wanted = check_choice(form, needs_some=True)
    try:
        address = read_address(form.email)
    except BadAddress:
        if form.email.strip():
            form.errors["email"] = _("This isn't a complete e-mail address. It should look like name@example.org.")
        else:
            form.errors["email"] = _("Write your e-mail address.")
    return (None if form.errors else address), wanted


def secret_keys() -> list[str]:
    """The secrets that links are signed with, newest first."""
    config = current_app.config
    return [config["SECRET_KEY"], *(config.get("SECRET_KEY_FALLBACKS") or ())]


def _find(token: str) -> Signup | None:
    """The sign-up that a link names; None where it is too old."""
    try:
        found = signup.find_signup(db.session(), token, keys=secret_keys())
    except signup.UnknownSignup:
        abort(404)
    except signup.TooOld:
        return None
    return None if signup.is_too_old(found, now=clock.now()) else found


@bp.get("/bekrafta/<token>")
def show_confirmation(token: str) -> ResponseReturnValue:
    """Show one big button; or, once it was pressed, what holds now; or that the link is too old."""
    found = _find(token)
    if found is None:
        return render_template("public/too_old.html"), 410
    if found.confirmed_at is None:
        return render_template("public/confirm.html", signup=found)
    following = leaving.active_subscriptions(db.session(), found.subscriber, [topic.id for topic in found.topics])
    return render_template(
        "public/confirmed.html",
        following=[(one, [row.topic for row in following if row.frequency == one]) for one in FREQUENCIES],
        first=_first_letters(following, confirmed_at=found.confirmed_at),
    )


def _first_letters(following: Sequence[Subscription], *, confirmed_at: dt.datetime) -> dict[str, dt.datetime]:
    """When the first digests can come, by frequency, until they have."""
    now = clock.now()
    found = {}
    for schedule in rules_of(current_app).schedules:
        first = next_end(schedule, after=confirmed_at)
        if first is not None and first > now and any(one.frequency == schedule.kind for one in following):
            found[schedule.kind] = first
    return found


@bp.post("/bekrafta/<token>")
def confirm(token: str) -> ResponseReturnValue:
    """Take the yes."""
    found = _find(token)
    if found is None:
        return render_template("public/too_old.html"), 410
    now, name = clock.now(), None
    # Who presses for the first time, here, reads the letters to this address at this moment. Where there is something
    # to see already, the letter is good for that no longer than a login link, so that it can be forwarded later.
    lets_in = found.subscriber.confirmed_at is None or now - found.requested_at <= personal.LINK_LIFE["login"]
    if signup.confirm(db.session(), found, now=now) and lets_in and not came_from_another_site():
        name = sessions.begin(db.session(), found.subscriber, now=now, life=reader.session_life())
    db.session.commit()
    answer = make_response(redirect(url_for("signup.show_confirmation", token=token), 303))
    return reader.give_cookie(answer, name) if name is not None else answer
