"""What a subscriber changes in their own subscription: topics, how often, the letters' language, a pause.

What is asked for is compared with what the page showed, not with what holds now: a page that stood open while a
letter's link ended a topic doesn't begin it again.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.news.models import Topic
from newsroom.subscribers import leaving
from newsroom.subscribers.models import FREQUENCIES, ConsentEvent, Subscriber
from newsroom.subscribers.signup import follow

SOURCE = "my-topics"
LONGEST_PAUSE = dt.timedelta(days=366)


@dataclass(frozen=True)
class Changes:
    """What a save changed; each topic with its frequency, where it has one now."""

    begun: Sequence[tuple[Topic, str]] = ()
    changed: Sequence[tuple[Topic, str]] = ()
    ended: Sequence[Topic] = ()
    language: str | None = None
    paused_until: dt.datetime | None = None
    resumed: bool = False

    def __bool__(self) -> bool:
        return bool(self.begun or self.changed or self.ended or self.language or self.paused_until or self.resumed)


@dataclass(frozen=True)
class Wish:
    """What a reader wants, beside what the page showed them; topics as frequency by slug."""

    shown: Mapping[str, str]
    wanted: Mapping[str, str]
    language: str
    paused_until: dt.datetime | None
    touches: frozenset[str] = field(default_factory=frozenset)  # Of "language" and "pause", what they changed.

    def topics_touched(self) -> set[str]:
        """The topics whose choice differs from what the page showed."""
        return {slug for slug in {*self.shown, *self.wanted} if self.shown.get(slug) != self.wanted.get(slug)}


def followed(session: Session, subscriber: Subscriber) -> dict[str, str]:
    """What a subscriber follows: frequency by topic's slug."""
    return {one.topic.slug: one.frequency for one in leaving.all_active_subscriptions(session, subscriber)}


def is_paused(subscriber: Subscriber, *, now: dt.datetime) -> bool:
    """Whether only important messages come at the moment."""
    return subscriber.paused_until is not None and subscriber.paused_until > now


def save(session: Session, subscriber: Subscriber, wish: Wish, *, consent_text: str, now: dt.datetime) -> Changes:
    """Let a wish hold; says what changed. A subscription is never changed: it ends, and another begins."""
    session.refresh(subscriber, with_for_update=True)
    if subscriber.erased_at is not None:
        return Changes()
    before = followed(session, subscriber)
    touched = wish.topics_touched()
    topics = {
        topic.slug: topic
        for topic in session.scalars(sa.select(Topic).where(Topic.slug.in_(touched)).order_by(Topic.position, Topic.id))
    }
    ended = [topic for slug, topic in topics.items() if slug not in wish.wanted and slug in before]
    begun = [(topic, wish.wanted[slug]) for slug, topic in topics.items() if slug in wish.wanted and slug not in before]
    changed = [
        (topic, wish.wanted[slug])
        for slug, topic in topics.items()
        if slug in wish.wanted and before.get(slug, wish.wanted[slug]) != wish.wanted[slug]
    ]
    leaving.leave(session, subscriber, [topic.id for topic in ended], source=SOURCE, now=now)
    for kind, pairs, text in (("given", begun, consent_text), ("changed", changed, "")):
        for frequency in FREQUENCIES:
            some = [topic for topic, wanted in pairs if wanted == frequency]
            if some:
                follow(session, subscriber, some, frequency=frequency, source=SOURCE, now=now)
                _note(session, subscriber, kind, some, text=text, frequency=frequency, now=now)
    language = _speak(subscriber, wish)
    paused_until, resumed = _pause(session, subscriber, wish, now=now)
    return Changes(begun, changed, ended, language, paused_until, resumed)


def _speak(subscriber: Subscriber, wish: Wish) -> str | None:
    if "language" not in wish.touches or subscriber.language == wish.language:
        return None
    subscriber.language = wish.language
    return wish.language


def _pause(
    session: Session, subscriber: Subscriber, wish: Wish, *, now: dt.datetime
) -> tuple[dt.datetime | None, bool]:
    """Until when the letters are paused from now on, and whether a pause ended."""
    was = subscriber.paused_until if is_paused(subscriber, now=now) else None
    if "pause" not in wish.touches or wish.paused_until == was:
        return None, False
    subscriber.paused_until = wish.paused_until
    if wish.paused_until is None:
        _note(session, subscriber, "resumed", (), text="", frequency=None, now=now)
        return None, True
    _note(session, subscriber, "paused", (), text=wish.paused_until.isoformat(), frequency=None, now=now)
    return wish.paused_until, False


def _note(
    session: Session,
    subscriber: Subscriber,
    kind: str,
    topics: Iterable[Topic],
    *,
    text: str,
    frequency: str | None,
    now: dt.datetime,
) -> None:
    session.add(
        ConsentEvent(
            subscriber_id=subscriber.id,
            kind=kind,
            text=text,
            topics=[topic.slug for topic in topics],
            frequency=frequency,
            source=SOURCE,
            happened_at=now,
        )
    )
