"""Letters a second: the embedded engine on SQLite in one process, against Postfix's load tool and a Flask-Mail loop.

All in one run against Postfix's smtp-sink on loopback, counted there. Ledger, settlement and personal links included.
"""

import argparse
import subprocess
import time

import flask_mail
import sqlalchemy as sa
from common import BODY, ask, fill, installation, need, process, publish, sink, write_results

from newsroom.delivery.models import Edition, Mailing


def time_smtp_source(count: int, size: int) -> float:
    """Letters a second of smtp-source with 8 sessions that stay open, its fastest way."""
    with sink() as one:
        began = time.monotonic()
        options = ["-d", "-s", "8", "-m", str(count), "-l", str(size), "-f", "a@example.org", "-t", "b@example.org"]
        subprocess.run([need("smtp-source", "postfix"), *options, f"127.0.0.1:{one.port}"], check=True)
        seconds = time.monotonic() - began
        assert one.stop() == count
    return count / seconds


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


def time_embedded(count: int) -> tuple[float, int]:
    """Letters a second from the press of "publish" to a finished mailing, and a letter's size in octets."""
    with sink() as one, installation(one.port) as (app, environ):
        fill(app, count)
        with process(environ, "engine", "run"):
            time.sleep(3)
            began = time.monotonic()
            publish(app)
            while ask(app, sa.select(Mailing.state)) != "done":
                time.sleep(0.05)
            seconds = time.monotonic() - began
        came = one.stop()
        assert came == count, f"{came} of {count} letters came"
        size = ask(app, sa.select(sa.func.length(Edition.letter)))
    return count / seconds, size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=50_000)
    count = parser.parse_args().subscribers
    ours, size = time_embedded(count)
    source = time_smtp_source(20_000, size)
    loop = time_flask_mail(1_000)
    print(f"embedded {ours:.0f}/s, smtp-source {source:.0f}/s, Flask-Mail loop {loop:.0f}/s, letters of {size} octets")
    rows = [
        {"what": "embedded, SQLite, one process, against smtp-source", "value": round(ours / source, 2), "must": 0.7},
        {"what": "embedded, SQLite, one process, against Flask-Mail", "value": round(ours / loop, 1), "must": 15},
    ]
    write_results("sending", [row | {"met": row["value"] >= row["must"]} for row in rows])


if __name__ == "__main__":
    main()
