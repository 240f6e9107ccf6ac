"""When digests are due. Pure: the windows follow from the settings alone, not from when anybody looks."""

import datetime as dt
import itertools
import zoneinfo
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Schedule:
    """Digests of one kind end at a time of day, on some days of the week (ISO: Monday is 1), in a time zone."""

    kind: str
    days: frozenset[int]
    at: dt.time
    zone: zoneinfo.ZoneInfo


@dataclass(frozen=True)
class Period:
    """What one digest tells of: what was published from `start` on and before `end` (aware UTC)."""

    start: dt.datetime
    end: dt.datetime


def periods_ended(schedule: Schedule, *, after: dt.datetime, by: dt.datetime) -> Sequence[Period]:
    """The periods that ended later than `after`, and at `by` at the latest; oldest first.

    Each begins where the one before it ended, so that nothing falls between two. The time of day is the clock's on the
    wall: a period over a change of the clock is an hour longer or shorter.
    """
    if not schedule.days:
        return []
    first = after.astimezone(schedule.zone).date() - dt.timedelta(days=8)  # The end before the first one is wanted too.
    last = by.astimezone(schedule.zone).date()
    ends = [
        dt.datetime.combine(day, schedule.at, schedule.zone).astimezone(dt.UTC)
        for day in (first + dt.timedelta(days=number) for number in range((last - first).days + 1))
        if day.isoweekday() in schedule.days
    ]
    return [Period(start, end) for start, end in itertools.pairwise(ends) if after < end <= by]


def next_end(schedule: Schedule, *, after: dt.datetime) -> dt.datetime | None:
    """When the next digest is due; None where there are no days for one."""
    coming = periods_ended(schedule, after=after, by=after + dt.timedelta(days=8))
    return coming[0].end if coming else None
