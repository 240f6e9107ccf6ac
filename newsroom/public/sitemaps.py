"""What there is, for search engines: the sitemap protocol of sitemaps.org, and Google's extension for news.

One map holds at most 50,000 addresses; where there are more, /sitemap.xml is an index of maps, each of the items of a
run of numbers, so that a map changes only where its items do.
"""

import datetime as dt
import math
from collections.abc import Callable, Iterable, Iterator
from operator import methodcaller
from xml.sax.saxutils import escape

import sqlalchemy as sa
from flask import Blueprint, Response, abort, current_app

from newsroom import clock
from newsroom.extensions import db
from newsroom.links import Links
from newsroom.news import reading, topics
from newsroom.news.models import LANGUAGES, Item

bp = Blueprint("sitemaps", __name__)

MOST_ADDRESSES = 50_000
NEWS_SPAN = dt.timedelta(days=2)  # Older items don't belong into a news sitemap.
MOST_NEWS = 1_000
_MAP = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
_OTHERS = 'xmlns:xhtml="http://www.w3.org/1999/xhtml"'
_NEWS = 'xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"'


@bp.get("/sitemap.xml")
def whole() -> Response:
    """Serve every address, or an index of the maps that hold them."""
    now = clock.now()
    pages = list(_write_pages(now))
    count, last_id = db.session.execute(sa.select(sa.func.count(), sa.func.max(Item.id)).where(*_readable(now))).one()
    if len(pages) + count <= _most():
        return _answer("urlset", [*pages, *_write_items(now)], _MAP, _OTHERS)
    parts = [_write_part(0, reading.last_change(db.session(), by=now))]
    for number in range(1, math.ceil(last_id / _most()) + 1):
        newest = sa.select(sa.func.max(Item.updated_at), sa.func.max(Item.published_at))
        moments = [one for one in db.session.execute(newest.where(*_readable(now), _of_part(number))).one() if one]
        if moments:
            parts.append(_write_part(number, max(moments)))
    return _answer("sitemapindex", parts, _MAP)


@bp.get("/sitemap-<int(max=40000):number>.xml")
def part(number: int) -> Response:
    """Serve one of the maps that the index names: the pages (0), or a run of items."""
    now = clock.now()
    lines = list(_write_pages(now) if number == 0 else _write_items(now, number=number))
    if not lines:
        abort(404)
    return _answer("urlset", lines, _MAP, _OTHERS)


@bp.get("/sitemap-news.xml")
def news() -> Response:
    """Serve the items of the last two days."""
    now = clock.now()
    newest = reading.published_items(by=now).where(Item.published_at > now - NEWS_SPAN).limit(MOST_NEWS)
    return _answer("urlset", _write_news(db.session.scalars(newest)), _MAP, _NEWS)


def _readable(now: dt.datetime) -> tuple[sa.ColumnElement[bool], ...]:
    return (Item.published_at <= now, Item.withdrawn_at.is_(None))


def _of_part(number: int) -> sa.ColumnElement[bool]:
    return Item.id.between((number - 1) * _most() + 1, number * _most())


def _most() -> int:
    """How many addresses go into one map."""
    return int(current_app.config.get("SITEMAP_ADDRESSES", MOST_ADDRESSES))


def _links() -> Links:
    return Links(current_app.config["PUBLIC_URL"])


def _write_part(number: int, changed: dt.datetime | None) -> str:
    return f"<sitemap><loc>{escape(_links().site)}/sitemap-{number}.xml</loc>{_lastmod(changed)}</sitemap>"


def _write_pages(now: dt.datetime) -> Iterator[str]:
    """The pages that stand in both languages, each naming the other. When a topic last changed isn't known cheaply."""
    changed = reading.last_change(db.session(), by=now)
    tree = topics.all_topics(db.session())
    yield from _write_pair(lambda links: links.front(), changed)
    yield from _write_pair(lambda links: links.news(), changed)
    yield from _write_pair(lambda links: links.all_topics())
    yield from _write_pair(lambda links: links.subscribe())
    for topic in tree:
        yield from _write_pair(methodcaller("topic", topic.slug))


def _write_pair(address: Callable[[Links], str], changed: dt.datetime | None = None) -> Iterator[str]:
    found = {language: escape(address(_links().in_language(language))) for language in LANGUAGES}
    others = "".join(
        f'<xhtml:link rel="alternate" hreflang="{language}" href="{one}"/>' for language, one in found.items()
    )
    for one in found.values():
        yield f"<url><loc>{one}</loc>{_lastmod(changed)}{others}</url>"


def _write_items(now: dt.datetime, *, number: int | None = None) -> Iterator[str]:
    """Items, each once, at the address of the language that it is written in."""
    wanted = sa.select(Item.slug, Item.language, Item.updated_at, Item.published_at).where(*_readable(now))
    if number is not None:
        wanted = wanted.where(_of_part(number))
    for slug, language, updated_at, published_at in db.session.execute(wanted.order_by(Item.id)):
        address = escape(_links().in_language(language).item(slug))
        yield f"<url><loc>{address}</loc>{_lastmod(max(updated_at, published_at or updated_at))}</url>"


def _write_news(items: Iterable[Item]) -> Iterator[str]:
    name = escape(current_app.config["SITE_NAME"])
    for item in items:
        published = item.published_at or item.updated_at
        yield (
            f"<url><loc>{escape(_links().in_language(item.language).item(item.slug))}</loc><news:news>"
            f"<news:publication><news:name>{name}</news:name><news:language>{item.language}</news:language>"
            f"</news:publication><news:publication_date>{published.isoformat(timespec='seconds')}"
            f"</news:publication_date><news:title>{escape(item.headline)}</news:title></news:news></url>"
        )


def _lastmod(changed: dt.datetime | None) -> str:
    return f"<lastmod>{changed.isoformat(timespec='seconds')}</lastmod>" if changed else ""


def _answer(root: str, lines: Iterable[str], *namespaces: str) -> Response:
    body = "\n".join(
        ['<?xml version="1.0" encoding="UTF-8"?>', f"<{root} {' '.join(namespaces)}>", *lines, f"</{root}>"]
    )
    response = Response(body + "\n", mimetype="application/xml")
    response.headers["Cache-Control"] = "public, max-age=300"
    return response
