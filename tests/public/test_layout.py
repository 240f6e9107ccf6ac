"""How pages are set, as far as only a browser can tell: what stands in line, what has air, what looks like a link."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask.testing import FlaskClient
from playwright.sync_api import Browser, FloatRect, Page
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from tests.axe import WIDE, inspect
from tests.public.test_my_topics import enter
from tests.reader import ANA, subscribe
from tests.walking import Shown

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.xdist_group("accessibility"),
    pytest.mark.parametrize("database", ["sqlite"], indirect=True),
]

NARROW = 390  # CSS pixels, as a phone has them.
# Where an element stands on its page, or only the words in it; its own box may leave air around them.
PLACE = """(one, words) => {
  const range = document.createRange();
  range.selectNodeContents(one);
  const { x, y, width, height } = (words ? range : one).getBoundingClientRect();
  return { x: x + scrollX, y: y + scrollY, width, height };
}"""
COLOUR, WEIGHT = (f"one => getComputedStyle(one).{name}" for name in ("color", "fontWeight"))


@dataclass
class Place:
    """Where something stands on its page, in CSS pixels."""

    x: float
    y: float
    width: float
    height: float

    @property
    def bottom(self) -> float:
        return self.y + self.height


def place_of(page: Page, what: str) -> Place:
    """Where the first such element stands."""
    return Place(**page.locator(what).first.evaluate(PLACE, False))


def words_in(page: Page, what: str) -> Place:
    """Where the words of the first such element stand."""
    return Place(**page.locator(what).first.evaluate(PLACE, True))


def picture_of(page: Page, place: Place) -> str:
    """How a part of a page looks, in short."""
    clip: FloatRect = {"x": place.x, "y": place.y, "width": place.width, "height": place.height}
    return hashlib.sha256(page.screenshot(full_page=True, clip=clip)).hexdigest()


def look(browser: Browser, client: FlaskClient, answer: TestResponse, see: Callable[[Page], None]) -> None:
    """Let somebody see a page at a desk and on a phone; axe sees it, too."""

    def look_at_both(page: Page) -> None:
        for width in (WIDE, NARROW):
            page.set_viewport_size({"width": width, "height": 800})
            see(page)
        page.set_viewport_size({"width": WIDE, "height": 800})

    path = answer.request.path
    shown = Shown(answer.request.method, path, path, answer.get_data(as_text=True))
    assert inspect(browser, client, [shown], also=look_at_both) == {path: []}


def test_the_way_out_of_my_topics_stands_in_line_with_the_text(
    session: Session, client: FlaskClient, browser: Browser
) -> None:
    enter(session, client, subscribe(session, "stod"))
    below: list[bool] = []

    def see(page: Page) -> None:
        heading, address, out = (words_in(page, f".whose {what}") for what in ("h1", "p", "button"))
        below.append(out.y > address.bottom)
        assert address.x == pytest.approx(heading.x, abs=1)
        if below[-1]:
            assert out.x == pytest.approx(heading.x, abs=1)

    look(browser, client, client.get("/mina-amnen"), see)

    assert below == [False, True]  # On a phone it has a line of its own.


def test_that_a_topic_is_included_in_another_does_not_look_like_a_link(
    session: Session, client: FlaskClient, browser: Browser
) -> None:
    subscribe(session, "stod")

    def see(page: Page) -> None:
        remark = page.get_by_text("Ingår i Kultur.").first
        assert remark.is_visible()
        assert remark.evaluate(COLOUR) == page.locator("body").evaluate(COLOUR)
        assert remark.evaluate(WEIGHT) == page.locator("body").evaluate(WEIGHT)

    look(browser, client, client.get("/prenumerera?topics=kultur"), see)


def test_how_often_for_each_topic_is_a_group_like_others(
    session: Session, client: FlaskClient, browser: Browser
) -> None:
    subscribe(session, "stod")
    wish = {"email": ANA, "topics": ["kultur", "stod"], "frequency": "own"}

    def see(page: Page) -> None:
        question, first = words_in(page, "#own legend"), words_in(page, "#own label >> visible=true")
        around = "fieldset:has(> div > #frequency-direct) >"
        usual = words_in(page, f"{around} div > label").y - words_in(page, f"{around} legend").bottom
        assert first.y - question.bottom >= usual - 2

        # The line beside the group is as long as the group.
        group = place_of(page, "#own")
        assert group.y <= question.y
        heights = (group.y + 1, group.y + group.height / 2, group.bottom - 4)
        top, middle, bottom = (picture_of(page, Place(group.x, y, 2, 3)) for y in heights)
        assert (top, bottom) == (middle, middle)

    look(browser, client, client.post("/prenumerera", data=wish), see)


def test_the_steps_of_who_was_logged_out_are_set_as_a_list(
    session: Session, client: FlaskClient, browser: Browser
) -> None:
    subscribe(session, "stod")
    kept = {"topics": "stod", "frequency": "weekly", "language": "sv"}

    def see(page: Page) -> None:
        steps = page.locator(".plain-steps")
        place = place_of(page, ".plain-steps")
        margin = Place(0, place.y, place.x, place.height)
        with_numbers = picture_of(page, margin)
        steps.evaluate("list => list.style.listStyle = 'none'")
        assert picture_of(page, margin) == with_numbers  # They stand no further out than the text above.
        steps.evaluate("list => list.style.listStyle = ''")
        # Figures of one width would leave a gap between 1 and its point.
        kind = "list => getComputedStyle(list.firstElementChild, '::marker').fontVariantNumeric"
        assert steps.evaluate(kind) == "normal"
        used = ("#email", ".plain-steps [data-size=lg]", "li:nth-child(2) > p", "li:nth-child(3) button")
        heights = [words_in(page, what).y for what in used]
        assert heights == sorted(heights)

    look(browser, client, client.post("/mina-amnen", data=kept), see)
    look(browser, client, client.post("/mina-amnen/lank", data=kept | {"email": ANA}), see)
