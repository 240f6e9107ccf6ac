"""The editors' door: log in, write, see, publish."""

from flask import Flask

from newsroom.desk import items, login


def init_app(app: Flask) -> None:
    """Hang the desk into the app."""
    login.init_app(app)
    app.register_blueprint(items.bp)
