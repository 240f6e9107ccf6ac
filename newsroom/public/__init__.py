"""The readers' door: reading, signing up, one's own topics, leaving, and the pages for what goes wrong."""

from flask import Flask

from newsroom.public import (
    about,
    addressing,
    compressing,
    errors,
    frame,
    leaving,
    login,
    own_data,
    preferences,
    reading,
    signup,
    sitemaps,
)


def init_app(app: Flask) -> None:
    """Hang the readers' pages into the app."""
    frame.init_app(app)
    errors.init_app(app)
    compressing.init_app(app)
    for module in (reading, signup, leaving, login, preferences, addressing, own_data, about, sitemaps):
        app.register_blueprint(module.bp)
