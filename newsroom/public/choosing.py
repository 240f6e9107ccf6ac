"""Topics, and how often letters about them come: what the sign-up and My topics ask for in the same way.

parts/choosing.html shows it, subscribing.js keeps its estimate up to date.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from flask import current_app
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from newsroom import clock
from newsroom.delivery.estimating import Estimate, estimate
from newsroom.engine.rules import rules_of
from newsroom.extensions import db
from newsroom.news import topics as topic_tree
from newsroom.news.models import Topic
from newsroom.news.reading import rates_per_week
from newsroom.public.wording import say_letters, say_nothing_chosen, say_rate
from newsroom.subscribers.models import FREQUENCIES

OWN = "own"  # The choice "different for different topics"; each topic then has a field of its own.
OWN_FIELD = "frequency-"


@dataclass
class Choice:
    """Topics and frequencies as somebody chose them, and what is wrong with them, by field. Nothing is ever dropped.

    `own` has frequencies by topic's slug, for who wants some topics more often than others; `asks_own` says that the
    form should ask for them now. `came_for` is what was asked of the form, where it wasn't to be taken.
    """

    topics: list[str] = field(default_factory=list)
    frequency: str = "direct"
    own: dict[str, str] = field(default_factory=dict)
    asks_own: bool = False
    came_for: str = ""
    errors: dict[str, str] = field(default_factory=dict)

    def often(self, topic: Topic) -> str:
        """How often letters about a topic are wanted, as far as that is known."""
        chosen = self.own.get(topic.slug, "") if self.frequency == OWN else self.frequency
        return chosen if chosen in FREQUENCIES else "direct"


def read_choice(values: MultiDict[str, str]) -> dict[str, Any]:
    """What a form or a query says about topics and frequencies, as the fields of a Choice."""
    return {
        "topics": list(dict.fromkeys(values.getlist("topics"))),
        "frequency": values.get("frequency", ""),
        "own": {name.removeprefix(OWN_FIELD): value for name, value in values.items() if name.startswith(OWN_FIELD)},
        "came_for": values.get("do", ""),
    }


def check_choice(form: Choice, *, needs_some: bool) -> list[Topic]:
    """The topics that a form names. Sets what is wrong, and whether the form has to ask how often for each."""
    wanted: list[Topic] = []
    try:
        wanted = topic_tree.find_topics(db.session(), form.topics)
    except topic_tree.UnknownTopic:
        form.errors["topics"] = _("One of the topics isn't there any more. Choose again.")
    else:
        if needs_some and not wanted:
            form.errors["topics"] = _("Choose at least one topic.")
    if form.frequency == OWN:
        # Where the page could not ask for each topic by itself, the next one does.
        form.asks_own = any(topic.slug not in form.own for topic in wanted)
        known = all(form.own.get(topic.slug, "direct") in FREQUENCIES for topic in wanted)
    else:
        known = form.frequency in FREQUENCIES
    if not known:
        form.errors["frequency"] = _("Choose how often you want letters.")
    return wanted


def expect(form: Choice, topics: Sequence[Topic]) -> Estimate:
    """How many letters a form's topics would bring."""
    wishes = {topic.id: form.often(topic) for topic in topics}
    return estimate(db.session(), wishes, rules_of(current_app).schedules, by=clock.now())


def show_choice(form: Choice) -> dict[str, Any]:
    """What parts/choosing.html needs to show a form's topics and frequencies."""
    topics = topic_tree.all_topics(db.session())
    rates = rates_per_week(db.session(), by=clock.now())
    chosen = [topic for topic in topics if topic.slug in form.topics]
    return {
        "form": form,
        "topics": topics,
        "rates": {topic.id: say_rate(rates.get(topic.id)) for topic in topics},
        "expected": expect(form, chosen) if chosen else None,
        "say_letters": say_letters,
        "say_nothing_chosen": say_nothing_chosen,
        "frequencies": FREQUENCIES,
        "own": OWN,
        "own_field": OWN_FIELD,
    }
