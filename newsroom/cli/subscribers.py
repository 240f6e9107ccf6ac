"""`newsroom subscribers`: what an operator does for a person who asks, and can't do it themselves."""

import click
from flask import current_app
from flask.cli import AppGroup

from newsroom import clock
from newsroom.delivery import erasing as ledger_erasing
from newsroom.delivery import exporting
from newsroom.extensions import db, reading
from newsroom.public.signup import secret_keys
from newsroom.subscribers import blocking, erasing
from newsroom.subscribers.addresses import Address, BadAddress, read_address
from newsroom.subscribers.models import Subscriber

group = AppGroup("subscribers", help="Export, erase and unblock addresses, as their owners ask.")


def _read(text: str) -> Address:
    try:
        return read_address(text)
    except BadAddress as error:
        raise click.ClickException("That is no e-mail address.") from error


def _find(text: str) -> Subscriber:
    found = db.session.query(Subscriber).filter_by(address_key=_read(text).key).one_or_none()
    if found is None:
        raise click.ClickException("No subscriber has that address.")
    return found


@group.command("export")
@click.argument("address")
def export(address: str) -> None:
    """Print all that is known about a subscriber, as JSON."""
    with reading():
        click.echo(exporting.write(exporting.collect(db.session(), _find(address), now=clock.now())), nl=False)


@group.command("erase")
@click.argument("address")
@click.option("--block", is_flag=True, help="Let nobody sign the address up again.")
@click.option("--yes", is_flag=True, help="Don't ask.")
def erase(address: str, block: bool, yes: bool) -> None:
    """Erase everything about a subscriber; a last letter tells them."""
    with reading():
        found = _find(address)
        db.session.rollback()
    if not yes:
        click.confirm("It can't be undone. Erase?", abort=True)
    now = clock.now()
    erasing.erase(db.session(), found, block=block, keys=secret_keys(), now=now)
    ledger_erasing.forget_subscriber(db.session(), found.id, now=now)
    db.session.commit()
    click.echo(f"Erased. What is left is number {found.id} in the {current_app.config['SITE_NAME']} ledger.")


@group.command("unblock")
@click.argument("address")
def unblock(address: str) -> None:
    """Let an address be signed up again whose owner once wished that nobody can."""
    if not blocking.unblock(db.session(), _read(address), keys=secret_keys()):
        raise click.ClickException("That address isn't blocked.")
    db.session.commit()
    click.echo("The address can be signed up again.")
