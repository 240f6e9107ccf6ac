"""Times as people write them."""

import datetime as dt
import zoneinfo


def read_local_time(text: str, zone: str) -> dt.datetime:
    """A time as people write it in a zone (ISO 8601, with a space or a T), as an aware one in UTC.

    One that names its own offset keeps it. Raises ValueError for anything else, and for a time that the clocks jump
    over in spring; the hour that autumn repeats is taken as its first run.
    """
    text = text.strip()
    if not text.isprintable():
        raise ValueError("a time with a control character in it")
    written = dt.datetime.fromisoformat(text)
    local = written if written.tzinfo is not None else written.replace(tzinfo=zoneinfo.ZoneInfo(zone))
    try:
        moment = local.astimezone(dt.UTC)
        shown = moment.astimezone(local.tzinfo)
    except OverflowError as error:
        raise ValueError(f"{text} lies outside the calendar") from error
    if shown.replace(tzinfo=None) != local.replace(tzinfo=None):
        raise ValueError(f"{text} doesn't exist in {zone}")
    return moment


def read_local_date(text: str, zone: str) -> tuple[dt.date, dt.datetime]:
    """A day as people write it (ISO 8601), and when it begins in a zone, in UTC. Raises ValueError otherwise."""
    day = dt.date.fromisoformat(text.strip())
    begins = dt.datetime.combine(day, dt.time(), zoneinfo.ZoneInfo(zone))
    try:
        return day, begins.astimezone(dt.UTC)
    except OverflowError as error:
        raise ValueError(f"{text} lies outside the calendar") from error


def is_plain_date(text: str) -> bool:
    """Whether a browser's field for a date can show this; it empties what it can't (HTML section 4.10.5.1.7)."""
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def is_plain_time(text: str) -> bool:
    """Whether a browser's field for a local date and time shows just this, to the minute (HTML section 4.10.5.1.11)."""
    try:
        return dt.datetime.fromisoformat(text).isoformat(timespec="minutes") == text
    except ValueError:
        return False
