"""How long a reader waits for a search, and for the deepest page of the news, with 100,000 items.

Through the site's own view: the whole WSGI app in this process, with no network between. The items are invented, of
some 150 words each, whose frequencies fall as they do in a language; so the questions range from words that stand in
nearly every item to words that stand in a handful, alone and together, by relevance and by date, in a year and a topic.
"""

import argparse
import datetime as dt
import itertools
import math
import random
import statistics
import time
from collections.abc import Iterable, Iterator
from typing import Any
from urllib.parse import quote

import sqlalchemy as sa
from common import Row, at_most, clock, db, for_the_record, installation, postgres, topics, write_results
from flask import Flask
from sqlalchemy.orm import Session

from newsroom.news import searching
from newsroom.news.models import Item, ItemTopic
from newsroom.public.listing import PER_PAGE

SEED = 20_270_101
BATCH = 5_000
NO_MAIL_SERVER = 9
LIMIT_MS = 100
ROUNDS = 20
PARTS = """
av be för in kom med ny om på sam till upp ut vård över åter
arbet beslut bidrag byggn drift forsk gift hand jour klinik konst led mottagn plan resa skol spår stöd trafik vatt
en et ar er or arna erna orna ens ning ningen ningar ningarna
"""
BEGINNINGS, MIDDLES, ENDINGS = (line.split() for line in PARTS.strip().splitlines())
WORDS = [
    "".join(parts)
    for parts in itertools.chain(
        itertools.product(BEGINNINGS, MIDDLES), itertools.product(BEGINNINGS, MIDDLES, MIDDLES)
    )
]


def make_text(chance: random.Random, forms: list[str], weights: list[float], count: int) -> str:
    """So many words as sentences of twelve, parted into paragraphs of five."""
    words = chance.choices(forms, cum_weights=weights, k=count)
    sentences = [" ".join(words[at : at + 12]).capitalize() + "." for at in range(0, count, 12)]
    return "\n\n".join(" ".join(sentences[at : at + 5]) for at in range(0, len(sentences), 5))


def shuffled_forms(chance: random.Random) -> list[str]:
    """Every word in each of its forms, the most frequent first; which ones those are is left to chance."""
    forms = [word + ending for word in WORDS for ending in ("", *ENDINGS)]
    chance.shuffle(forms)
    return forms


def make_items(count: int) -> Iterator[dict[str, Any]]:
    """Invented items, always the same, one an hour back from now."""
    chance = random.Random(SEED)
    forms = shuffled_forms(chance)
    weights = list(itertools.accumulate(1 / (rank + 20) for rank in range(len(forms))))
    now = clock.now()
    for number in range(1, count + 1):
        at = now - dt.timedelta(hours=count - number, minutes=1)
        yield {
            "id": number,
            "slug": f"nyhet-{number}",
            "guid": f"tag:example.org,2026:nyhet-{number}",
            "headline": make_text(chance, forms, weights, 8),
            "lede": make_text(chance, forms, weights, 24),
            "body": make_text(chance, forms, weights, 120),
            "facts": "",
            "language": "en" if number % 10 == 0 else "sv",
            "announce": False,
            "urgent": False,
            "version": 1,
            "created_at": at,
            "updated_at": at,
            "published_at": at,
        }


def fill(app: Flask, count: int) -> None:
    """Write the items and their topics, and index them."""
    chance = random.Random(SEED)
    with app.app_context(), Session(db.engine) as session:
        topics.add_start_topics(session)
        ids = [topic.id for topic in topics.all_topics(session)]
        shares = [1 / (rank + 1) for rank in range(len(ids))]
        making = make_items(count)
        while rows := list(itertools.islice(making, BATCH)):
            session.execute(sa.insert(Item), rows)
            links = [
                {"item_id": row["id"], "topic_id": topic_id, "position": place}
                for row in rows
                for place, topic_id in enumerate(dict.fromkeys(chance.choices(ids, shares, k=2)))
            ]
            session.execute(sa.insert(ItemTopic), links)
        session.commit()
        began = time.monotonic()
        searching.index_everything(session.connection())
        session.commit()
        print(f"indexed {count:,} items in {time.monotonic() - began:.0f} s", flush=True)
        if session.get_bind().dialect.name == "postgresql":
            with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
                # As autovacuum does after a table has grown.
                connection.exec_driver_sql("VACUUM ANALYZE item, item_topic, item_search")


def make_addresses(count: int) -> Iterator[str]:
    """Searches as readers make them: one to three words, half of them cut short, some within a topic or a year."""
    chance = random.Random(SEED + 1)
    forms = shuffled_forms(random.Random(SEED))
    for number in range(count):
        # Evenly over the order of magnitude of the words' ranks: some stand in most items, most in few.
        words = [forms[int(len(forms) ** chance.random()) - 1] for _ in range(chance.choice((1, 1, 1, 2, 2, 3)))]
        if number % 2:
            words[-1] = words[-1][: max(4, len(words[-1]) - 2)]
        address = f"/nyheter?q={quote(' '.join(words))}"
        address += ("", "&ordning=datum", "&amne=kultur", f"&ar={clock.now().year}", "&sida=2")[number % 5]
        yield address


def time_views(app: Flask, addresses: Iterable[str], *, rounds: int = 1) -> list[float]:
    """Milliseconds that each address takes, the shortest first; a page that isn't there is as good a page."""
    client = app.test_client()
    took = []
    for address in list(addresses) * rounds:
        began = time.perf_counter()
        answer = client.get(address)
        took.append((time.perf_counter() - began) * 1000)
        assert answer.status_code in (200, 404), f"{answer.status_code} at {address}"
    return sorted(took)


def percentile(took: list[float], share: float) -> float:
    return took[math.ceil(share * len(took)) - 1]


def measure(name: str, items: int, searches: int, **settings: object) -> Iterator[Row]:
    """Fill a database of a kind, and time its views."""
    with installation(NO_MAIL_SERVER, **settings) as (app, _):
        fill(app, items)
        time_views(app, make_addresses(20))  # The first request of all imports, compiles and connects.
        took = time_views(app, make_addresses(searches))
        yield at_most(f"{name}: a search, 95 of 100 within ms", percentile(took, 0.95), LIMIT_MS, digits=1)
        yield for_the_record(f"{name}: a search, the median, ms", statistics.median(took), digits=1)
        yield for_the_record(f"{name}: the longest search, ms", took[-1], digits=1)
        for what, address in (
            ("the front page", "/"),
            ("the first page of news", "/nyheter"),
            ("the deepest page of news", f"/nyheter?sida={items // PER_PAGE}"),
            ("a topic's page", "/amnen/kultur"),
            ("a topic's news, deep", f"/amnen/kultur?sida={items // PER_PAGE // 4}"),
            ("all topics", "/amnen"),
            ("an item", f"/nyheter/nyhet-{items // 2}"),
        ):
            slow = percentile(time_views(app, [address], rounds=ROUNDS), 0.95)
            yield at_most(f"{name}: {what}, 95 of 100 within ms", slow, LIMIT_MS, digits=1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000)
    parser.add_argument("--searches", type=int, default=300)
    options = parser.parse_args()
    with postgres() as address:
        rows = list(measure("PostgreSQL", options.items, options.searches, SQLALCHEMY_DATABASE_URI=address))
    rows += measure("SQLite", options.items, options.searches)
    write_results("searching", rows)


if __name__ == "__main__":
    main()
