"""The Swedish catalogue says all that code and templates say, and nothing else."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po
from flask_babel import force_locale, gettext, ngettext

from config import PROJECT
from newsroom import create_app
from newsroom.translations import FOLDER
from tests.conftest import settings

PLACEHOLDER = re.compile(r"%\(\w+\)[a-z]|%%|\{\w*\}")


def _is_source(folder: str) -> bool:
    return not any(part.startswith((".", "_")) or part in ("tests", "node_modules") for part in folder.split("/")[-1:])


def _extract() -> Catalog:
    """Every text that code and templates ask a translation for, as babel.cfg finds them."""
    with (PROJECT / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call]
    catalog = Catalog(locale="sv")
    for folder in ("newsroom", "templates"):
        for name, line, message, _comments, context in extract_from_dir(
            PROJECT / folder,
            method_map=[(pattern.removeprefix(f"{folder}/"), method) for pattern, method in methods],
            options_map={pattern.removeprefix(f"{folder}/"): value for pattern, value in options.items()},
            keywords={**DEFAULT_KEYWORDS, "lazy_gettext": None},
            directory_filter=_is_source,
        ):
            catalog.add(message, locations=[(f"{folder}/{name}", line)], context=context)
    return catalog


@pytest.fixture(scope="module")
def asked() -> Catalog:
    return _extract()


@pytest.fixture(scope="module")
def swedish() -> Catalog:
    with (FOLDER / "sv.po").open("rb") as file:
        return read_po(file, locale="sv", abort_invalid=True)


def texts(catalog: Catalog) -> dict[Any, Message]:
    """The messages by what stands in the code, without the header."""
    return {message.id: message for message in catalog if message.id}


def forms(text: Any) -> list[str]:
    return [text] if isinstance(text, str) else list(text)


def test_the_search_finds_texts_in_code_and_in_templates(asked: Catalog) -> None:
    places = {place.partition("/")[0] for message in asked if message.id for place, _line in message.locations}
    assert places == {"newsroom", "templates"}
    assert len(texts(asked)) > 100


def test_every_text_has_its_swedish(asked: Catalog, swedish: Catalog) -> None:
    lacking = {id: message.locations for id, message in texts(asked).items() if id not in texts(swedish)}
    assert lacking == {}


def test_no_swedish_is_empty_or_doubtful(swedish: Catalog) -> None:
    bad = [id for id, message in texts(swedish).items() if message.fuzzy or not all(forms(message.string))]
    assert bad == []
    assert all(len(forms(message.string)) == len(forms(id)) for id, message in texts(swedish).items())


def test_no_swedish_stands_there_for_nothing(asked: Catalog, swedish: Catalog) -> None:
    assert set(texts(swedish)) - set(texts(asked)) == set()
    assert list(swedish.obsolete) == []


def test_every_swedish_text_has_the_same_places_to_fill_in(swedish: Catalog) -> None:
    def different(message: Message) -> Iterator[str]:
        for english, text in zip(forms(message.id), forms(message.string), strict=True):
            if sorted(PLACEHOLDER.findall(text)) != sorted(PLACEHOLDER.findall(english)):
                yield text

    assert [text for message in texts(swedish).values() for text in different(message)] == []


def test_every_swedish_text_can_be_filled_in(swedish: Catalog) -> None:
    for id, message in texts(swedish).items():
        values = dict.fromkeys(re.findall(r"%\((\w+)\)", forms(id)[-1]), 7)
        for text in forms(message.string) if values else ():
            assert "%(" not in text % values


def test_no_text_stands_twice_in_the_file() -> None:
    source = (FOLDER / "sv.po").read_text()
    entries = re.findall(r'^msgid ((?:".*"\n)+)', source, re.M)
    assert len(entries) == len(set(entries))
    assert "#, fuzzy" not in source
    assert "#~" not in source


def test_a_reader_sees_the_catalogues_words(tmp_path: Any) -> None:
    app = create_app(settings(tmp_path))
    with app.test_request_context():
        with force_locale("sv"):
            assert (gettext("All topics"), ngettext("%(num)s hit", "%(num)s hits", 2)) == ("Alla ämnen", "2 träffar")
        with force_locale("en"):
            assert (gettext("All topics"), ngettext("%(num)s hit", "%(num)s hits", 1)) == ("All topics", "1 hit")
