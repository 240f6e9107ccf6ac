"""News, topics, and the sign of life. Everything here is GET and leaves no trace in the reader's browser."""

import datetime as dt
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask import Blueprint, Response, abort, current_app, jsonify, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_babel import format_date, format_time
from sqlalchemy.exc import SQLAlchemyError

from newsroom import clock
from newsroom.delivery import batches
from newsroom.extensions import db
from newsroom.news import publishing, reading, topics
from newsroom.news.models import Item, Topic
from newsroom.public import describing, listing
from newsroom.public.errors import Withdrawn
from newsroom.public.wording import say_rate

bp = Blueprint("public", __name__)

ON_FRONT = 10


@bp.app_template_global()
def is_alarming(item: Item) -> bool:
    """Whether an item is an important message that is still fresh."""
    return publishing.is_alarming(item, by=clock.now())


@bp.app_template_global()
def format_month(moment: dt.datetime) -> str:
    """A month for people, such as November 2026, in the site's time zone."""
    words = str(format_date(moment, format="LLLL y"))
    return words[0].upper() + words[1:]


@bp.app_template_global()
def format_clock(moment: dt.datetime) -> str:
    """A time of day for people, such as 09:30, in the site's time zone."""
    return str(format_time(moment, format="HH:mm"))


@bp.app_template_filter()
def in_scrollers(html: str, language: str) -> str:
    """HTML of ours with each table in a box that scrolls by itself, so that a wide one doesn't widen the page."""
    name = "Table" if language == "en" else "Tabell"
    box = f'<div class="wide" role="region" aria-label="{name}" tabindex="0"><table>'
    return html.replace("<table>", box).replace("</table>", "</table></div>")


@bp.get("/")
def front() -> str:
    """Show the newest item large, the latest ones below, and what there is to follow."""
    now = clock.now()
    ids = db.session.scalars(reading.readable_ids(reading.Within(now)).limit(ON_FRONT + 1)).all()
    items = reading.load_items(db.session(), ids[:ON_FRONT])
    tree = topics.all_topics(db.session())
    return render_template("public/front.html", items=items, more=len(ids) > ON_FRONT, topics=tree)


@bp.get("/nyheter")
def news() -> ResponseReturnValue:
    """List the news that the address asks for: all, or by words, topic and year; page by page."""
    tree = topics.all_topics(db.session())
    choice = listing.read_choice(tree)
    if listing.holds_empty_values():
        # A form sends its empty fields too; the address that is left to be shared has none.
        page = choice.number if choice.number > 1 else None
        return redirect(url_for("public.news", **choice.values, sida=page), 303)
    now = clock.now()
    zone = ZoneInfo(current_app.config["TIME_ZONE"])
    return render_template(
        "public/news.html",
        choice=choice,
        found=listing.find_listing(choice, tree, by=now),
        topics=tree,
        years=reading.years(db.session(), by=now, zone=zone),
    )


@bp.get("/nyheter/<slug>")
def item(slug: str) -> ResponseReturnValue:
    """Show one item, and others about the same."""
    found = db.session.scalar(sa.select(Item).where(Item.slug == slug))
    now = clock.now()
    if found is None or found.published_at is None or found.published_at > now:
        abort(404)
    if not publishing.is_published(found, by=now):
        raise Withdrawn(found.withdrawn_at, found.topics)
    related = reading.load_items(db.session(), reading.related_ids(db.session(), found, by=now))
    return render_template("public/item.html", item=found, more=related, structured=describing.describe_item(found))


@bp.get("/amnen")
def all_topics() -> str:
    """Show the topic tree, what each covers and how often it publishes."""
    rates = reading.rates_per_week(db.session(), by=clock.now())
    return render_template(
        "public/topics.html",
        topics=topics.all_topics(db.session()),
        rate_of=lambda topic: say_rate(rates.get(topic.id)),
    )


@bp.get("/amnen/<slug>")
def topic(slug: str) -> ResponseReturnValue:
    """Show what a topic covers, how to follow it, and its news."""
    found = db.session.scalar(sa.select(Topic).where(Topic.slug == slug))
    if found is None:
        abort(404)
    now = clock.now()
    tree = topics.all_topics(db.session())
    choice = listing.Choice(topic=found, number=listing.read_page_number())
    rates = reading.rates_per_week(db.session(), by=now) if choice.number == 1 else {}
    return render_template(
        "public/topic.html",
        topic=found,
        children=topics.children_of(found, tree),
        found=listing.find_listing(choice, tree, by=now, counted=False),
        number=choice.number,
        rate_of=lambda topic: say_rate(rates.get(topic.id)),
    )


@bp.get("/healthz")
def health() -> tuple[Response, int]:
    """Say whether the site can read its database, and how long the longest-waiting letters have waited."""
    try:
        open_batches, oldest = batches.oldest_waiting(db.session())
    except SQLAlchemyError:
        db.session.rollback()
        return jsonify(status="the database doesn't answer"), 503
    waited = max(0, round((clock.now() - oldest).total_seconds())) if oldest else 0
    response = jsonify(status="ok", open_batches=open_batches, oldest_waiting_seconds=waited)
    response.headers["Cache-Control"] = "no-store"
    return response, 200
