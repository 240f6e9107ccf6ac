"""Letters a second of a digest: 100,000 subscribers in 200 different sets of items, against the direct rate.

Ten items in ten topics, and everybody follows four topics daily, so 200 sets of followed topics are 200 editions. The
time runs from the minute at which the digest is due to the finished mailing, and both are measured in the same run.
"""

import argparse
import datetime as dt
import itertools
import time
import zoneinfo

import sqlalchemy as sa
from common import (
    SLOWEST,
    ask,
    at_least,
    fill,
    for_the_record,
    has_setting,
    installation,
    process,
    publish,
    sink,
    time_mailing,
    wait_until_done,
    write_results,
)

from newsroom import clock
from newsroom.delivery.models import Edition, Mailing
from newsroom.news.slugs import make_slug
from newsroom.news.topics import START_TOPICS

TEN = [make_slug(name) for name, _, _ in START_TOPICS]
SETS = 200
WISHES = list(itertools.combinations(TEN, 4))[:SETS]
ZONE = zoneinfo.ZoneInfo("Europe/Stockholm")
PREPARING = 10_000  # Subscribers a second, and more than half a minute for the rest.


def next_due(count: int) -> dt.datetime:
    """The first whole minute by which everything is ready."""
    ready = clock.now() + dt.timedelta(seconds=30 + count / PREPARING)
    return ready.replace(second=0, microsecond=0) + dt.timedelta(minutes=1)


def time_digest(count: int) -> float:
    """Letters a second of a daily digest, from the minute it is due to the finished mailing, counted at the sink."""
    due = next_due(count)
    at = f"{due.astimezone(ZONE):%H:%M}"
    with sink() as one:
        with installation(one.port, DIGEST_TIME=at, DAILY_DIGEST_DAYS="1 2 3 4 5 6 7") as (app, environ):
            fill(app, count, wishes=WISHES, frequency="daily")
            for number, slug in enumerate(TEN):
                publish(app, [slug], headline=f"Nyhet nummer {number + 1}", ago=dt.timedelta(minutes=10 - number))
            with process(environ, "engine", "run") as engine:
                wait = (due - clock.now()).total_seconds()
                assert wait > 0, "preparing took too long"
                time.sleep(wait)
                began = time.monotonic()
                digest = sa.and_(Mailing.kind == "daily", Mailing.period_end == due)
                wait_until_done(app, [engine], which=digest, seconds=60 + count / SLOWEST)
                seconds = time.monotonic() - began
            editions = ask(app, sa.select(sa.func.count(Edition.id)).join(Mailing).where(digest))
            octets = ask(app, sa.select(sa.func.avg(sa.func.length(Edition.letter))).join(Mailing).where(digest))
            assert editions == SETS, f"{editions} editions"
        came = one.stop()
        assert came == count, f"{came} of {count} letters came"
    print(f"letters of {octets:.0f} octets on average")
    return count / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=100_000)
    count = parser.parse_args().subscribers
    if not has_setting("DIGEST_TIME"):
        print("Not measured: this version has no digests.")
        return
    digest, direct = time_digest(count), time_mailing(count).rate
    rows = [
        at_least(f"digest in {SETS} sets of items, against the direct rate", digest / direct, 0.5),
        for_the_record("digest, letters a second", digest),
        for_the_record("direct, letters a second", direct),
    ]
    write_results("digests", rows)


if __name__ == "__main__":
    main()
