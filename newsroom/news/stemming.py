"""Words and their stems, so that avgift finds avgifterna. Pure; the search index and its questions are made of them.

The stemmers are Snowball's for Swedish and English. Å, ä and ö are letters of their own; other marks are taken off.
"""

import functools
import re
import threading
import unicodedata
from collections.abc import Iterator

import snowballstemmer

WORD_LENGTH = 60  # Characters of a word that count; longer ones are addresses and noise.
_STOPS = """
alla att av blir de den det din du där efter ej eller en ett för från han har hon hos hur i inte ja jag kan man med men
min nej ni när och om på samt sig sin ska som så till under upp ut vad var vi vid vår är över
a an and are as at be by for from has he how i in is it of on or our she that the this to was we were what when where
who will with you your
"""
STOP_WORDS = frozenset(_STOPS.split())  # Words that stand in every text, and so tell nothing.
_INDEFINITE = ("plan", "organ", "man", "gran", "kran", "orkan")  # Where -an says nothing about definiteness.
_WORD = re.compile(r"[^\W_]+")
_STEMMERS = {"sv": snowballstemmer.stemmer("swedish"), "en": snowballstemmer.stemmer("english")}
_one_at_a_time = threading.Lock()  # A stemmer keeps the word that it works on to itself.


def find_words(text: str) -> Iterator[re.Match[str]]:
    """The words of a text, with their places: runs of letters and digits."""
    return _WORD.finditer(text)


@functools.lru_cache(maxsize=200_000)
def stem(word: str, language: str) -> str:
    """A word's stem in one of LANGUAGES, in lower case."""
    folded = fold(word)[:WORD_LENGTH]
    with _one_at_a_time:
        found = str(_STEMMERS[language].stemWord(folded))
    # Snowball leaves skolan as it is, and so apart from skola and skolor, whose stem is skol.
    if language == "sv" and len(found) >= 5 and found == folded.removesuffix("s") and found.endswith("an"):
        return found if found.endswith(_INDEFINITE) else found[:-2]
    return found


def stems_of(text: str, language: str) -> set[str]:
    """The stems of all words in a text."""
    return {stem(word, language) for word in set(_WORD.findall(text))}


def fold(word: str) -> str:
    """A word in lower case and without marks, except in å, ä and ö, which are letters of their own."""
    word = word.lower()
    return word if word.isascii() else "".join(map(_fold_sign, word))


def _fold_sign(sign: str) -> str:
    if sign in "åäö":
        return sign
    plain = "".join(part for part in unicodedata.normalize("NFKD", sign) if not unicodedata.combining(part))
    return plain if plain.isalnum() else sign
