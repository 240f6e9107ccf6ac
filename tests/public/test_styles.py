"""The look: one sheet of all parts, one short theme, and a theme of another authority's in its place."""

import re
from pathlib import Path

import pytest
from flask import Flask

from config import PROJECT
from newsroom import create_app
from newsroom.public.styles import read_look
from tests.conftest import settings
from tests.pages import read_page

STATIC = PROJECT / "newsroom" / "static"
THEMES = [STATIC / "theme.css", PROJECT / "docs" / "theming-example.css"]


@pytest.fixture
def app(database: str, tmp_path: Path) -> Flask:
    return create_app(settings(tmp_path, SQLALCHEMY_DATABASE_URI=database))


@pytest.mark.parametrize("theme", THEMES, ids=lambda theme: theme.name)
def test_a_theme_is_one_file_of_at_most_thirty_lines(theme: Path) -> None:
    assert len(theme.read_text().splitlines()) <= 30


def test_every_theme_sets_what_the_palette_and_the_pages_build_on() -> None:
    """A custom property that nobody sets is a colour that nobody sees."""
    ours = "".join((STATIC / name).read_text() for name in ("palette.css", "newsroom.css", "desk.css"))
    vendored = "".join(path.read_text() for path in (STATIC / "vendor").glob("*.css"))
    used = set(re.findall(r"var\((--[\w-]+)\)", ours))
    for theme in THEMES:
        set_here = set(re.findall(r"(--[\w-]+)\s*:", ours + vendored + theme.read_text()))
        assert used - set_here == set()


def test_the_fonts_together_weigh_at_most_sixty_kilobytes() -> None:
    fonts = list((STATIC / "vendor").glob("*.woff2"))
    assert fonts
    assert sum(path.stat().st_size for path in fonts) <= 60_000


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_a_page_asks_for_one_sheet_whose_address_changes_with_it(app: Flask) -> None:
    client = app.test_client()
    page = read_page(client.get("/"))
    (address,) = page.xpath("//link[@rel='stylesheet']/@href")
    answer = client.get(address)
    assert answer.content_type == "text/css; charset=utf-8"
    assert answer.cache_control.max_age == 365 * 24 * 3600
    sheet = answer.get_data(as_text=True)
    places = [
        sheet.index(words) for words in ("@layer ds.theme", ".ds-button{", "--paper:", "--wash:", ".site-footer {")
    ]
    assert places == sorted(places)
    (font,) = page.xpath("//link[@rel='preload']/@href")
    assert f'url("{font.removeprefix("/static/")}")' in sheet
    with client.get(font) as got:
        assert (got.status_code, got.content_type, got.cache_control.max_age) == (200, "font/woff2", 365 * 24 * 3600)
    again = client.get(address, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_pages_head_follows_the_theme(database: str, tmp_path: Path) -> None:
    theme = tmp_path / "other.css"
    css = THEMES[1].read_text().replace("light-dark(#fffdf8, #141a16)", "light-dark(#fff8f0, #101010)")
    theme.write_text('@font-face { src: url("theirs.woff2") }\n' + css)
    app = create_app(settings(tmp_path, SQLALCHEMY_DATABASE_URI=database, THEME_FILE=theme))
    page = read_page(app.test_client().get("/"))
    assert page.xpath("//meta[@name='theme-color']/@content") == ["#fff8f0", "#101010"]
    assert page.xpath("//link[@rel='preload']/@href") == ["/static/theirs.woff2"]
    assert "#fff8f0" in app.test_client().get(page.xpath("//link[@rel='stylesheet']/@href")[0]).get_data(as_text=True)


def test_a_theme_without_a_font_file_asks_for_none(tmp_path: Path) -> None:
    theme = tmp_path / "plain.css"
    theme.write_text(":root { --font: Georgia, serif; --paper: white; }")
    look = read_look(STATIC, theme)
    assert (look.font, look.grounds) == ("", ())
