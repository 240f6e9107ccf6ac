"""`newsroom mailings`."""

import datetime as dt
from collections.abc import Callable

import click
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from newsroom import clock
from newsroom.cli.items import LARGEST_ID
from newsroom.delivery import controlling, overview, progress
from newsroom.delivery.models import Mailing
from newsroom.extensions import db, reading

group = AppGroup("mailings", help="See mailings, and pause, resume, cancel, release, retry or resend them.")
by_id = click.argument("mailing_id", type=click.IntRange(1, LARGEST_ID))

BY = "command line"


def _name(mailing: Mailing) -> str:
    if mailing.item is not None:
        return f"{'Correction: ' if mailing.kind == 'correction' else ''}{mailing.item.headline}"
    return f"{mailing.kind} until {mailing.period_end:%Y-%m-%d %H:%M} UTC" if mailing.period_end else mailing.kind


def _state(mailing: Mailing) -> str:
    """One word for where it stands."""
    if mailing.cancelled_at is not None:
        return "cancelled"
    return "paused" if mailing.paused_at is not None and mailing.state != "done" else mailing.state


def _find(mailing_id: int) -> Mailing:
    found = db.session.get(Mailing, mailing_id)
    if found is None:
        raise click.ClickException(f"There is no mailing {mailing_id}; see: newsroom mailings list")
    return found


@group.command("list")
@click.option("--most", default=20, show_default=True, type=click.IntRange(1, 10_000))
def list_mailings(most: int) -> None:
    """List mailings: what needs a person, what is on its way, what is finished."""
    with reading():
        session = db.session()
        found = [*session.scalars(overview.needing_a_person()), *session.scalars(overview.on_their_way())]
        found += session.scalars(overview.finished().limit(max(0, most - len(found)))).all()
        totals = overview.totals_of(session, found)
    for one in found[:most]:
        numbers = totals[one.id]
        left = numbers["waiting"] + numbers["uncertain"]
        click.echo(
            f"{one.id:>6}  {_state(one):<10} {numbers['selected']:>8} letters, {numbers['refused']} refused, "
            f"{left} left  {_name(one)}"
        )


@group.command("show")
@by_id
def show(mailing_id: int) -> None:
    """Show one mailing in numbers, with the reasons for what didn't leave."""
    with reading():
        mailing, session = _find(mailing_id), db.session()
        totals, reasons = progress.totals(session, mailing_id), progress.reasons(session, mailing_id)
    click.echo(f"Mailing {mailing.id}, {mailing.kind}: {_name(mailing)}")
    click.echo(f"  {_state(mailing)}{f': {mailing.problem}' if mailing.problem else ''}")
    click.echo("  " + ", ".join(f"{state} {count}" for state, count in totals.items()))
    for one in reasons:
        words = " ".join(filter(None, (str(one.code or ""), one.reply)))
        click.echo(f"  {one.count:>8} {one.state}: {one.reason or 'later'}{f' ({words})' if words else ''}")


def _decide(mailing_id: int, decide: Callable[..., object], *, perhaps: str = "") -> object:
    _find(mailing_id)
    session: Session = db.session()
    now: dt.datetime = clock.now()
    try:
        result = decide(session, mailing_id, by=BY, now=now)
    except controlling.NotPossible as error:
        session.rollback()
        state = _state(_find(mailing_id))
        raise click.ClickException(
            f"That isn't possible: mailing {mailing_id} is {state}. {perhaps}".rstrip()
        ) from error
    session.commit()
    return result


@group.command("pause")
@by_id
def pause(mailing_id: int) -> None:
    """Let no further letter leave."""
    _decide(mailing_id, controlling.pause)
    click.echo(f"Mailing {mailing_id} is paused.")


@group.command("resume")
@by_id
def resume(mailing_id: int) -> None:
    """Let a paused or stopped mailing go on."""
    _decide(mailing_id, controlling.resume)
    click.echo(f"Mailing {mailing_id} goes on.")


@group.command("cancel")
@by_id
@click.option("--yes", is_flag=True, help="Don't ask.")
def cancel(mailing_id: int, yes: bool) -> None:
    """End a mailing for good: what hasn't left is never sent."""
    mailing = _find(mailing_id)
    waiting = progress.totals(db.session(), mailing_id)["waiting"]
    db.session.rollback()
    if not yes:
        click.confirm(f"{waiting} letters of mailing {mailing_id} will never be sent. Cancel it?", abort=True)
    _decide(mailing.id, controlling.cancel)
    click.echo(f"Mailing {mailing_id} is cancelled.")


@group.command("release")
@by_id
def release(mailing_id: int) -> None:
    """Say yes to a mailing that was held."""
    _decide(mailing_id, controlling.release)
    click.echo(f"Mailing {mailing_id} goes out.")


@group.command("resend")
@by_id
def resend(mailing_id: int) -> None:
    """Send the letters again whose answer was lost."""
    perhaps = "There may be nothing in doubt to send again."
    count = _decide(mailing_id, controlling.send_uncertain_again, perhaps=perhaps)
    click.echo(f"{count} letters of mailing {mailing_id} are sent again.")


@group.command("retry")
@by_id
def retry(mailing_id: int) -> None:
    """Try the letters again that were refused."""
    count = _decide(mailing_id, controlling.try_refused_again, perhaps="There may be nothing refused to try again.")
    click.echo(f"{count} letters of mailing {mailing_id} are tried again.")
