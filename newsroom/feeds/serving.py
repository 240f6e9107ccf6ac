"""Feeds over HTTP: cacheable, comparable, compressed, open to every origin, and without a cookie."""

import datetime as dt
import gzip
import hashlib

import sqlalchemy as sa
from flask import Blueprint, Flask, Response, abort, current_app, make_response, request
from flask_babel import force_locale
from flask_babel import gettext as _

from newsroom import clock
from newsroom.extensions import db
from newsroom.feeds.building import Channel, build_rss, changed_at
from newsroom.links import Links
from newsroom.news.models import Topic
from newsroom.news.reading import published_items

bp = Blueprint("feeds", __name__, url_prefix="/feeds")

LONGEST = 50  # Items in a feed.
MAX_AGE_SECONDS = 300


def init_app(app: Flask) -> None:
    """Hang the feeds into the app."""
    app.register_blueprint(bp)


@bp.get("/<name>.rss")
def rss(name: str) -> Response:
    """Serve all news, or one topic's and its children's."""
    topic = None
    if name != "all":
        topic = db.session.scalar(sa.select(Topic).where(Topic.slug == name))
        if topic is None:
            abort(404)
    items = db.session.scalars(published_items(by=clock.now(), topic=topic).limit(LONGEST)).all()
    links = Links(current_app.config["PUBLIC_URL"])
    site, organisation = current_app.config["SITE_NAME"], current_app.config["ORGANISATION_NAME"]
    with force_locale("sv"):
        channel = Channel(
            title=f"{topic.name} – {site}" if topic else site,
            description=_("News from %(organisation)s", organisation=organisation)
            if topic is None
            else _("News from %(organisation)s about %(topic)s", organisation=organisation, topic=topic.name),
            page=links.topic(topic.slug) if topic else links.front(),
            address=links.feed(name),
        )
    changed = changed_at(items, fallback=dt.datetime(2024, 1, 1, tzinfo=dt.UTC))
    return answer(build_rss(channel, items, links=links, changed=changed), changed=changed)


def answer(body: bytes, *, changed: dt.datetime) -> Response:
    """The bytes with a strong ETag, or 304 without them where the reader has them already (RFC 9110 section 13)."""
    zipped = request.accept_encodings["gzip"] > 0
    response = make_response(gzip.compress(body, 6, mtime=0) if zipped else body)
    response.headers["Content-Type"] = "application/rss+xml; charset=utf-8"
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
    response.set_etag(hashlib.sha256(body).hexdigest()[:32] + ("-gzip" if zipped else ""))
    response.last_modified = changed
    response.cache_control.public = True
    response.cache_control.max_age = MAX_AGE_SECONDS
    response.vary.add("Accept-Encoding")
    response.headers["Access-Control-Allow-Origin"] = "*"
    response.make_conditional(request)
    return response
