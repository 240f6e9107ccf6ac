"""Pages as a browser and a screen reader find them."""

from typing import Any

import lxml.html
from flask.testing import FlaskClient
from werkzeug.test import TestResponse


def read_page(response: TestResponse) -> Any:
    """An answer's HTML, parsed, after checking what must hold on every page of ours."""
    assert response.content_type == "text/html; charset=utf-8"
    page = lxml.html.document_fromstring(response.get_data().decode("utf-8"))
    assert page.get("lang") in ("sv", "en")
    assert response.headers["Content-Language"] == page.get("lang")
    assert len(page.xpath("//h1")) == 1
    assert page.xpath("//title")[0].text_content().strip()
    ids = page.xpath("//@id")
    assert len(ids) == len(set(ids)), "an id stands twice"
    named = [one for name in ("for", "aria-describedby", "aria-labelledby") for one in page.xpath(f"//@{name}")]
    named += [one[1:] for one in page.xpath("//@href[starts-with(., '#')]")]
    for name in named:
        assert set(name.split()) <= set(ids), f"{name} names nothing on the page"
    return page


def words_of(element: Any) -> str:
    """What an element says, with single spaces."""
    return " ".join(element.text_content().split())


def title_of(page: Any) -> str:
    """The page's only h1."""
    return words_of(page.xpath("//h1")[0])


def find_form(page: Any, field: str) -> Any:
    """The form with a field or button of this name in it."""
    (form,) = page.xpath(f"//form[.//*[@name='{field}']]")
    return form


def filled_in(form: Any, **changes: Any) -> dict[str, Any]:
    """What a browser would send of a form, with changes by the reader; None leaves a field out."""
    values: dict[str, Any] = {}
    areas = set(form.xpath(".//textarea/@name"))
    for name, value in form.form_values():
        # A text area's first line end isn't part of it (HTML section 13.2.6.4.7), which lxml doesn't know.
        values.setdefault(name, []).append(value.removeprefix("\n") if name in areas else value)
    return {name: value for name, value in (values | changes).items() if value is not None}


def check_error(page: Any, field: str, text: str) -> None:
    """That a form says what is wrong in a summary, which takes the focus and leads there, and at the field itself."""
    (summary,) = page.xpath("//*[@autofocus]")
    assert summary.get("tabindex") == "-1"
    (link,) = summary.xpath(".//a[. = $text]", text=text)
    target = page.get_element_by_id(link.get("href").removeprefix("#"))
    assert target.tag in ("input", "textarea", "select")
    assert target.get("name") == field
    marked = page.xpath("//*[@aria-invalid='true']")
    owner = next(one for one in marked if one is target or (one.tag == "fieldset" and target in one.iter()))
    said = [words_of(page.get_element_by_id(one)) for one in owner.get("aria-describedby").split()]
    assert text in said


def log_in(client: FlaskClient, email: str, password: str) -> TestResponse:
    """Log an editor in, as the page does it."""
    form = find_form(read_page(client.get("/desk/login")), "password")
    return client.post("/desk/login", data=filled_in(form, email=email, password=password))
