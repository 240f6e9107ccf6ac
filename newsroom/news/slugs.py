"""Slugs: the readable ends of addresses."""

import re
import unicodedata

SLUG_LENGTH = 80


def make_slug(text: str) -> str:
    """Lower-case letters, digits and hyphens, at most 80 characters, cut between words; å and ä become a, ö becomes o.

    May be empty, where the text holds no letter or digit that has a plain form.
    """
    plain = unicodedata.normalize("NFKD", text.lower().replace("ß", "ss").replace("ø", "o").replace("æ", "ae"))
    slug = re.sub(r"[^a-z0-9]+", "-", "".join(sign for sign in plain if not unicodedata.combining(sign))).strip("-")
    if len(slug) <= SLUG_LENGTH:
        return slug
    cut = slug[: SLUG_LENGTH + 1]
    return (cut.rpartition("-")[0] if "-" in cut else cut)[:SLUG_LENGTH]
