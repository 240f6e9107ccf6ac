"""Seconds from "publish" to the last row of the ledger: a million subscribers who follow one to four of seven topics.

The item has all seven topics, so every subscriber gets one row, whichever of 98 sets of topics they follow. `tick` is
called as the engine calls it; what it takes to compose the 98 editions, and to let them be sent, is in the figure too.
"""

import argparse
import itertools
import time

import sqlalchemy as sa
from common import Row, at_most, db, fill, installation, postgres, publish, write_results
from sqlalchemy.orm import Session

from newsroom import clock
from newsroom.delivery.models import Delivery
from newsroom.delivery.ticking import tick
from newsroom.engine.rules import rules_of
from newsroom.news.slugs import make_slug
from newsroom.news.topics import START_TOPICS

SEVEN = [make_slug(name) for name, _, children in START_TOPICS if not children][:7]
WISHES = [wish for size in range(1, 5) for wish in itertools.combinations(SEVEN, size)]
GIVE_UP_SECONDS = 600
NO_MAIL_SERVER = 9


def time_matching(count: int, **settings: object) -> float:
    """Seconds that `tick` takes until each of so many subscribers has their row."""
    with installation(NO_MAIL_SERVER, **settings) as (app, _):
        fill(app, count, wishes=WISHES)
        publish(app, SEVEN)
        rules = rules_of(app)
        with app.app_context(), Session(db.engine) as session:
            began = time.monotonic()
            while tick(session, rules, now=clock.now()):
                if time.monotonic() - began > GIVE_UP_SECONDS:
                    raise SystemExit(f"matching isn't done after {GIVE_UP_SECONDS} s")
            seconds = time.monotonic() - began
            rows = session.scalar(sa.select(sa.func.count(Delivery.id))) or 0
            assert rows == count, f"{rows} rows for {count} subscribers"
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=1_000_000)
    count = parser.parse_args().subscribers
    rows: list[Row] = []
    with postgres() as address:
        seconds = time_matching(count, SQLALCHEMY_DATABASE_URI=address)
    rows.append(at_most(f"{count:,} ledger rows, PostgreSQL, seconds", seconds, 30, digits=1))
    rows.append(at_most(f"{count:,} ledger rows, SQLite, seconds", time_matching(count), 60, digits=1))
    write_results("matching", rows)


if __name__ == "__main__":
    main()
