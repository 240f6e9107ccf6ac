"""From an app's settings to the rules that delivery works by."""

import pytest
from flask import Flask
from jinja2 import FileSystemLoader
from sqlalchemy.orm import Session

from newsroom.delivery.transport import MemoryTransport
from newsroom.engine.rules import warm_up
from tests.factories import NOON, deliver_everything, make_item, make_signup, make_subscriber, make_topics


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_after_a_warm_up_no_letter_waits_for_a_template_to_be_read(app: Flask, session: Session) -> None:
    make_topics(session)
    make_subscriber(session, "ana@example.org", "stod")
    make_signup(session, "bo@example.org", "stod", now=NOON)
    make_item(session, "stod")
    session.commit()
    warm_up(app)
    assert isinstance(app.jinja_loader, FileSystemLoader)
    app.jinja_loader.searchpath.clear()

    post = MemoryTransport()
    deliver_everything(app, session, post, now=NOON)

    assert sorted(one.to for one in post.accepted) == ["ana@example.org", "bo@example.org"]
