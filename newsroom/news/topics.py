"""The topic tree: what there is, what follows what, and how a topic is added."""

from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from flask_babel import LazyString
from sqlalchemy.orm import Session

from newsroom.news.models import Topic
from newsroom.news.slugs import make_slug
from newsroom.news.start_topics import ABOUT, START_TOPICS
from newsroom.news.writing import BadText, check_line

NAME_LENGTH = 100
ABOUT_LENGTH = 400
RESERVED_SLUGS = {"all"}  # Its feed is everything's: /feeds/all.rss.


class UnknownTopic(Exception):
    """A topic that doesn't exist was asked for; the text is its slug."""


class BadTopic(Exception):
    """A topic can't stand as it was given; the text says why."""


def all_topics(session: Session) -> Sequence[Topic]:
    """Every topic, parents before their children, in the order that people see."""
    found = session.scalars(sa.select(Topic).order_by(Topic.position, Topic.id)).all()
    return [topic for parent in found if parent.parent_id is None for topic in (parent, *children_of(parent, found))]


def children_of(parent: Topic, topics: Iterable[Topic]) -> list[Topic]:
    """The children of a topic among the given ones."""
    return [topic for topic in topics if topic.parent_id == parent.id]


def find_topics(session: Session, slugs: Iterable[str]) -> list[Topic]:
    """The topics with these slugs, each once, in the order given. Raises UnknownTopic for the first unknown."""
    wanted = list(dict.fromkeys(slugs))
    known = {topic.slug: topic for topic in session.scalars(sa.select(Topic))}
    for slug in wanted:
        if slug not in known:
            raise UnknownTopic(slug)
    return [known[slug] for slug in wanted]


def reaching(topics: Iterable[Topic]) -> list[Topic]:
    """The topics whose followers an item with these topics reaches: each topic, then its parent.

    Following a parent follows its children, never the other way round.
    """
    found: dict[int, Topic] = {}
    for topic in topics:
        found[topic.id] = topic
        if topic.parent is not None:
            found.setdefault(topic.parent.id, topic.parent)
    return list(found.values())


def add_topic(session: Session, *, name: str, name_en: str = "", parent: Topic | None = None) -> Topic:
    """Add a topic at the end of its level. Raises BadTopic where it would be a third level or a double."""
    name, name_en = " ".join(name.split()), " ".join(name_en.split())
    slug = make_slug(name)
    if not slug:
        raise BadTopic("A topic needs a name with letters or digits in it.")
    for given in (name, name_en):
        if not given.isprintable():
            raise BadTopic("A topic's name can't hold control characters.")
        if len(given) > NAME_LENGTH:
            raise BadTopic(f"A topic's name has at most {NAME_LENGTH} characters; this one has {len(given)}.")
    if slug in RESERVED_SLUGS:
        raise BadTopic(f"A topic can't be called {name}: /feeds/{slug}.rss is the feed of all news.")
    if parent is not None and parent.parent_id is not None:
        raise BadTopic(f"{parent.name} stands under another topic, and topics go two levels deep.")
    if session.scalar(sa.select(Topic.id).where(sa.or_(Topic.slug == slug, Topic.name == name))):
        raise BadTopic(f"There is a topic {slug} already.")
    position = (session.scalar(sa.select(sa.func.max(Topic.position))) or 0) + 1
    topic = Topic(slug=slug, name=name, name_en=name_en or name, parent=parent, position=position)
    session.add(topic)
    session.flush()
    return topic


def describe_topic(topic: Topic, *, about: str, about_en: str) -> None:
    """Say what a topic covers, in a sentence or two in each language. Raises BadText, with every problem in it."""
    lines: dict[str, str] = {}
    problems: list[tuple[str, LazyString]] = []
    for field, text in (("about", about), ("about_en", about_en)):
        try:
            lines[field] = check_line(field, text, limit=ABOUT_LENGTH, may_be_empty=True)
        except BadText as error:
            problems += error.problems
    if problems:
        raise BadText(problems)
    topic.about, topic.about_en = lines["about"], lines["about_en"]


def add_start_topics(session: Session) -> int:
    """Add the topics that the first authority starts with, where there are none at all; says how many."""
    if session.scalar(sa.select(Topic.id).limit(1)) is not None:
        return 0
    for name, name_en, children in START_TOPICS:
        parent = add_topic(session, name=name, name_en=name_en)
        for child, child_en in children:
            add_topic(session, name=child, name_en=child_en, parent=parent)
    for topic in session.scalars(sa.select(Topic).where(Topic.slug.in_(ABOUT))):
        topic.about, topic.about_en = ABOUT[topic.slug]
    return session.scalar(sa.select(sa.func.count()).select_from(Topic)) or 0
