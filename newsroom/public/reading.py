"""News, topics, and the sign of life. Everything here is GET and leaves no trace in the reader's browser."""

import sqlalchemy as sa
from flask import Blueprint, Response, abort, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.exc import SQLAlchemyError

from newsroom import clock
from newsroom.delivery import ledger
from newsroom.extensions import db
from newsroom.news import publishing, reading, topics
from newsroom.news.models import Item, Topic

bp = Blueprint("public", __name__)

PER_PAGE = 20
LAST_PAGE = 10_000


def _page_number() -> int:
    text = request.args.get("sida", "1")
    if not (text.isascii() and text.isdigit() and len(text) < 6 and 1 <= int(text) <= LAST_PAGE):
        abort(404)
    return int(text)


def _page_of(found: sa.Select[Item], number: int) -> tuple[list[Item], bool]:
    """One page of items, and whether there is another after it."""
    rows = db.session.scalars(found.offset((number - 1) * PER_PAGE).limit(PER_PAGE + 1)).all()
    if not rows and number > 1:
        abort(404)
    return list(rows[:PER_PAGE]), len(rows) > PER_PAGE


@bp.get("/")
def front() -> str:
    """Show the newest item large, and the latest ones below."""
    items, more = _page_of(reading.published_items(by=clock.now()), 1)
    return render_template("public/front.html", items=items, more=more)


@bp.get("/nyheter")
def news() -> ResponseReturnValue:
    """List all news, page by page."""
    number = _page_number()
    items, more = _page_of(reading.published_items(by=clock.now()), number)
    return render_template("public/news.html", items=items, more=more, number=number)


@bp.get("/nyheter/<slug>")
def item(slug: str) -> ResponseReturnValue:
    """Show one item."""
    found = db.session.scalar(sa.select(Item).where(Item.slug == slug))
    now = clock.now()
    if found is None or found.published_at is None or found.published_at > now:
        abort(404)
    if not publishing.is_published(found, by=now):
        abort(410)
    more = db.session.scalars(reading.more_items(found, by=now)).all()
    return render_template("public/item.html", item=found, more=more)


@bp.get("/amnen")
def all_topics() -> str:
    """Show the topic tree."""
    rows = db.session.execute(reading.count_items_by_topic(by=clock.now()))
    counts = {row[0]: row[1] for row in rows}
    return render_template("public/topics.html", topics=topics.all_topics(db.session()), counts=counts)


@bp.get("/amnen/<slug>")
def topic(slug: str) -> ResponseReturnValue:
    """Show what a topic covers, and its news."""
    found = db.session.scalar(sa.select(Topic).where(Topic.slug == slug))
    if found is None:
        abort(404)
    number = _page_number()
    items, more = _page_of(reading.published_items(by=clock.now(), topic=found), number)
    children = topics.children_of(found, topics.all_topics(db.session()))
    return render_template("public/topic.html", topic=found, children=children, items=items, more=more, number=number)


@bp.get("/healthz")
def health() -> tuple[Response, int]:
    """Say whether the site can read its database, and how long the longest-waiting letters have waited."""
    try:
        open_batches, oldest = ledger.oldest_waiting(db.session())
    except SQLAlchemyError:
        db.session.rollback()
        return jsonify(status="the database doesn't answer"), 503
    waited = max(0, round((clock.now() - oldest).total_seconds())) if oldest else 0
    response = jsonify(status="ok", open_batches=open_batches, oldest_waiting_seconds=waited)
    response.headers["Cache-Control"] = "no-store"
    return response, 200
