"""No address is left over: what a reader who tries everything doesn't come to, nobody does.

So the walk (tests/walking.py) and the site's own list of addresses must agree.
"""

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from tests.walking import NOT_READERS, walk_everywhere

BY_SCRIPT = {("GET", "signup.tell_estimate")}  # What the page itself asks for, where it may.


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)  # On SQLite axe's test walks.
def test_every_link_is_followed_and_every_form_sent_and_no_address_is_left_over(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    walk = walk_everywhere(app, session, client)

    readers = {
        (method, rule.endpoint)
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) & {"GET", "POST"}
        if not str(rule).startswith(NOT_READERS)
    }
    assert readers - walk.went == BY_SCRIPT
    # Scripts run only where topics are chosen; journeys elsewhere go one way, not with scripts and without.
    assert {page.rule for page in walk.shown if 'type="module"' in page.html} == {"/prenumerera", "/mina-amnen"}
