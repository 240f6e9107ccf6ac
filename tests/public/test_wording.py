"""What the readers' pages say in more than one place."""

from pathlib import Path

import pytest
from flask_babel import force_locale

from newsroom import create_app
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
