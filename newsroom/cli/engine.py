"""`newsroom engine`."""

import logging
import signal
import threading

import click
from flask import current_app
from flask.cli import AppGroup

from newsroom.engine.embedded import EmbeddedEngine

group = AppGroup("engine", help="The delivery engine.")


@group.command("run")
def run() -> None:
    """Run the engine alone, without the site, until Ctrl-C or SIGTERM."""
    logging.getLogger("newsroom").setLevel(logging.INFO)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    engine = EmbeddedEngine(current_app._get_current_object())  # type: ignore[attr-defined]
    engine.start()
    click.echo("The engine runs. Ctrl-C ends it.")
    stop.wait()
    engine.stop()
