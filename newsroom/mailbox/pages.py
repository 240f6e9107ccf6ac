"""The mailbox's pages: for people at /dev/mailbox, for programs at /dev/mailbox.json.

The desk hangs the same pages in behind its login.
"""

from pathlib import Path

from flask import Blueprint, Flask, Response, abort, current_app, jsonify, render_template, request, url_for
from flask.typing import ResponseReturnValue

from config import is_loopback
from newsroom.mailbox.store import CaughtLetter, MailboxStore, parse, part_text

bp = Blueprint("mailbox", __name__, url_prefix="/dev")

PER_PAGE = 100
LARGEST_NUMBER = 2**63 - 1  # SQLite's integer; the addresses below know it too.


def init_app(app: Flask) -> None:
    """Hang the mailbox into the app; refuses where strangers could reach it."""
    if not is_loopback(app.config["PUBLIC_URL"]):
        raise RuntimeError("The catching mailbox only runs where the public address is this very machine.")
    app.register_blueprint(bp)


def _store() -> MailboxStore:
    return MailboxStore(Path(current_app.instance_path))


def _read_number(text: str) -> int:
    """A number that the store can look for. Raises ValueError."""
    number = int(text)
    if abs(number) > LARGEST_NUMBER:
        raise ValueError
    return number


def _read(letter_id: int) -> tuple[CaughtLetter, bytes]:
    found = _store().read(letter_id)
    if found is None:
        abort(404)
    return found


@bp.get("/mailbox")
def letters() -> str:
    """List the letters, newest first."""
    before = request.args.get("before", type=_read_number)
    to = request.args.get("to") or None
    found = _store().list(to=to, before=before, limit=PER_PAGE + 1)
    return render_template("mailbox/list.html", letters=found[:PER_PAGE], more=len(found) > PER_PAGE, to=to)


@bp.get("/mailbox.json")
def letters_for_programs() -> Response:
    """List the letters, newest first; `to` and `limit` narrow the list."""
    found = _store().list(to=request.args.get("to") or None, limit=request.args.get("limit", -1, type=_read_number))
    response = jsonify(
        [
            {
                "id": one.id,
                "from": one.sender,
                "to": one.to,
                "subject": one.subject,
                "message_id": one.message_id,
                "received_at": one.received_at,
                "eml": current_app.config["PUBLIC_URL"] + url_for(".source", letter_id=one.id),
            }
            for one in found
        ]
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@bp.get("/mailbox/<int(max=9223372036854775807):letter_id>")
def letter(letter_id: int) -> str:
    """Show one letter: as HTML, as text, and its header."""
    caught, raw = _read(letter_id)
    parsed = parse(raw)
    head = raw.replace(b"\r\n", b"\n").split(b"\n\n", 1)[0].decode("utf-8", "replace")
    return render_template(
        "mailbox/letter.html", caught=caught, text=part_text(parsed, "plain"), head=head, subject=parsed["Subject"]
    )


@bp.get("/mailbox/<int(max=9223372036854775807):letter_id>.html")
def html(letter_id: int) -> ResponseReturnValue:
    """Serve the HTML part alone, as locked in as a mail client would have it."""
    _caught, raw = _read(letter_id)
    response = Response(part_text(parse(raw), "html"), mimetype="text/html")
    response.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'; "
        "sandbox allow-popups allow-popups-to-escape-sandbox allow-top-navigation-by-user-activation"
    )
    return response


@bp.get("/mailbox/<int(max=9223372036854775807):letter_id>.eml")
def source(letter_id: int) -> ResponseReturnValue:
    """Serve the raw letter."""
    _caught, raw = _read(letter_id)
    return Response(raw, mimetype="message/rfc822")
