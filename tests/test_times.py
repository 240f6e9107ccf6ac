"""Times as people write them."""

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from newsroom.times import is_plain_date, is_plain_time, read_local_time

ZONE = "Europe/Stockholm"


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-11-24 09:30", "2026-11-24T08:30"),
        (" 2026-11-24T09:30\n", "2026-11-24T08:30"),
        ("2026-07-01 09:30", "2026-07-01T07:30"),
        ("2026-07-01 09:30:15", "2026-07-01T07:30:15"),
        ("2026-07-01", "2026-06-30T22:00"),
        ("2026-07-01T09:30+00:00", "2026-07-01T09:30"),
        ("2026-07-01T09:30Z", "2026-07-01T09:30"),
        ("2027-03-28 01:59", "2027-03-28T00:59"),
        ("2027-03-28 03:00", "2027-03-28T01:00"),
        ("2027-03-28 02:30Z", "2027-03-28T02:30"),
        ("2027-10-31 02:30", "2027-10-31T00:30"),
        ("2027-10-31 03:00", "2027-10-31T02:00"),
    ],
)
def test_a_local_time_is_a_moment(text: str, utc: str) -> None:
    moment = read_local_time(text, ZONE)
    assert moment == dt.datetime.fromisoformat(utc).replace(tzinfo=dt.UTC)
    assert moment.tzinfo is dt.UTC


@pytest.mark.parametrize(
    "text",
    [
        "",
        "i morgon",
        "24/11 2026",
        "2026-13-01 09:30",
        "2026-02-29 09:30",
        "2026-11-24 25:00",
        "09:30",
        "2027-03-28 02:00",
        "2027-03-28 02:30",
        "2027-03-28 02:59:59",
        "0001-01-01 00:00",
        "9999-12-31T23:59-05:00",
        "2026-11-24 09:30\x00",
        "\ud800",
        "9" * 5_000,
    ],
)
def test_what_no_clock_here_shows_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        read_local_time(text, ZONE)


@given(st.datetimes() | st.datetimes(timezones=st.timezones()))
def test_any_time_is_a_moment_or_refused(moment: dt.datetime) -> None:
    try:
        found = read_local_time(moment.isoformat(), ZONE)
    except ValueError:
        return
    assert found.tzinfo is dt.UTC
    assert moment.tzinfo is None or found == dt.datetime.fromisoformat(moment.isoformat())


@pytest.mark.parametrize("text", ["2027-01-31", "0001-01-01", "9999-12-31"])
def test_a_field_for_dates_shows_a_date(text: str) -> None:
    assert is_plain_date(text)
    assert is_plain_time(f"{text}T09:30")


@pytest.mark.parametrize(
    "text", ["", "i julas", "2027-02-30", "20270131", "2027-1-31", " 2027-01-31", "2027-W01-1", "٢٠٢٧-01-31"]
)
def test_a_field_for_dates_shows_nothing_else(text: str) -> None:
    assert not is_plain_date(text)
    assert not is_plain_time(f"{text}T09:30")


@pytest.mark.parametrize(
    "text", ["2027-01-31", "2027-01-31T09:30:15", "2027-01-31T09:30Z", "2027-01-31T25:00", "2027-01-31T9:30"]
)
def test_a_field_for_local_times_shows_hours_and_minutes_alone(text: str) -> None:
    assert not is_plain_time(text)
