"""Editors at the desk. Passwords are costly on purpose, so logging in happens once and every test begins after it."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from newsroom import clock, create_app, editors
from newsroom.editors import Editor
from newsroom.extensions import db
from tests.conftest import settings
from tests.factories import make_topics
from tests.pages import log_in

PASSWORD = "Rätt häst, batteri & häftstift"


@dataclass(frozen=True)
class Login:
    """An editor's row, and the cookie of somebody who has logged in as that editor."""

    row: dict[str, Any]
    cookie: str


@pytest.fixture(scope="session")
def logins(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> list[Login]:
    """Eva and Bo, after the login page."""
    folder = tmp_path_factory.mktemp("logins")
    shutil.copy(migrated_sqlite, folder / "newsroom.sqlite3")
    app = create_app(settings(folder))
    with app.app_context():
        for email in ("eva@example.org", "bo@example.org"):
            editors.add_editor(email, password=PASSWORD, now=clock.now())
            db.session.commit()
        rows = [dict(row) for row in db.session.execute(sa.select(sa.inspect(Editor).local_table)).mappings()]
    found = []
    for row in rows:
        client = app.test_client()
        assert log_in(client, row["email"], PASSWORD).location == "/desk/"
        cookie = client.get_cookie("newsroom_desk", path="/desk")
        assert cookie is not None
        found.append(Login(row, cookie.value))
    with app.app_context():
        db.engine.dispose()
    return found


def enter(app: Flask, login: Login) -> FlaskClient:
    """The browser of an editor who has logged in."""
    client = app.test_client()
    client.set_cookie("newsroom_desk", login.cookie, path="/desk")
    return client


@pytest.fixture
def desk(app: Flask, session: Session, logins: list[Login]) -> None:
    """Topics to choose from, and two editors."""
    make_topics(session)
    session.add_all(Editor(**login.row) for login in logins)
    session.commit()


@pytest.fixture
def eva(app: Flask, desk: None, logins: list[Login]) -> FlaskClient:
    return enter(app, logins[0])


@pytest.fixture
def bo(app: Flask, desk: None, logins: list[Login]) -> FlaskClient:
    return enter(app, logins[1])
