"""`newsroom editors`."""

from typing import TextIO

import click
import sqlalchemy as sa
from flask.cli import AppGroup

from newsroom import clock, editors
from newsroom.extensions import db, reading

group = AppGroup("editors", help="Editors: people with a login at the desk.")


@group.command("add")
@click.argument("email")
@click.option("--password-from", type=click.File("r"), help="Read the password from a file, or - for standard input.")
def add(email: str, password_from: TextIO | None) -> None:
    """Add an editor. Without a password given, one is made and shown once."""
    password, shown = _choose_password(password_from)
    try:
        editor = editors.add_editor(email, password=password, now=clock.now())
    except editors.BadEditor as error:
        raise click.ClickException(str(error)) from error
    db.session.commit()
    click.echo(f"Added {editor.email}.{shown}")


@group.command("password")
@click.argument("email")
@click.option("--password-from", type=click.File("r"), help="Read the password from a file, or - for standard input.")
def set_password(email: str, password_from: TextIO | None) -> None:
    """Give an editor a new password, and end their sessions."""
    password, shown = _choose_password(password_from)
    try:
        editor = editors.set_password(email, password=password)
    except editors.BadEditor as error:
        raise click.ClickException(str(error)) from error
    db.session.commit()
    click.echo(f"{editor.email} has a new password.{shown}")


@group.command("list")
def list_editors() -> None:
    """List the editors."""
    with reading():
        found = db.session.scalars(sa.select(editors.Editor).order_by(editors.Editor.email)).all()
    for editor in found:
        click.echo(f"{editor.email}{'' if editor.active else ' (not active)'}")


def _choose_password(file: TextIO | None) -> tuple[str, str]:
    if file is None:
        password = editors.make_password()
        return password, f" The password, shown this once: {password}"
    try:
        password = file.read().strip("\r\n")
    except UnicodeDecodeError:
        raise click.ClickException("The password must be text in UTF-8.") from None  # Its bytes stand in the error.
    if len(password) < 12:
        raise click.ClickException("The password must have at least 12 characters.")
    return password, ""
