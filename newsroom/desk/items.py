"""Items at the desk: list, write, see as readers will, publish now or at a time, withdraw."""

import datetime as dt
from dataclasses import dataclass, field

import sqlalchemy as sa
from flask import Blueprint, current_app, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from sqlalchemy.orm.exc import StaleDataError

from newsroom import clock
from newsroom.delivery import installation, overview, progress
from newsroom.desk import guarding, wording
from newsroom.extensions import DATABASE_ERRORS, db, describe_failure, reading
from newsroom.news import publishing, topics
from newsroom.news.models import Item
from newsroom.news.writing import BadText, ItemText, change_item, write_item
from newsroom.times import is_plain_time, read_local_time

bp = Blueprint("desk", __name__, url_prefix="/desk")

NEWEST = 100
ITEM = "/items/<int(max=2147483647):item_id>"  # A larger number is no item's, and more than SQLite takes.


@dataclass
class ItemForm:
    """What an editor typed, and what is wrong with it, by field. Nothing typed is ever dropped."""

    headline: str = ""
    lede: str = ""
    body: str = ""
    facts: str = ""
    language: str = "sv"
    topics: list[str] = field(default_factory=list)
    announce: bool = True
    urgent: bool = False
    correction: str = ""
    announce_correction: bool = False
    version: int = 0
    errors: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_request(cls) -> "ItemForm":
        return cls(
            headline=request.form.get("headline", ""),
            lede=request.form.get("lede", ""),
            body=request.form.get("body", ""),
            facts=request.form.get("facts", ""),
            language=request.form.get("language", ""),
            topics=request.form.getlist("topics"),
            announce="announce" in request.form,
            urgent="urgent" in request.form,
            correction=request.form.get("correction", ""),
            announce_correction="announce_correction" in request.form,
            version=request.form.get("version", 0, type=int),
        )

    @classmethod
    def from_item(cls, item: Item) -> "ItemForm":
        return cls(
            headline=item.headline,
            lede=item.lede,
            body=item.body,
            facts=item.facts,
            language=item.language,
            topics=[topic.slug for topic in item.topics],
            announce=item.announce,
            urgent=item.urgent,
            version=item.version,
        )

    def text(self) -> ItemText:
        return ItemText(self.headline, self.lede, self.body, self.facts, self.language)


@bp.before_request
def let_editors_in() -> ResponseReturnValue | None:
    """Ask who it is; a form that was typed into meanwhile is shown again, not thrown away."""
    return guarding.let_editors_in(
        back=url_for("desk.items"), keep=_form_kept if request.endpoint in ("desk.save", "desk.add") else None
    )


def _form_kept(problem: str, code: int) -> ResponseReturnValue:
    form = ItemForm.from_request()
    form.errors["form"] = problem
    item_id = (request.view_args or {}).get("item_id")
    with reading():
        return _show_form(form, item_id, code)


def _show_form(form: ItemForm, item_id: int | None, code: int = 200) -> ResponseReturnValue:
    found = topics.all_topics(db.session())
    item = db.session.get(Item, item_id) if item_id is not None else None
    can_correct = item is not None and publishing.is_published(item, by=clock.now())
    return render_template(
        "desk/edit.html", form=form, item_id=item_id, topics=found, can_correct=can_correct or form.correction
    ), code


@bp.get("/")
def items() -> str:
    """List drafts, what waits for its time, and what is out."""
    newest = sa.select(Item).order_by(sa.func.coalesce(Item.published_at, Item.updated_at).desc(), Item.id.desc())
    found = db.session.scalars(newest.limit(NEWEST)).all()
    return render_template(
        "desk/items.html",
        items=found,
        now=clock.now(),
        needing=overview.count_needing_a_person(db.session()),
        strangers=installation.pending(db.session()),
    )


@bp.get("/items/new")
def new() -> ResponseReturnValue:
    """Show an empty form."""
    return _show_form(ItemForm(), None)


@bp.post("/items/new")
def add() -> ResponseReturnValue:
    """Save a new draft."""
    return _save(None)


@bp.get(f"{ITEM}/edit")
def edit(item_id: int) -> ResponseReturnValue:
    """Show the form with an item's words in it."""
    return _show_form(ItemForm.from_item(db.get_or_404(Item, item_id)), item_id)


@bp.post(f"{ITEM}/edit")
def save(item_id: int) -> ResponseReturnValue:
    """Save an item's new words, unless somebody else has saved meanwhile."""
    return _save(item_id)


def _save(item_id: int | None) -> ResponseReturnValue:
    form = ItemForm.from_request()
    code, raised = 422, False
    try:
        item = db.get_or_404(Item, item_id) if item_id is not None else None
        if item is not None and item.version != form.version:
            raise StaleDataError
        chosen = topics.find_topics(db.session(), form.topics)
        now = clock.now()
        if item is None:
            domain = current_app.config["MAIL_DOMAIN"]
            item = write_item(
                db.session(),
                form.text(),
                chosen,
                now=now,
                domain=domain,
                announce=form.announce,
                urgent=form.urgent,
            )
        else:
            raised = form.urgent and not item.urgent and form.announce and publishing.is_published(item, by=now)
            change_item(item, form.text(), chosen, now=now)
            item.announce, item.urgent = form.announce, form.urgent
            _correct(item, form, now=now)
        db.session.commit()
    except BadText as error:
        form.errors |= {name: str(reason) for name, reason in error.problems}
    except topics.UnknownTopic:
        form.errors["topics"] = _("One of the topics isn't there any more. Choose again.")
    except publishing.NotPublished:
        form.errors["correction"] = _("Nobody can read this item, so there is nothing to correct. Empty this line.")
    except StaleDataError:
        code = 409
        form.errors["form"] = _(
            "Somebody else has saved this item since you opened it. Your text is below; open the item in another tab "
            "to see theirs. Saving once more replaces it with yours."
        )
    except DATABASE_ERRORS as error:
        code = 503
        current_app.logger.error("an item could not be saved: %s", describe_failure(error))
        form.errors["form"] = _("We can't save right now. What you wrote is still here; try again in a while.")
    else:
        flash(
            _("Saved as an important message. Letters leave within a minute to everybody who hasn't had one about it.")
            if raised
            else _("Saved."),
            "success",
        )
        return redirect(url_for("desk.item", item_id=item.id), 303)
    db.session.rollback()
    with reading():
        if code == 409:
            form.version = db.get_or_404(Item, item_id).version
        return _show_form(form, item_id, code)


def _correct(item: Item, form: ItemForm, *, now: dt.datetime) -> None:
    """Add the correction that an editor wrote a line about; one to be sent needs its line."""
    if form.correction.strip() or form.announce_correction:
        publishing.correct(item, form.correction, announce=form.announce_correction, now=now)


@bp.get(ITEM)
def item(item_id: int) -> ResponseReturnValue:
    """Show an item as it will look, with what can be done and who was reached."""
    return _show_item(item_id)


def _show_item(item_id: int, *, publish_at: str = "", error: str = "", code: int = 200) -> ResponseReturnValue:
    found = db.get_or_404(Item, item_id)
    now = clock.now()
    mailings = [
        (mailing, wording.phase_of(mailing, now=now), progress.totals(db.session(), mailing.id))
        for mailing in db.session.scalars(overview.of_item(found.id))
    ]
    page = render_template(
        "desk/item.html",
        item=found,
        now=now,
        mailings=mailings,
        publish_at=publish_at,
        is_time=not publish_at or is_plain_time(publish_at),
        error=error,
    )
    return page, code


@bp.post(f"{ITEM}/publish")
def publish(item_id: int) -> ResponseReturnValue:
    """Publish an item now or at the time the form names."""
    found = db.get_or_404(Item, item_id)
    now = clock.now()
    wanted = request.form.get("publish_at", "").strip() if request.form.get("when") == "later" else ""
    error = ""
    try:
        at = read_local_time(wanted, current_app.config["TIME_ZONE"]) if request.form.get("when") == "later" else now
        if at < now:
            error = _("That time has passed. Choose a later one, or publish now.")
        else:
            publishing.publish(found, at=at, now=now)
    except ValueError:
        error = _("Write a date and a time that the clock shows, such as 2026-11-24 09:30.")
    except publishing.AlreadyPublished:
        error = _("This item is already published.")
    except publishing.NotReady:
        error = _("Choose at least one topic first; otherwise nobody can follow it.")
    if error:
        db.session.rollback()
        return _show_item(item_id, publish_at=wanted, error=error, code=422)
    db.session.commit()
    flash(
        _("Published. Letters leave within a minute.") if at == now else _("It will be published by itself."),
        "success",
    )
    return redirect(url_for("desk.item", item_id=item_id), 303)


@bp.post(f"{ITEM}/withdraw")
def withdraw(item_id: int) -> ResponseReturnValue:
    """Take an item off the site, or back to being a draft."""
    publishing.withdraw(db.get_or_404(Item, item_id), now=clock.now())
    db.session.commit()
    flash(_("The item can't be read any more."), "success")
    return redirect(url_for("desk.item", item_id=item_id), 303)
