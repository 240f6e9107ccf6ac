"""Times as people write them."""

import datetime as dt
import zoneinfo


def read_local_time(text: str, zone: str) -> dt.datetime:
    """A time as people write it in a zone (ISO 8601, with a space or a T), as an aware one in UTC.

    One that names its own offset keeps it. Raises ValueError for anything else, and for a time that the clocks jump
    over in spring; the hour that autumn repeats is taken as its first run.
    """
    naive = dt.datetime.fromisoformat(text.strip())
    if naive.tzinfo is not None:
        return naive.astimezone(dt.UTC)
    local = naive.replace(tzinfo=zoneinfo.ZoneInfo(zone))
    moment = local.astimezone(dt.UTC)
    if moment.astimezone(local.tzinfo).replace(tzinfo=None) != naive:
        raise ValueError(f"{text} doesn't exist in {zone}")
    return moment
