"""How long a reader waits for the confirmation while a large mailing leaves: from the form to the mail server.

`newsroom up` in production mode on SQLite: the engine in one process, the site in another. The forms come evenly from
the moment of "publish" on, so some of them while the ledger is being written.
"""

import argparse
import contextlib
import math
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

import sqlalchemy as sa
from common import (
    START_SECONDS,
    ask,
    at_most,
    fill,
    for_the_record,
    free_port,
    installation,
    process,
    publish,
    wait_for_port,
    write_results,
)

from newsroom.delivery.models import Mailing

NEWS_SENDER, CONFIRMATION_SENDER = "nyheter@example.org", "bekrafta@example.org"
PATIENCE_SECONDS = 60


@contextlib.contextmanager
def counting() -> Iterator[tuple[int, IO[bytes]]]:
    """The port of a mail server, and the file where it says when confirmations came."""
    port = free_port()
    with tempfile.TemporaryFile() as said:
        words = [Path(__file__).with_name("counting.py"), port, CONFIRMATION_SENDER]
        server = subprocess.Popen([sys.executable, *map(str, words)], stdout=said)
        try:
            wait_for_port(port)
            yield port, said
        finally:
            server.terminate()
            server.wait()


def read_arrivals(said: IO[bytes]) -> dict[str, float]:
    """When each address's confirmation came."""
    said.seek(0)
    lines = [line.split() for line in said.read().decode().splitlines(keepends=True) if line.endswith("\n")]
    return {address: float(moment) for moment, address in lines}


def sign_up(site: str, address: str, at: float) -> float:
    """Send the form at a moment; gives the moment at which it was sent."""
    time.sleep(max(0.0, at - time.monotonic()))
    fields = {"email": address, "topics": "kollektivtrafik", "frequency": "direct"}
    sent = time.monotonic()
    with urllib.request.urlopen(f"{site}/prenumerera", urllib.parse.urlencode(fields).encode(), timeout=60) as answer:
        assert answer.status == 200
    return sent


def time_confirmations(subscribers: int, count: int, seconds: float) -> list[float]:
    """Seconds that so many readers wait for their confirmation, who come evenly over a time, the shortest first."""
    port = free_port()
    site = f"http://127.0.0.1:{port}"
    with counting() as (mail_port, said):
        settings = {"MODE": "production", "PUBLIC_URL": site, "PORT": port, "MAIL_DEFAULT_SENDER": NEWS_SENDER}
        more = {"MAIL_CONFIRMATION_SENDER": CONFIRMATION_SENDER, "SIGNUP_LIMIT": f"{count + 10} per minute"}
        with installation(mail_port, **settings, **more) as (app, environ):
            fill(app, subscribers)
            with process(environ, "up"), ThreadPoolExecutor(count) as readers:
                wait_for_port(port)
                time.sleep(START_SECONDS)
                began = time.monotonic()
                publish(app)
                addresses = [f"ny{number}@example.org" for number in range(count)]
                moments = [began + number * seconds / count for number in range(count)]
                sent = dict(zip(addresses, readers.map(sign_up, [site] * count, addresses, moments), strict=True))
                while len(read_arrivals(said)) < count:
                    if time.monotonic() > began + seconds + PATIENCE_SECONDS:
                        raise SystemExit(f"{len(read_arrivals(said))} of {count} confirmations came")
                    time.sleep(0.2)
                if ask(app, sa.select(Mailing.state).where(Mailing.kind == "news")) == "done":
                    raise SystemExit("The mailing was done before the last confirmation came; take more --subscribers.")
        arrived = read_arrivals(said)
    return sorted(arrived[address] - sent[address] for address in addresses)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=200_000)
    parser.add_argument("--readers", type=int, default=60)
    parser.add_argument("--seconds", type=float, default=20)
    options = parser.parse_args()
    waits = time_confirmations(options.subscribers, options.readers, options.seconds)
    rows = [
        at_most("confirmation during a mailing, 95 of 100 within seconds", waits[math.ceil(0.95 * len(waits)) - 1], 2),
        for_the_record("the median, seconds", statistics.median(waits), digits=2),
        for_the_record("the longest, seconds", waits[-1], digits=2),
    ]
    write_results("confirming", rows)


if __name__ == "__main__":
    main()
