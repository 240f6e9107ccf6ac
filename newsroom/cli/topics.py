"""`newsroom topics`."""

import click
from flask.cli import AppGroup

from newsroom.extensions import db, reading
from newsroom.news import topics
from newsroom.news.writing import BadText

group = AppGroup("topics", help="List, add and describe topics.")


@group.command("list")
def list_topics() -> None:
    """List the topic tree with its slugs."""
    with reading():
        found = topics.all_topics(db.session())
    for topic in found:
        click.echo(f"{'  ' if topic.parent_id else ''}{topic.slug:<32} {topic.name} / {topic.name_en}")


@group.command("add")
@click.argument("name")
@click.option("--english", default="", help="Its name in English.")
@click.option("--under", default=None, metavar="SLUG", help="The topic that it stands under.")
def add_topic(name: str, english: str, under: str | None) -> None:
    """Add a topic."""
    try:
        parent = topics.find_topics(db.session(), [under])[0] if under else None
        topic = topics.add_topic(db.session(), name=name, name_en=english, parent=parent)
    except topics.UnknownTopic as error:
        raise click.ClickException(f"There is no topic {str(error)!r}; see: newsroom topics list") from error
    except topics.BadTopic as error:
        raise click.ClickException(str(error)) from error
    db.session.commit()
    click.echo(f"Added {topic.slug}.")


@group.command("start")
def add_start_topics() -> None:
    """Add the topics that the first authority starts with, where there are none."""
    count = topics.add_start_topics(db.session())
    db.session.commit()
    click.echo(f"Added {count} topics." if count else "There are topics already; nothing was added.")


@group.command("describe")
@click.argument("slug")
@click.option("--swedish", default=None, help="What it covers, in a sentence or two of Swedish.")
@click.option("--english", default=None, help="The same in English.")
def describe_topic(slug: str, swedish: str | None, english: str | None) -> None:
    """Say what a topic covers; without options, show what is said now."""
    try:
        topic = topics.find_topics(db.session(), [slug])[0]
        if swedish is not None or english is not None:
            topics.describe_topic(
                topic,
                about=topic.about if swedish is None else swedish,
                about_en=topic.about_en if english is None else english,
            )
            db.session.commit()
    except topics.UnknownTopic as error:
        raise click.ClickException(f"There is no topic {str(error)!r}; see: newsroom topics list") from error
    except BadText as error:
        raise click.ClickException(f"The text can't be taken: {error}") from error
    click.echo(f"sv: {topic.about or '-'}\nen: {topic.about_en or '-'}")
