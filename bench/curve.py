"""What a longer list costs: letters a second of the embedded engine on SQLite, for 1,000 to a million subscribers.

From the press of "publish" to the finished mailing; the first look, matching and the last settlement are in it, so a
short list pays for them most.
"""

import argparse

from common import for_the_record, time_mailing, write_results

SIZES = (1_000, 10_000, 100_000, 1_000_000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--most", type=int, default=SIZES[-1], help="leave out longer lists than this")
    most = parser.parse_args().most
    rows = []
    for size in (size for size in SIZES if size <= most):
        row = for_the_record(f"letters a second, {size:,} subscribers", time_mailing(size).rate)
        rows.append(row | {"subscribers": size})
    write_results("curve", rows)


if __name__ == "__main__":
    main()
