"""SpamAssassin finds nothing in any letter that speaks against it, and something that speaks for it.

It runs without network (`-L`), with its own rules as Debian ships them, and with nothing learnt. Each letter is handed
to it as it lies in an inbox of the authority: with the one Received line that the receiving server writes when our mail
server, in the same private network, gives it over. That network is named as trusted, as any such server's is, so that
ALL_TRUSTED holds: -1 point for a letter that came through no stranger's hands. Letters to many have -1 more for being
a list that can be left (MAILING_LIST_MULTI), wherever they come from.

What speaks for a letter elsewhere, a valid signature of our domain, is made by the mail server and can't be asked about
here. So the score below 0 says little about strangers' inboxes; that no rule gives a point says what can be said about
the words and the form.
"""

import email.utils
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.conftest import missing
from tests.letters import NAMES, Specimen

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("letters")]

MERELY_NOTED = 0.02  # Rules that only say what they saw, such as HTML_MESSAGE, have a hundredth or a thousandth.
SETTINGS = """
clear_headers
add_header all Status "score=_SCORE_ tests=_TESTSSCORES(,)_"
report_safe 0
use_bayes 0
trusted_networks 10.0.0.0/8
internal_networks 10.0.0.0/8
"""

Scores = dict[str, float]


def received(letter: Specimen) -> bytes:
    """The letter with what the receiving server writes above it, in the second it was written."""
    at = email.utils.format_datetime(email.utils.parsedate_to_datetime(letter.message["Date"]))
    line = (
        "Received: from post.example.org (post.example.org [10.1.1.10]) by in.example.org (Postfix)"
        f" with ESMTPS id 4Xv1pD0bFzz1;\r\n\t{at}\r\n"
    )
    return line.encode() + letter.raw


def ask(letters: list[bytes], folder: Path) -> list[Scores]:
    """The points that each rule gives each letter; `score` is their sum."""
    program = shutil.which("spamassassin")
    if program is None:
        missing("no SpamAssassin; Debian: apt install spamassassin")
        raise AssertionError
    settings, box = folder / "settings", folder / "letters.mbox"
    settings.write_text(SETTINGS)
    box.write_bytes(b"".join(b"From x Mon Jan  1 00:00:00 2001\n" + one.replace(b"\r\n", b"\n") for one in letters))
    done = subprocess.run(
        [program, "--local", f"--prefspath={settings}", "--mbox", str(box)],
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8"},
        capture_output=True,
        check=True,
        timeout=300,
    )
    found = []
    for status in re.findall(r"^X-Spam-Status: ((?:.*\n)(?:[ \t].*\n)*)", done.stdout.decode(errors="replace"), re.M):
        score = re.search(r"score=(-?[\d.]+)", status)
        assert score is not None
        rules = re.findall(r"([A-Z][A-Z0-9_]+)=(-?[\d.]+)", re.sub(r"\s", "", status))
        found.append({"score": float(score[1]), **{rule: float(points) for rule, points in rules}})
    assert len(found) == len(letters)
    return found


@pytest.fixture(scope="module")
def scores(
    letters: Mapping[tuple[str, str], Specimen], tmp_path_factory: pytest.TempPathFactory
) -> Mapping[tuple[str, str], Scores]:
    """Every letter's scores, from one run."""
    found = ask([received(letters[name]) for name in NAMES], tmp_path_factory.mktemp("spamassassin"))
    return dict(zip(NAMES, found, strict=True))


@pytest.mark.parametrize("name", NAMES, ids=", ".join)
def test_a_letter_scores_below_0_and_no_rule_speaks_against_it(
    scores: Mapping[tuple[str, str], Scores], name: tuple[str, str]
) -> None:
    found = scores[name]

    assert {rule: points for rule, points in found.items() if points > MERELY_NOTED} == {}
    assert found["score"] < 0
    assert found["ALL_TRUSTED"] < 0


def test_it_is_asked_in_earnest(tmp_path: Path) -> None:
    letter = (
        b"Received: from post.example.org (post.example.org [10.1.1.10]) by in.example.org (Postfix) with"
        b" ESMTPS id 1;\r\n\tMon, 09 Nov 2026 08:00:00 +0000\r\n"
        b"From: x@example.org\r\nTo: y@example.org\r\nSubject: FREE MONEY\r\n"
        b"Date: Mon, 09 Nov 2026 08:00:00 +0000\r\nMessage-ID: <1@example.org>\r\n\r\n"
        b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n"
    )
    (found,) = ask([letter], tmp_path)
    assert found["GTUBE"] > 900
