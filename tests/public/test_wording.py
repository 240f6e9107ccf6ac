"""What the readers' pages say in more than one place."""

import datetime as dt
import zoneinfo
from pathlib import Path

import pytest
from flask_babel import force_locale

from newsroom import create_app
from newsroom.public.frame import format_days
from newsroom.public.wording import say_rate
from tests.conftest import settings


@pytest.mark.parametrize(
    ("items_per_week", "swedish", "english"),
    [
        (None, "inget än", "nothing yet"),
        (0, "inget på länge", "nothing for a long time"),
        (1 / 13, "några om året", "a few a year"),
        (2 / 13, "ungefär en i månaden", "about one a month"),
        (0.5, "ungefär 2 i månaden", "about 2 a month"),
        (0.89, "ungefär 4 i månaden", "about 4 a month"),
        (0.9, "ungefär en i veckan", "about one a week"),
        (3.2, "ungefär 3 i veckan", "about 3 a week"),
        (13.4, "ungefär 13 i veckan", "about 13 a week"),
        (14, "ungefär 2 om dagen", "about 2 a day"),
    ],
)
def test_a_rate_is_said_in_words(tmp_path: Path, items_per_week: float | None, swedish: str, english: str) -> None:
    with create_app(settings(tmp_path)).test_request_context():
        for language, words in (("sv", swedish), ("en", english)):
            with force_locale(language):
                assert say_rate(items_per_week) == words


@pytest.mark.parametrize(
    ("start", "end", "swedish", "english"),
    [
        ("2026-11-16 07:00", "2026-11-23 07:00", "16–22 november 2026", "16–22 November 2026"),
        ("2026-11-23 07:00", "2026-11-30 07:00", "23–29 november 2026", "23–29 November 2026"),
        ("2026-11-30 07:00", "2026-12-07 07:00", "30 november–6 december 2026", "30 November – 6 December 2026"),
        (
            "2026-12-28 07:00",
            "2027-01-04 07:00",
            "28 december 2026–3 januari 2027",
            "28 December 2026 – 3 January 2027",
        ),
        ("2026-10-19 07:00", "2026-10-26 07:00", "19–25 oktober 2026", "19–25 October 2026"),  # The clock changes.
        (
            "2026-11-16 00:30",
            "2026-11-23 00:30",
            "16–22 november 2026",
            "16–22 November 2026",
        ),  # The day before in UTC.
        ("2026-11-16 07:00", "2026-11-17 07:00", "16 november 2026", "16 November 2026"),
    ],
)
def test_the_days_of_a_period_are_said_from_the_first_to_the_last_whole_one(
    tmp_path: Path, start: str, end: str, swedish: str, english: str
) -> None:
    stockholm = zoneinfo.ZoneInfo("Europe/Stockholm")
    begins, ends = (dt.datetime.fromisoformat(one).replace(tzinfo=stockholm).astimezone(dt.UTC) for one in (start, end))
    with create_app(settings(tmp_path)).test_request_context():
        for language, words in (("sv", swedish), ("en", english)):
            with force_locale(language):
                assert format_days(begins, ends) == words
