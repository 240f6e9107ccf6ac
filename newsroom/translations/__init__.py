"""Swedish for every text: read from the .po file itself, so there is nothing to compile and nothing to go stale.

The texts in code and templates are English; sv.po beside this file holds their Swedish.
"""

import functools
import io
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import NullTranslations, Translations
from flask_babel import Domain, get_locale

FOLDER = Path(__file__).parent


@functools.cache
def read_translations(language: str) -> NullTranslations:
    """The catalogue of a language; English needs none."""
    path = FOLDER / f"{language}.po"
    if not path.exists():
        return NullTranslations()
    with path.open("rb") as file:
        catalog = read_po(file, locale=language)
    compiled = io.BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)
    return Translations(compiled)


class PoDomain(Domain):
    """Flask-Babel's domain, fed from our .po files."""

    def get_translations(self) -> NullTranslations:
        return read_translations(str(get_locale() or "en"))
