"""Feeds over HTTP: cacheable, comparable, compressed, open to every origin, and without a cookie."""

import datetime as dt
import gzip
import hashlib

from flask import Blueprint, Flask, Response, abort, current_app, make_response, request
from flask_babel import force_locale
from flask_babel import gettext as _

from newsroom import clock
from newsroom.extensions import db
from newsroom.feeds.building import Channel, build_rss, changed_at
from newsroom.links import Links
from newsroom.news import topics
from newsroom.news.reading import last_change, published_items

bp = Blueprint("feeds", __name__, url_prefix="/feeds")

LONGEST = 50  # Items in a feed.
MAX_AGE_SECONDS = 300
NEVER = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)  # Before the first item of all.


def init_app(app: Flask) -> None:
    """Hang the feeds into the app."""
    app.register_blueprint(bp)


@bp.get("/<name>.rss")
def rss(name: str) -> Response:
    """Serve all news, or one topic's and its children's."""
    try:
        topic = None if name == "all" else topics.find_topics(db.session(), [name])[0]
    except topics.UnknownTopic:
        abort(404)
    now = clock.now()
    items = db.session.scalars(published_items(by=now, topic=topic).limit(LONGEST)).all()
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
    changed = changed_at(items, fallback=NEVER)
    body = build_rss(channel, items, links=links, changed=changed)
    return answer(body, changed=last_change(db.session(), by=now) or NEVER)


def answer(body: bytes, *, changed: dt.datetime) -> Response:
    """The bytes with a strong ETag, or 304 without them where the reader has them already (RFC 9110 section 13).

    `changed` must move whenever the bytes can have: who asks with If-Modified-Since alone knows nothing else.
    """
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
