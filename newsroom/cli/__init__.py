"""The operator's door. A command says what it did, or ends with one clear line and a non-zero code."""

from flask import Flask

from newsroom.cli import editors, engine, items, topics, up


def init_app(app: Flask) -> None:
    """Hang the commands into the app."""
    app.cli.add_command(up.up)
    for group in (items.group, topics.group, editors.group, engine.group):
        app.cli.add_command(group)
