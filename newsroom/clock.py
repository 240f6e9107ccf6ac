"""The only place that asks the time."""

import datetime as dt


def now() -> dt.datetime:
    """The time now, aware, in UTC."""
    return dt.datetime.now(dt.UTC)
