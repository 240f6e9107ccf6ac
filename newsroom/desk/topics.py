"""Topics at the desk: what each covers, as readers see it before they choose."""

from dataclasses import dataclass, field

import sqlalchemy as sa
from flask import Blueprint, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from newsroom import clock
from newsroom.desk import guarding
from newsroom.extensions import db, reading
from newsroom.news import topics
from newsroom.news.models import Topic
from newsroom.news.reading import rates_per_week
from newsroom.news.writing import BadText
from newsroom.public.wording import say_rate

bp = Blueprint("desk_topics", __name__, url_prefix="/desk/topics")


@dataclass
class AboutForm:
    """What an editor typed, and what is wrong with it, by field."""

    about: str = ""
    about_en: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_request(cls) -> "AboutForm":
        return cls(request.form.get("about", ""), request.form.get("about_en", ""))


@bp.before_request
def let_editors_in() -> ResponseReturnValue | None:
    """Ask who it is; a form that was typed into meanwhile is shown again, not thrown away."""
    keep = _form_kept if request.endpoint == "desk_topics.save" else None
    return guarding.let_editors_in(back=url_for("desk_topics.list_topics"), keep=keep)


def _form_kept(problem: str, code: int) -> ResponseReturnValue:
    form = AboutForm.from_request()
    form.errors["form"] = problem
    with reading():
        return _show(_find(str((request.view_args or {}).get("slug"))), form, code)


def _find(slug: str) -> Topic:
    found = db.session.scalar(sa.select(Topic).where(Topic.slug == slug))
    if found is None:
        abort(404)
    return found


def _show(topic: Topic, form: AboutForm, code: int = 200) -> ResponseReturnValue:
    return render_template("desk/topic.html", topic=topic, form=form), code


@bp.get("/")
def list_topics() -> str:
    """List the topic tree with what each covers."""
    rates = rates_per_week(db.session(), by=clock.now())
    return render_template(
        "desk/topics.html",
        topics=topics.all_topics(db.session()),
        rate_of=lambda topic: say_rate(rates.get(topic.id)),
    )


@bp.get("/<slug>")
def edit(slug: str) -> ResponseReturnValue:
    """Show the form with what a topic covers."""
    topic = _find(slug)
    return _show(topic, AboutForm(topic.about, topic.about_en))


@bp.post("/<slug>")
def save(slug: str) -> ResponseReturnValue:
    """Save what a topic covers."""
    topic, form = _find(slug), AboutForm.from_request()
    try:
        topics.describe_topic(topic, about=form.about, about_en=form.about_en)
    except BadText as error:
        form.errors |= {name: str(reason) for name, reason in error.problems}
        return _show(topic, form, 422)
    db.session.commit()
    flash(_("Saved."), "success")
    return redirect(url_for("desk_topics.list_topics"), 303)
