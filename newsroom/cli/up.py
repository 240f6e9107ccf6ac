"""`newsroom up`: the site, the engine and, on this machine only, the catching mailbox, in one command."""

import logging
import multiprocessing
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import click
import flask_migrate
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from flask import Flask, current_app
from flask.cli import with_appcontext
from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from config import PREFIX, PROJECT
from newsroom import clock, editors
from newsroom.cli import demo
from newsroom.engine.embedded import EmbeddedEngine
from newsroom.extensions import db, this_app
from newsroom.mailbox.catching import CatchingServer, PortTaken

DEMO_EDITOR = "redaktor@example.org"
SITE_THREADS = 16


@click.command("up")
@with_appcontext
def up() -> None:
    """Start everything. Ctrl-C stops all of it."""
    app = this_app()
    logging.getLogger("newsroom").setLevel(logging.INFO)
    host, port = app.config["HOST"], app.config["PORT"]
    _check_port(host, port)
    lines = [f"The site:     {app.config['PUBLIC_URL']}/"]
    development = app.config["MODE"] == "development"
    _prepare_database(migrate=development)
    lines.append(f"The desk:     {app.config['PUBLIC_URL']}/desk/{_prepare_editor(app) if development else ''}")
    mailbox = None
    if app.config["MAILBOX"]:
        try:
            mailbox = CatchingServer(Path(app.instance_path), app.config["MAILBOX_PORT"])
        except PortTaken as error:
            raise click.ClickException(f"The mailbox can't listen on {error} (NEWSROOM_MAILBOX_PORT)") from error
        app.extensions["mail"].port = app.config["MAIL_PORT"] = mailbox.port
        os.environ[f"{PREFIX}MAILBOX_PORT"] = str(mailbox.port)  # The site's own process sends rehearsals there.
        mailbox.start()
        lines.append(f"The mailbox:  {app.config['PUBLIC_URL']}/dev/mailbox (SMTP on 127.0.0.1:{mailbox.port})")
    engine = EmbeddedEngine(app) if app.config["ENGINE"] == "embedded" else None
    if engine is None:
        lines.append(
            "The letters:  by newsroom worker and newsroom beat, to be started besides (NEWSROOM_ENGINE=cluster)"
        )
    multiprocessing.set_start_method("spawn")  # The engine's threads don't survive a fork.
    server = Server(
        "newsroom.wsgi:app",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=1,
        blocking_threads=SITE_THREADS,
        respawn_failed_workers=True,
        workers_kill_timeout=10,
        log_level=LogLevels.error,
    )
    if engine is not None:
        server.on_startup(engine.start)
    threading.Thread(target=_say_when_ready, args=(f"http://{_reach(host)}:{port}/healthz", lines), daemon=True).start()
    try:
        server.serve()
    finally:
        if engine is not None:
            engine.stop()
        if mailbox is not None:
            mailbox.stop()


def _reach(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)


def _check_port(host: str, port: int) -> None:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        socket.create_server((host, port), family=family).close()
    except OSError as error:
        raise click.ClickException(
            f"The site can't listen on {host}:{port}: {error.strerror}. Stop what listens there, or choose another "
            "port in NEWSROOM_PORT."
        ) from error


def _prepare_database(*, migrate: bool) -> None:
    """See that the database can be written and its tables are of today; in development, bring them there."""
    with db.engine.begin() as connection:
        wanted = ScriptDirectory(str(PROJECT / "migrations")).get_current_head()
        found = MigrationContext.configure(connection).get_current_revision()
    if found == wanted:
        return
    if not migrate:
        raise click.ClickException("The database's tables are not of this version; run: newsroom db upgrade")
    flask_migrate.upgrade()
    if demo.is_empty(db.session()):
        items, people = demo.fill(
            db.session(), PROJECT / "demo", domain=current_app.config["MAIL_DOMAIN"], now=clock.now()
        )
        db.session.commit()
        click.echo(f"Filled in {items} demo items and {people} invented subscribers.")


def _prepare_editor(app: Flask) -> str:
    """This installation's own login for trying things out, made at the first start and kept in the instance folder."""
    path = Path(app.instance_path) / "editor-login"
    if db.session.scalar(sa.select(editors.Editor.id).limit(1)) is None:
        password = editors.make_password()
        editors.add_editor(DEMO_EDITOR, password=password, now=clock.now())
        path.touch(mode=0o600)
        path.write_text(f"{DEMO_EDITOR} {password}\n")
        db.session.commit()
    db.session.remove()
    if not path.exists():
        return ""
    email, password = path.read_text().split()
    return f"  login {email}, password {password}"


def _say_when_ready(address: str, lines: list[str]) -> None:
    for _ in range(600):
        try:
            with urllib.request.urlopen(address, timeout=2):
                break
        except urllib.error.HTTPError:
            break
        except OSError:
            time.sleep(0.05)
    click.echo("\n".join(["", "Newsroom is up.", *lines, "Ctrl-C stops it.", ""]))
