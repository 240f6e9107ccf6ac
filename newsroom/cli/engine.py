"""`newsroom engine`."""

import logging
import signal
import threading

import click
from flask import current_app
from flask.cli import AppGroup

from newsroom import clock
from newsroom.delivery import installation
from newsroom.engine.embedded import EmbeddedEngine
from newsroom.extensions import db, this_app

group = AppGroup("engine", help="The delivery engine.")


@group.command("run")
def run() -> None:
    """Run the engine alone, without the site, until Ctrl-C or SIGTERM."""
    if current_app.config["ENGINE"] == "cluster":
        raise click.ClickException(
            "The engine here is a cluster (NEWSROOM_ENGINE): run newsroom beat, and newsroom worker on each machine."
        )
    logging.getLogger("newsroom").setLevel(logging.INFO)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    engine = EmbeddedEngine(this_app())
    engine.start()
    click.echo("The engine runs. Ctrl-C ends it.")
    stop.wait()
    engine.stop()


@group.command("accept-installation")
def accept_installation() -> None:
    """Let the installations send that the database doesn't know, or that met a restored one."""
    names = [f"{one.name} ({one.problem})" for one in installation.pending(db.session())]
    count = installation.accept(db.session(), now=clock.now())
    db.session.commit()
    if not count:
        click.echo("No installation waits for a yes.")
        return
    click.echo(f"Accepted {count}: {', '.join(names)}. Letters leave from now on.")
