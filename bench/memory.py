"""The most memory that the engine's process ever uses, for 10,000 and for a million subscribers: it must not grow.

`newsroom engine run` on SQLite, from its start to the finished mailing; VmHWM as Linux counts it.
"""

import argparse

from common import at_most, for_the_record, time_mailing, write_results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fewest", type=int, default=10_000)
    parser.add_argument("--most", type=int, default=1_000_000)
    options = parser.parse_args()
    few, many = time_mailing(options.fewest).peak, time_mailing(options.most).peak
    rows = [
        at_most(f"peak memory for {options.most:,} subscribers, MB", many, 200, digits=0),
        at_most(f"the same, against {options.fewest:,} subscribers", many / few, 1.1),
        for_the_record(f"peak memory for {options.fewest:,} subscribers, MB", few),
    ]
    write_results("memory", rows)


if __name__ == "__main__":
    main()
