"""`newsroom certificate`."""

from typing import BinaryIO

import click
from flask.cli import AppGroup

from newsroom.cli.items import LARGEST_ID
from newsroom.delivery import certificate
from newsroom.extensions import db, reading

group = AppGroup("certificate", help="What became of finished mailings, and whether it still agrees.")

LARGEST_FILE = 100 * 1024 * 1024


@group.command("show")
@click.argument("mailing_id", metavar="MAILING", type=click.IntRange(1, LARGEST_ID))
def show(mailing_id: int) -> None:
    """Print a mailing's certificate exactly as it was kept."""
    with reading():
        kept = certificate.newest(db.session(), mailing_id)
    if kept is None:
        raise click.ClickException(f"Mailing {mailing_id} has no certificate.")
    click.echo(kept.body)


@group.command("verify")
@click.argument("file", type=click.File("rb"))
def verify(file: BinaryIO) -> None:
    """Hold a certificate in FILE (- for standard input) against its own hashes, the chain, and the ledger."""
    raw = file.read(LARGEST_FILE + 1)
    if len(raw) > LARGEST_FILE:
        raise click.ClickException("The file is too large to be a certificate.")
    try:
        with reading():
            found = certificate.verify(db.session(), raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise click.ClickException("The file is no certificate: it isn't text in UTF-8.") from error
    except certificate.NotACertificate as error:
        raise click.ClickException(f"The file is no certificate, or was changed: {error}.") from error
    for line in found:
        click.echo(line, err=True)
    if found:
        raise SystemExit(1)
    head = certificate.read(raw.decode("utf-8"))[0]
    click.echo(f"Certificate {head['number']} of mailing {head['mailing']} agrees with the chain and the ledger.")
