"""Words and their stems."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from newsroom.news.models import LANGUAGES
from newsroom.news.stemming import find_words, fold, stem, stems_of


@pytest.mark.parametrize(
    "words",
    [
        "avgift avgiften avgifter avgifterna avgifternas AVGIFT",
        "skola skolan skolans skolor skolorna",
        "sjukhus sjukhuset sjukhusets sjukhusen",
        "åtgärd åtgärden åtgärder åtgärderna Åtgärd",
        "tunnelbana tunnelbanan tunnelbanans",
        "beslut beslutet besluten besluts",
        "detaljplan detaljplanen detaljplaner detaljplans",
    ],
)
def test_the_forms_of_a_swedish_word_share_a_stem(words: str) -> None:
    assert len({stem(word, "sv") for word in words.split()}) == 1


def test_the_forms_of_an_english_word_share_a_stem() -> None:
    assert len({stem(word, "en") for word in ["train", "trains", "Trains"]}) == 1
    assert stem("libraries", "en") == stem("library", "en")


@pytest.mark.parametrize(
    ("one", "other"), [("bar", "bär"), ("for", "för"), ("al", "ål"), ("plan", "plån"), ("kar", "kår")]
)
def test_letters_with_rings_and_dots_are_letters_of_their_own(one: str, other: str) -> None:
    assert stem(one, "sv") != stem(other, "sv")


def test_other_marks_and_capitals_make_no_difference() -> None:
    assert [fold(word) for word in ("Idé", "Café", "ÅÄÖ", "Zürich", "Łódź")] == ["ide", "cafe", "åäö", "zurich", "łodz"]


def test_words_are_letters_and_digits_and_stand_in_no_markdown() -> None:
    words = [word.group() for word in find_words("E-post: *2,5* miljoner, [länk](x) snake_case 新闻\x00!")]
    assert words == ["E", "post", "2", "5", "miljoner", "länk", "x", "snake", "case", "新闻"]
    assert stems_of("– * _ \x00", "sv") == set()


def test_an_endless_word_counts_by_its_beginning() -> None:
    assert len(stem("a" * 100_000, "sv")) <= 60


english = st.from_regex(r"[a-z]{1,9}(s|ed|ing|ly|ies|ying|ness|ational)?", fullmatch=True)


@given(st.text(max_size=80) | english)
@example("dying skies ugly only yes eye İ ﬁ ΣΑ Åar ıar")
def test_a_stem_begins_as_its_word_does(text: str) -> None:
    for word in find_words(text):
        for language in LANGUAGES:
            assert stem(word.group(), language)[:1] == fold(word.group()[0])[:1]
