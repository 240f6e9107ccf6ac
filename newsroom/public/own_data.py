"""What we know about a subscriber: the letters sent to them, all of it as a file, and erasing it."""

from flask import Blueprint, Response, abort, current_app, make_response, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from newsroom import clock
from newsroom.delivery import erasing as ledger_erasing
from newsroom.delivery import exporting, history
from newsroom.extensions import DATABASE_ERRORS, db, describe_failure, reading
from newsroom.public import login, reader
from newsroom.public.frame import refuse_other_sites
from newsroom.public.listing import read_page_number
from newsroom.public.signup import SMALL_FORM, secret_keys
from newsroom.public.telling import name_of_letter, tell_state
from newsroom.subscribers import erasing
from newsroom.subscribers.models import Subscriber

bp = Blueprint("own_data", __name__, url_prefix="/mina-amnen")
bp.after_request(reader.keep_private)

PER_PAGE = 20


@bp.get("/brev")
def letters() -> ResponseReturnValue:
    """List the letters that were sent, or are on their way, the latest first."""
    subscriber = reader.find_reader()
    if subscriber is None:
        return login.show_form()
    number = read_page_number()
    found = history.letters_of(db.session(), subscriber.id, skip=(number - 1) * PER_PAGE, most=PER_PAGE + 1)
    if not found and number > 1:
        abort(404)
    return render_template(
        "public/letters.html",
        letters=found[:PER_PAGE],
        more=len(found) > PER_PAGE,
        number=number,
        name_of=name_of_letter,
        tell=tell_state,
    )


@bp.get("/uppgifter.json")
def download() -> ResponseReturnValue:
    """Hand over all that we know about the subscriber, as one file."""
    subscriber = reader.find_reader()
    if subscriber is None:
        return login.show_form(403)
    text = exporting.write(exporting.collect(db.session(), subscriber, now=clock.now()))
    name = "mina-uppgifter.json" if subscriber.language == "sv" else "my-data.json"
    return Response(
        text,
        content_type="application/json; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}"'},
    )


def _show_erase(
    subscriber: Subscriber, code: int = 200, *, block: bool = False, errors: dict[str, str] | None = None
) -> ResponseReturnValue:
    return render_template("public/erase.html", subscriber=subscriber, block=block, errors=errors or {}), code


@bp.get("/radera")
def show_erase() -> ResponseReturnValue:
    """Say what goes and what remains, and show one button."""
    subscriber = reader.find_reader()
    return login.show_form() if subscriber is None else _show_erase(subscriber)


@bp.post("/radera")
def erase() -> ResponseReturnValue:
    """Erase all that is about the subscriber."""
    request.max_content_length = SMALL_FORM
    refuse_other_sites()
    block = request.form.get("block") == "yes"
    with reading():
        subscriber = reader.find_reader()
        if subscriber is None:
            return login.show_form(403)
        address = subscriber.address
        db.session.rollback()
    now = clock.now()
    try:
        erasing.erase(db.session(), subscriber, block=block, keys=secret_keys(), now=now)
        ledger_erasing.forget_subscriber(db.session(), subscriber.id, now=now)
        db.session.commit()
    except DATABASE_ERRORS as error:
        db.session.rollback()
        current_app.logger.error("a subscriber could not be erased: %s", describe_failure(error))
        with reading():
            text = _("We can't erase right now, so everything is as it was. Try again in a while.")
            return _show_erase(subscriber, 503, block=block, errors={"form": text})
    page = render_template("public/erased.html", address=address, block=block)
    return reader.take_cookie(make_response(page))
