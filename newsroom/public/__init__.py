"""The readers' door: reading, signing up, leaving, and the pages for what goes wrong."""

from flask import Flask

from newsroom.public import errors, frame, leaving, reading, signup


def init_app(app: Flask) -> None:
    """Hang the readers' pages into the app."""
    frame.init_app(app)
    errors.init_app(app)
    for module in (reading, signup, leaving):
        app.register_blueprint(module.bp)
