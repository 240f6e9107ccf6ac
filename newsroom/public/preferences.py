"""My topics: what one follows, how often, in which language, and a pause; seen and changed on one page."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass, field

from flask import Blueprint, current_app, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from newsroom import clock
from newsroom.extensions import DATABASE_ERRORS, db, describe_failure, reading
from newsroom.news.models import LANGUAGES
from newsroom.public import login, reader
from newsroom.public.choosing import OWN, Choice, check_choice, read_choice, show_choice
from newsroom.public.frame import refuse_other_sites
from newsroom.public.signup import SMALL_FORM, consent_text
from newsroom.subscribers import changing, preferences
from newsroom.subscribers.models import FREQUENCIES, Subscriber
from newsroom.subscribers.preferences import Changes, Wish
from newsroom.times import is_plain_date, read_local_date

bp = Blueprint("preferences", __name__, url_prefix="/mina-amnen")
bp.after_request(reader.keep_private)


@dataclass
class TopicsForm(Choice):
    """What the page shows and what a reader chose there, as typed; `errors` by field."""

    language: str = "sv"
    pause: str = ""
    shown: dict[str, str] = field(default_factory=dict)
    shown_language: str = ""
    shown_pause: str = ""


def _form_of(subscriber: Subscriber, *, now: dt.datetime) -> TopicsForm:
    """The form as it stands before anything is changed."""
    follows = preferences.followed(db.session(), subscriber)
    frequencies = Counter(follows.values())
    paused = preferences.is_paused(subscriber, now=now) and subscriber.paused_until
    pause = reader.local_date(paused).isoformat() if paused else ""
    return TopicsForm(
        topics=list(follows),
        frequency=OWN if len(frequencies) > 1 else next(iter(frequencies), "direct"),
        own=follows,
        language=subscriber.language,
        pause=pause,
        shown=follows,
        shown_language=subscriber.language,
        shown_pause=pause,
    )


def _read_form() -> TopicsForm:
    sent = request.form
    shown = (pair.partition(":") for pair in sent.getlist("shown"))
    return TopicsForm(
        **read_choice(sent),
        language=sent.get("language", ""),
        pause="" if "resume" in sent else sent.get("pause", "").strip(),
        shown={slug: often for slug, _colon, often in shown if often in FREQUENCIES},
        shown_language=sent.get("shown_language", ""),
        shown_pause=sent.get("shown_pause", ""),
    )


def _show(
    subscriber: Subscriber, form: TopicsForm, code: int = 200, *, changes: Changes | None = None
) -> ResponseReturnValue:
    now = clock.now()
    today = reader.local_date(now)
    page = render_template(
        "public/my_topics.html",
        **show_choice(form),
        subscriber=subscriber,
        changes=changes,
        languages=LANGUAGES,
        paused=preferences.is_paused(subscriber, now=now),
        earliest=today + dt.timedelta(days=1),
        latest=today + preferences.LONGEST_PAUSE,
        is_date=not form.pause or is_plain_date(form.pause),
        pending=changing.pending(db.session(), subscriber, now=now),
        consent_text=consent_text(),
    )
    return page, code


@bp.get("")
def show() -> ResponseReturnValue:
    """Show one's topics, or the form that sends a link to them."""
    subscriber = reader.find_reader()
    if subscriber is None:
        return login.show_form()
    return _show(subscriber, _form_of(subscriber, now=clock.now()))


@bp.post("")
def save() -> ResponseReturnValue:
    """Save what was chosen, and say what changed."""
    request.max_content_length = SMALL_FORM
    refuse_other_sites()
    form = _read_form()
    with reading():
        subscriber = reader.find_reader()
        if subscriber is None:
            return login.show_form(403, kept=login.read_kept())
        now = clock.now()
        if form.came_for == "count":
            form.asks_own = form.frequency == OWN
            return _show(subscriber, form)
        wish = _check(form, now=now)
        if wish is None:
            return _show(subscriber, form, 422 if form.errors else 200)
        db.session.rollback()
    try:
        changes = preferences.save(db.session(), subscriber, wish, consent_text=consent_text(), now=now)
        db.session.commit()
    except DATABASE_ERRORS as error:
        db.session.rollback()
        current_app.logger.error("topics could not be saved: %s", describe_failure(error))
        form.errors["form"] = _("We can't save right now. What you chose is still here; try again in a while.")
        with reading():
            return _show(subscriber, form, 503)
    return _show(subscriber, _form_of(subscriber, now=now), changes=changes)


def _check(form: TopicsForm, *, now: dt.datetime) -> Wish | None:
    """What the form asks for; none where something is wrong or not yet said, and then the form says what."""
    wanted = {topic.slug: form.often(topic) for topic in check_choice(form, needs_some=False)}
    if form.language not in LANGUAGES:
        form.errors["language"] = _("Choose the letters' language.")
    paused_until = None
    if form.pause and form.pause != form.shown_pause:
        paused_until = _read_pause(form, now=now)
    if form.errors or form.asks_own:
        return None
    differs = {"language": form.language != form.shown_language, "pause": form.pause != form.shown_pause}
    touches = frozenset(name for name, is_so in differs.items() if is_so)
    return Wish(form.shown, wanted, form.language, paused_until, touches)


def _read_pause(form: TopicsForm, *, now: dt.datetime) -> dt.datetime | None:
    """When letters are to come again: at the beginning of the day that was chosen."""
    try:
        day, begins = read_local_date(form.pause, current_app.config["TIME_ZONE"])
    except ValueError:
        form.errors["pause"] = _("This isn't a date. Write it as year-month-day, such as 2027-01-31.")
        return None
    today = reader.local_date(now)
    if not today < day <= today + preferences.LONGEST_PAUSE:
        form.errors["pause"] = _("Choose a day from tomorrow on, at most a year ahead.")
        return None
    return begins
