"""Leaving: one button, one-click from the mail client (RFC 8058), and undo. The link's token is proof enough.

A letter's link ends what the letter came for; two more end one of its topics, or everything. None of them shows what
else its subscriber follows, because letters are forwarded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import force_locale
from flask_babel import gettext as _

from newsroom import clock
from newsroom.delivery import ledger
from newsroom.extensions import db
from newsroom.news.models import Topic
from newsroom.public.signup import SMALL_FORM, secret_keys
from newsroom.subscribers import leaving
from newsroom.subscribers.models import Subscriber, Subscription

bp = Blueprint("leaving", __name__, url_prefix="/avsluta/<token>/<mailing_key>")


@dataclass(frozen=True)
class _Link:
    """What a letter's link names: who has now what it ends, and the topics that it came for."""

    token: str
    mailing_key: str
    subscriber: Subscriber
    topics: Sequence[Topic]

    def to(self, endpoint: str, **values: Any) -> str:
        """Another page of the same letter."""
        return url_for(endpoint, token=self.token, mailing_key=self.mailing_key, **values)


def _find(token: str, mailing_key: str) -> _Link:
    subscriber = leaving.find_subscriber(db.session(), token)
    if subscriber is None:
        abort(404)
    owner = leaving.owner_of(db.session(), subscriber)
    # A merged subscriber's letters have moved to the owner, but for those that both had.
    for one in (subscriber, owner):
        topic_ids = ledger.topic_ids_named(db.session(), mailing_key=mailing_key, subscriber_id=one.id)
        if topic_ids:
            break
    else:
        abort(404)
    return _Link(token, mailing_key, owner, [db.session.get_one(Topic, one) for one in topic_ids])


def _find_topic(token: str, mailing_key: str, slug: str) -> tuple[_Link, Topic]:
    """A letter's link with one of its topics; any other topic is not found, so that nobody can try them out."""
    link = _find(token, mailing_key)
    topic = next((one for one in link.topics if one.slug == slug), None)
    if topic is None:
        abort(404)
    return link, topic


def _active(link: _Link, topics: Sequence[Topic]) -> Sequence[Subscription]:
    return leaving.active_subscriptions(db.session(), link.subscriber, [one.id for one in topics])


@bp.get("")
def show(token: str, mailing_key: str) -> ResponseReturnValue:
    """Show what would end, and one button."""
    link = _find(token, mailing_key)
    return render_template("public/leave.html", link=link, topics=[one.topic for one in _active(link, link.topics)])


@bp.get("/amne/<slug>")
def show_topic(token: str, mailing_key: str, slug: str) -> ResponseReturnValue:
    """Show one topic that would end, and one button."""
    link, topic = _find_topic(token, mailing_key, slug)
    return render_template("public/leave.html", link=link, topics=[one.topic for one in _active(link, [topic])])


@bp.get("/alla")
def show_all(token: str, mailing_key: str) -> ResponseReturnValue:
    """Ask whether everything should end, and show one button."""
    link = _find(token, mailing_key)
    count = leaving.count_active(db.session(), link.subscriber)
    return render_template("public/leave_all.html", link=link, count=count)


@bp.post("")
def leave(token: str, mailing_key: str) -> ResponseReturnValue:
    """End what the letter came for; a second time there is nothing left to end, and that is fine."""
    request.max_content_length = SMALL_FORM
    link = _find(token, mailing_key)
    return _end(link, link.topics)


@bp.post("/amne/<slug>")
def leave_topic(token: str, mailing_key: str, slug: str) -> ResponseReturnValue:
    """End one of the topics that the letter came for."""
    request.max_content_length = SMALL_FORM
    link, topic = _find_topic(token, mailing_key, slug)
    return _end(link, [topic])


@bp.post("/alla")
def leave_all(token: str, mailing_key: str) -> ResponseReturnValue:
    """End everything that the letter's subscriber follows."""
    request.max_content_length = SMALL_FORM
    return _end(_find(token, mailing_key), None)


def _end(link: _Link, topics: Sequence[Topic] | None) -> ResponseReturnValue:
    """End these topics, or all; answer a mail client with a line, and a person with a page."""
    one_click = request.form.get("List-Unsubscribe") == "One-Click"
    source, now = "one-click" if one_click else "web", clock.now()
    if topics is None:
        ended = leaving.leave_all(db.session(), link.subscriber, source=source, now=now)
    else:
        ended = leaving.leave(db.session(), link.subscriber, [one.id for one in topics], source=source, now=now)
    db.session.commit()
    if one_click:
        with force_locale(link.subscriber.language):
            return _("You no longer get these letters.") + "\n", 200, {"Content-Type": "text/plain; charset=utf-8"}
    return render_template(
        "public/left.html",
        link=link,
        everything=topics is None,
        ended=len(ended),
        topics=[one.topic for one in ended] if ended else topics,
        left=leaving.count_active(db.session(), link.subscriber),
        undo_token=leaving.make_undo_token(ended, keys=secret_keys(), now=now) if ended else None,
    )


@bp.post("/angra")
def undo(token: str, mailing_key: str) -> ResponseReturnValue:
    """Take the leaving back."""
    request.max_content_length = SMALL_FORM
    link = _find(token, mailing_key)
    try:
        restored = leaving.undo(
            db.session(),
            link.subscriber,
            request.form.get("undo", ""),
            keys=secret_keys(),
            source="undo",
            now=clock.now(),
        )
    except leaving.CannotUndo:
        return render_template("public/cannot_undo.html"), 410
    db.session.commit()
    named = {topic.id for topic in link.topics}
    return render_template(
        "public/restored.html",
        topics=[one.topic for one in restored if one.topic_id in named],
        others=sum(one.topic_id not in named for one in restored),
    )
