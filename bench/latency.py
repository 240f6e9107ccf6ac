"""Letters a second over 16 connections to a mail server that waits 20 ms before each answer.

"Waits before each answer" is read as distance: an answer comes 20 ms after its command did, and commands that arrive
together (PIPELINING, RFC 2920) are answered together. A letter then can't cost less than one such wait, for the answer
to its body; so 16 connections can carry 16 / 0.020 s = 800 letters a second, and that is the yardstick. A client that
waits for MAIL, RCPT and DATA one by one reaches 200.
"""

import argparse
import contextlib
import smtplib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from common import at_least, for_the_record, free_port, time_mailing, wait_for_port, write_results

CONNECTIONS = 16
MILLISECONDS = 20


@contextlib.contextmanager
def delayed(port: int) -> Iterator[int]:
    """A port that leads to this one, with every answer held back."""
    own = free_port()
    words = [Path(__file__).with_name("delay.py"), own, port, MILLISECONDS]
    proxy = subprocess.Popen([sys.executable, *map(str, words)])
    try:
        wait_for_port(own)
        yield own
    finally:
        proxy.terminate()
        proxy.wait()


@contextlib.contextmanager
def checked(port: int) -> Iterator[int]:
    """The same, after a look whether the server behind it is what this bench takes it for."""
    with delayed(port) as own:
        with smtplib.SMTP("127.0.0.1", own) as client:
            client.ehlo()
            assert client.has_extn("pipelining"), "smtp-sink offers no PIPELINING"
            waits = []
            for _ in range(50):
                began = time.monotonic()
                client.noop()
                waits.append((time.monotonic() - began) * 1000)
        assert min(waits) >= MILLISECONDS, f"an answer came after {min(waits):.1f} ms"
        print(f"an answer takes {statistics.median(waits):.1f} ms, at most {max(waits):.1f}", flush=True)
        yield own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscribers", type=int, default=40_000)
    mailed = time_mailing(parser.parse_args().subscribers, through=checked, ENGINE_SENDERS=CONNECTIONS)
    possible = CONNECTIONS * 1000 / MILLISECONDS
    rows = [
        at_least("16 connections, each answer after 20 ms, against one wait a letter", mailed.rate / possible, 0.8),
        for_the_record("16 connections, each answer after 20 ms, letters a second", mailed.rate),
    ]
    write_results("latency", rows)


if __name__ == "__main__":
    main()
