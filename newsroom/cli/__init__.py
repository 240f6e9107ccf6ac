"""The operator's door. A command says what it did, or ends with one clear line and a non-zero code."""

from flask import Flask

from newsroom.cli import certificate, cluster, editors, engine, items, mailings, subscribers, topics, up


def init_app(app: Flask) -> None:
    """Hang the commands into the app."""
    for command in (up.up, cluster.worker, cluster.beat):
        app.cli.add_command(command)
    for module in (items, topics, editors, mailings, certificate, engine, subscribers):
        app.cli.add_command(module.group)
