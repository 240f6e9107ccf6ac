"""Leaving: one button, one-click from the mail client (RFC 8058), and undo. The link's token is proof enough."""

from collections.abc import Sequence

from flask import Blueprint, abort, render_template, request
from flask.typing import ResponseReturnValue
from flask_babel import force_locale
from flask_babel import gettext as _

from newsroom import clock
from newsroom.delivery import ledger
from newsroom.extensions import db
from newsroom.news.models import Topic
from newsroom.public.signup import SMALL_FORM, secret_keys
from newsroom.subscribers import leaving
from newsroom.subscribers.models import Subscriber

bp = Blueprint("leaving", __name__, url_prefix="/avsluta/<token>/<mailing_key>")


def _find(token: str, mailing_key: str) -> tuple[Subscriber, Sequence[int]]:
    """The subscriber and the topics that a link names."""
    subscriber = leaving.find_subscriber(db.session(), token)
    topic_ids = ledger.topic_ids_of(db.session(), mailing_key)
    if subscriber is None or not topic_ids:
        abort(404)
    return subscriber, topic_ids


@bp.get("")
def show(token: str, mailing_key: str) -> ResponseReturnValue:
    """Show what would end, and one button."""
    subscriber, topic_ids = _find(token, mailing_key)
    active = leaving.active_subscriptions(db.session(), subscriber, topic_ids)
    return render_template("public/leave.html", topics=[one.topic for one in active])


@bp.post("")
def leave(token: str, mailing_key: str) -> ResponseReturnValue:
    """End what the letter came for; a second time there is nothing left to end, and that is fine."""
    request.max_content_length = SMALL_FORM
    subscriber, topic_ids = _find(token, mailing_key)
    one_click = request.form.get("List-Unsubscribe") == "One-Click"
    now = clock.now()
    ended = leaving.leave(db.session(), subscriber, topic_ids, source="one-click" if one_click else "web", now=now)
    db.session.commit()
    if one_click:
        with force_locale(subscriber.language):
            return _("You no longer get these letters.") + "\n", 200, {"Content-Type": "text/plain; charset=utf-8"}
    undo_token = leaving.make_undo_token(ended, keys=secret_keys(), now=now) if ended else None
    topics = [one.topic for one in ended] or [db.session.get_one(Topic, one) for one in topic_ids]
    return render_template("public/left.html", topics=topics, undo_token=undo_token)


@bp.post("/angra")
def undo(token: str, mailing_key: str) -> ResponseReturnValue:
    """Take the leaving back."""
    request.max_content_length = SMALL_FORM
    subscriber, _topic_ids = _find(token, mailing_key)
    try:
        restored = leaving.undo(
            db.session(),
            subscriber,
            request.form.get("undo", ""),
            keys=secret_keys(),
            source="undo",
            now=clock.now(),
        )
    except leaving.CannotUndo:
        return render_template("public/cannot_undo.html"), 410
    db.session.commit()
    return render_template("public/restored.html", topics=[one.topic for one in restored])
