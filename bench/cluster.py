"""Letters a second: the cluster engine on PostgreSQL and RabbitMQ with two worker processes, against smtp-source.

Both in one run against Postfix's smtp-sink on loopback, counted there. From "publish" to the finished mailing, which
runs between two measurements of the yardstick and counts against their mean; the figure is the median of all turns,
with the lowest and the highest beside it.
"""

import argparse
import socket
import statistics

from common import (
    Mailed,
    at_least_in_median,
    for_the_record,
    has_setting,
    postgres,
    take_turns,
    time_mailing,
    time_smtp_source,
    write_results,
)

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
    parser.add_argument("--turns", type=int, default=7)
    options = parser.parse_args()
    if not has_setting("BROKER_URL"):
        print("Not measured: this version has no cluster engine.")
        return
    need_broker()

    def mail() -> Mailed:
        with postgres() as address:
            return time_mailing(
                options.subscribers,
                commands=[("beat",), ("worker",), ("worker",)],
                ENGINE="cluster",
                ENGINE_SENDERS=options.senders,
                BROKER_URL=BROKER_URL,
                SQLALCHEMY_DATABASE_URI=address,
            )

    turns = take_turns(options.turns, mail, lambda size: time_smtp_source(options.subscribers, size))
    ratios = [turn.ratio() for turn in turns]
    rows = [
        at_least_in_median("cluster, PostgreSQL and RabbitMQ, two workers, against smtp-source", ratios, 0.7),
        for_the_record("cluster, letters a second", statistics.median(turn.mailed.rate for turn in turns)),
        for_the_record("smtp-source, letters a second", statistics.median(turn.yardsticks[0] for turn in turns)),
    ]
    write_results("cluster", rows)


if __name__ == "__main__":
    main()
