"""`newsroom items`."""

import codecs
import re
from typing import BinaryIO

import click
import sqlalchemy as sa
from flask import current_app
from flask.cli import AppGroup

from newsroom import clock
from newsroom.extensions import db, reading
from newsroom.links import Links
from newsroom.news import importing, publishing, searching, topics
from newsroom.news.models import LANGUAGES, Item
from newsroom.news.writing import BadText, write_item
from newsroom.times import read_local_time

group = AppGroup("items", help="Import, list, publish and index news items.")

LARGEST_FILE = 5 * 1024 * 1024
LARGEST_ID = 2**31 - 1  # PostgreSQL's integer.


@group.command("import")
@click.argument("file", type=click.File("rb"))
@click.option("--topics", "slugs", default="", metavar="A,B", help="Slugs of its topics, the most important first.")
@click.option("--publish", is_flag=True, help="Publish it now.")
@click.option("--at", "at", default=None, metavar="TIME", help="Publish it at a time, such as '2026-11-24 09:30'.")
@click.option("--language", type=click.Choice(LANGUAGES), default="sv", show_default=True)
@click.option("--no-letters", is_flag=True, help="Send no letters when it is published.")
def import_item(file: BinaryIO, slugs: str, publish: bool, at: str | None, language: str, no_letters: bool) -> None:
    """Read an announcement from a text FILE (- for standard input) into a draft, or publish it."""
    if publish and at is not None:
        raise click.UsageError("Give --publish or --at, not both.")
    raw = file.read(LARGEST_FILE + 1)
    if len(raw) > LARGEST_FILE:
        raise click.ClickException(f"The file is larger than {LARGEST_FILE // 1024 // 1024} MB; that is no news item.")
    now = clock.now()
    try:
        when = now if at is None else read_local_time(at, current_app.config["TIME_ZONE"])
        chosen = topics.find_topics(db.session(), filter(None, (slug.strip() for slug in slugs.split(","))))
        text = importing.parse_text(decode(raw), language=language)
        item = write_item(
            db.session(),
            text,
            chosen,
            now=now,
            domain=current_app.config["MAIL_DOMAIN"],
            announce=not no_letters,
        )
        if publish or at is not None:
            publishing.publish(item, at=when, now=now)
    except UnicodeDecodeError as error:
        raise click.ClickException(
            f"The file is not text in UTF-8, UTF-16 or Windows-1252 ({error.reason})."
        ) from error
    except ValueError as error:
        raise click.ClickException(
            f"--at {at!r} is not a time that the clock shows, such as '2026-11-24 09:30'."
        ) from error
    except topics.UnknownTopic as error:
        raise click.ClickException(f"There is no topic {str(error)!r}; see: newsroom topics list") from error
    except importing.NothingToImport as error:
        raise click.ClickException("The file holds no text.") from error
    except publishing.NotReady as error:
        raise click.ClickException("An item needs --topics to be published.") from error
    except BadText as error:
        raise click.ClickException(f"The text can't be taken: {error}") from error
    db.session.commit()
    headings, points = len(re.findall("^## ", item.body, re.M)), len(re.findall(r"^(- |\d+[.)] )", item.body, re.M))
    lede, facts = ("yes" if part else "no" for part in (item.lede, item.facts))
    click.echo(f"Item {item.id}: {item.headline}")
    click.echo(f"  lede: {lede}, headings: {headings}, list points: {points}, facts: {facts}")
    state = "draft" if item.published_at is None else f"readable from {item.published_at:%Y-%m-%d %H:%M} UTC"
    click.echo(f"  {state}: {Links(current_app.config['PUBLIC_URL']).item(item.slug)}")


def decode(raw: bytes) -> str:
    """A text file's bytes as text: UTF-8, UTF-16 with its mark, or Windows-1252. Raises UnicodeDecodeError."""
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return raw.decode("utf-16")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        return raw.decode("cp1252")


@group.command("list")
@click.option("--most", default=20, show_default=True, type=click.IntRange(1, 10_000))
def list_items(most: int) -> None:
    """List the newest items with their ids."""
    newest = sa.select(Item).order_by(sa.func.coalesce(Item.published_at, Item.updated_at).desc(), Item.id.desc())
    with reading():
        found = db.session.scalars(newest.limit(most)).all()
    for item in found:
        when = f"{item.published_at:%Y-%m-%d %H:%M}" if item.published_at else "draft           "
        click.echo(f"{item.id:>6}  {when}  {item.headline}")


@group.command("publish")
@click.argument("item_id", type=click.IntRange(1, LARGEST_ID))
@click.option("--at", "at", default=None, metavar="TIME", help="A time such as '2026-11-24 09:30', instead of now.")
def publish_item(item_id: int, at: str | None) -> None:
    """Publish a draft."""
    item = db.session.get(Item, item_id)
    if item is None:
        raise click.ClickException(f"There is no item {item_id}; see: newsroom items list")
    now = clock.now()
    try:
        when = now if at is None else read_local_time(at, current_app.config["TIME_ZONE"])
        publishing.publish(item, at=when, now=now)
    except ValueError as error:
        raise click.ClickException(
            f"--at {at!r} is not a time that the clock shows, such as '2026-11-24 09:30'."
        ) from error
    except publishing.AlreadyPublished as error:
        raise click.ClickException(f"Item {item_id} is published already.") from error
    except publishing.NotReady as error:
        raise click.ClickException(f"Item {item_id} has no topic.") from error
    db.session.commit()
    click.echo(f"Item {item_id} can be read from {item.published_at:%Y-%m-%d %H:%M} UTC.")


@group.command("index")
def index_items() -> None:
    """Make the search index anew; needed only after items were written into the tables by hand."""
    count = searching.index_everything(db.session.connection())
    db.session.commit()
    click.echo(f"Indexed {count} items.")
