"""What a first start fills in, so that there is something to see: topics, invented news and invented subscribers."""

import csv
import datetime as dt
import tomllib
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.orm import Session

from newsroom.news import publishing, topics
from newsroom.news.models import Item
from newsroom.news.writing import ItemText, write_item
from newsroom.subscribers.addresses import read_address
from newsroom.subscribers.models import Signup, Subscriber
from newsroom.subscribers.signup import ask, confirm


def is_empty(session: Session) -> bool:
    """Whether nobody has written or subscribed yet."""
    return not (session.scalar(sa.select(Item.id).limit(1)) or session.scalar(sa.select(Subscriber.id).limit(1)))


def fill(session: Session, folder: Path, *, domain: str, now: dt.datetime) -> tuple[int, int]:
    """Add the demo's topics, items and subscribers; says how many items and subscribers. No letters leave for them."""
    topics.add_start_topics(session)
    items = tomllib.loads((folder / "items.toml").read_text())["items"]
    for entry in reversed(items):
        at: dt.datetime = entry["published_at"]
        text = ItemText(entry["headline"], entry["lede"], entry["body"], entry.get("facts", ""), entry["language"])
        chosen = topics.find_topics(session, entry["topics"])
        item = write_item(session, text, chosen, now=at, domain=domain, announce=False)
        publishing.publish(item, at=at, now=at - dt.timedelta(seconds=1))
    with (folder / "subscribers.csv").open(newline="") as file:
        people = list(csv.DictReader(file))
    for person in people:
        ask(
            session,
            read_address(person["address"]),
            topics.find_topics(session, person["topics"].split(";")),
            frequency=person["frequency"],
            language=person["language"],
            source="demo",
            consent_text="",
            now=now,
            letters_per_hour=1,
        )
    for signup in session.scalars(sa.select(Signup).where(Signup.source == "demo", Signup.confirmed_at.is_(None))):
        confirm(session, signup, now=now)
    return len(items), len(people)
