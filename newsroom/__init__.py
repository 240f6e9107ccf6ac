"""Newsroom: assembly only. No module imports from here, only from its rooms."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask import Flask

from config import PROJECT, load
from newsroom import cli, desk, extensions, public
from newsroom.feeds import serving
from newsroom.mailbox import pages as mailbox_pages
from newsroom.theme import read_colours


def create_app(settings: Mapping[str, Any] | None = None) -> Flask:
    """The site and its commands. Settings come from `config.load`, which reads the environment, unless given."""
    settings = load() if settings is None else settings
    app = Flask(
        "newsroom",
        instance_path=settings["INSTANCE_PATH"],
        template_folder=str(PROJECT / "templates"),
        static_folder=str(PROJECT / "newsroom" / "static"),
    )
    app.config.from_mapping(
        MAIL_SUPPRESS_SEND=False,
        SQLALCHEMY_ENGINE_OPTIONS={"hide_parameters": True},  # Logs carry ids, never addresses.
        MAX_CONTENT_LENGTH=16 * 1024 * 1024,
        MAX_FORM_MEMORY_SIZE=16 * 1024 * 1024,
        SESSION_COOKIE_NAME="newsroom_desk",
        SESSION_COOKIE_PATH="/desk",
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=settings["PUBLIC_URL"].startswith("https:"),
        WTF_CSRF_CHECK_DEFAULT=False,
        WTF_CSRF_TIME_LIMIT=None,
    )
    app.config.from_mapping(settings)
    app.config["COLOURS"] = read_colours(Path(settings["THEME_FILE"]).read_text())
    Path(app.instance_path).mkdir(mode=0o700, parents=True, exist_ok=True)
    extensions.init_database(app)
    extensions.migrate.init_app(app, extensions.db, directory=str(PROJECT / "migrations"))
    extensions.mail.init_app(app)
    extensions.csrf.init_app(app)
    extensions.limiter.init_app(app)
    public.init_app(app)
    serving.init_app(app)
    desk.init_app(app)
    if app.config["MAILBOX"]:
        mailbox_pages.init_app(app)
    cli.init_app(app)
    return app
