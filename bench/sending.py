"""Letters a second: the embedded engine on SQLite in one process, against Postfix's load tool and a Flask-Mail loop.

All in one run against Postfix's smtp-sink on loopback, counted there. Ledger, settlement and personal links included.
Each mailing runs between two measurements of both yardsticks, and counts against their mean; the figure is the median
of all turns, with the lowest and the highest beside it.
"""

import argparse
import time

import flask_mail
from common import (
    BODY,
    at_least_in_median,
    installation,
    sink,
    take_turns,
    time_mailing,
    time_smtp_source,
    write_results,
)


def time_flask_mail(count: int) -> float:
    """Letters a second of what everybody writes first: a loop over `connection.send`."""
    with sink() as one, installation(one.port) as (app, _), app.app_context():
        began = time.monotonic()
        with flask_mail.Mail(app).connect() as connection:
            for number in range(count):
                connection.send(
                    flask_mail.Message(
                        "Tre nya mottagningar öppnar i vår",
                        recipients=[f"r{number}@example.org"],
                        body=BODY,
                        html=f"<p>{BODY * 2}</p>",
                        sender="nyheter@example.org",
                    )
                )
        seconds = time.monotonic() - began
        assert one.stop() == count
    return count / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=50_000)
    parser.add_argument("--turns", type=int, default=7)
    options = parser.parse_args()
    turns = take_turns(
        options.turns,
        lambda: time_mailing(options.subscribers),
        lambda size: time_smtp_source(options.subscribers, size),
        lambda _: time_flask_mail(1_000),
    )
    source, loop = ([turn.ratio(which) for turn in turns] for which in (0, 1))
    rows = [
        at_least_in_median("embedded, SQLite, one process, against smtp-source", source, 0.7),
        at_least_in_median("embedded, SQLite, one process, against Flask-Mail", loop, 15, digits=1),
    ]
    write_results("sending", rows)


if __name__ == "__main__":
    main()
