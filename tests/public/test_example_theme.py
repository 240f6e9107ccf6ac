"""Another authority's theme: the same pages, by day and by night, without a finding."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from config import PROJECT
from newsroom import clock, create_app
from newsroom.extensions import db
from tests.axe import SCHEMES, inspect
from tests.conftest import settings
from tests.factories import DAY, make_item, make_topics
from tests.walking import Shown

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("accessibility")]

EXAMPLE = PROJECT / "docs" / "theming-example.css"
PAGES = ["/", "/nyheter", "/amnen/kultur", "/prenumerera", "/om", "/integritet", "/tillganglighet", "/finns-inte"]
WORN = "(({backgroundColor, fontFamily}) => [backgroundColor, fontFamily])(getComputedStyle(document.body))"
GROUNDS = {"light": "rgb(255, 253, 248)", "dark": "rgb(20, 26, 22)"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_the_example_theme_is_worn_and_holds_no_finding(database: str, tmp_path: Path, browser: Browser) -> None:
    names = {"SITE_NAME": "Nytt från Skogsjö", "ORGANISATION_NAME": "Skogsjö"}
    app = create_app(settings(tmp_path, SQLALCHEMY_DATABASE_URI=database, THEME_FILE=EXAMPLE, **names))
    client = app.test_client()
    with app.app_context():
        make_topics(db.session())
        slug = make_item(db.session(), "kultur", "stod", published_at=clock.now() - DAY).slug
        db.session.commit()
    asked = [(path, client.get(path)) for path in [*PAGES, f"/nyheter/{slug}"]]
    asked.append(("/prenumerera", client.post("/prenumerera", data={"email": "ana"})))

    def look(page: Page) -> None:
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            ground, font = page.evaluate(WORN)
            assert (ground, "Charter" in font) == (GROUNDS[scheme], True)

    shown = [Shown("GET", path, path, answer.get_data(as_text=True)) for path, answer in asked]
    found = inspect(browser, client, shown, also=look)

    assert {path: wrong for path, wrong in found.items() if wrong} == {}
    with app.app_context():
        db.engine.dispose()
