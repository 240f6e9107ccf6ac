"""`newsroom worker` and `newsroom beat`: the cluster engine's two kinds of process."""

import logging
from importlib import import_module

import click
from flask import Flask
from flask.cli import with_appcontext

from newsroom.extensions import this_app


def _get_app() -> Flask:
    app = this_app()
    if app.config["ENGINE"] != "cluster":
        raise click.ClickException(
            "The engine here is embedded, and `newsroom up` runs it; expected NEWSROOM_ENGINE=cluster."
        )
    logging.getLogger("newsroom").setLevel(logging.INFO)
    return app


@click.command("worker")
@click.option(
    "--lanes",
    type=click.Choice(["all", "first", "news"]),
    default="all",
    show_default=True,
    help="Which letters to carry: confirmations come first, and have a process of their own.",
)
@click.option("--parent", type=int, hidden=True)
@with_appcontext
def worker(lanes: str, parent: int | None) -> None:
    """Send letters until Ctrl-C or SIGTERM. Any number of machines may."""
    app = _get_app()
    # Celery is an extra: what needs it is loaded only where it is asked for.
    import_module("newsroom.engine.worker").run_worker(app, lanes=lanes, parent=parent)


@click.command("beat")
@with_appcontext
def beat() -> None:
    """Ask the workers every second to look for work, until Ctrl-C or SIGTERM. One is enough, several do no harm."""
    app = _get_app()
    import_module("newsroom.engine.cluster").run_beat(app)
