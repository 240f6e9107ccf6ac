"""`newsroom topics`."""

import click
from flask.cli import AppGroup

from newsroom.extensions import db, reading
from newsroom.news import topics

group = AppGroup("topics", help="List and add topics.")


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
