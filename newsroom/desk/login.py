"""Logging in and out, through Flask-Security with our own page and words. Sessions exist at the desk only."""

import datetime as dt
from typing import Any

import sqlalchemy as sa
from flask import Flask, Request, current_app, g, render_template, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext
from flask_security import LoginForm
from flask_wtf.csrf import CSRFError
from sqlalchemy.orm import Session

from newsroom.editors import Editor, datastore
from newsroom.extensions import DATABASE_ERRORS, db, limiter, reading, security

LOGIN = "security.login"
LOGIN_FORM = 4096  # Octets; Flask-Security crashes at a password of more than 4096 characters.


class DeskSessions(SecureCookieSessionInterface):
    """Sessions at the desk, and nowhere else: readers' pages neither set a cookie nor vary by one."""

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        return super().open_session(app, request) if request.path.startswith("/desk/") else None


def init_app(app: Flask) -> None:
    """Set up Flask-Security for the desk."""
    app.config.from_mapping(
        SECURITY_URL_PREFIX="/desk",
        SECURITY_POST_LOGIN_VIEW="/desk/",
        SECURITY_POST_LOGOUT_VIEW="/desk/login",
        SECURITY_LOGIN_USER_TEMPLATE="desk/login.html",
        SECURITY_LOGOUT_METHODS=["POST"],
        SECURITY_PASSWORD_HASH="argon2",
        SECURITY_PASSWORD_SCHEMES=["argon2"],
        SECURITY_PASSWORD_SINGLE_HASH=["argon2"],
        SECURITY_DEPRECATED_PASSWORD_SCHEMES=[],
        SECURITY_RETURN_GENERIC_RESPONSES=True,
        SECURITY_FLASH_MESSAGES=False,
        SECURITY_DEFAULT_REMEMBER_ME=False,
        SECURITY_EMAIL_VALIDATOR_ARGS={"check_deliverability": False},
        SECURITY_SEND_PASSWORD_CHANGE_EMAIL=False,
        SECURITY_REDIRECT_VALIDATE_MODE=["absolute"],
        SECURITY_FRESHNESS=dt.timedelta(
            minutes=-1
        ),  # No page of Flask-Security's own that asks for the password again.
        SECURITY_CACHE_CONTROL={"private": None, "no-store": None},  # Its own default comes out as `no-store=True`.
    )
    app.session_interface = DeskSessions()
    app.before_request(_guard_login)
    app.register_error_handler(CSRFError, show_login_again)
    security.init_app(app, datastore, register_blueprint=True)
    security.login_manager.user_loader(find_editor)
    app.jinja_env.globals["login_errors"] = login_errors


def find_editor(uniquifier: str) -> Editor | None:
    """Who a session belongs to.

    Reads in a transaction of its own: a save that can't be made, or has to wait for another, still knows whose it is
    and shows what was typed. Where the database doesn't answer at all, the page that says so has nobody logged in.
    """
    if "nobody_found" in g:
        return None
    try:
        with reading(), Session(db.engine) as session:
            return session.scalar(sa.select(Editor).where(Editor.fs_uniquifier == uniquifier, Editor.active))
    except DATABASE_ERRORS:
        g.nobody_found = True
        raise


def _guard_login() -> None:
    if request.endpoint == LOGIN:
        request.max_content_length = LOGIN_FORM
        _count_attempt()


@limiter.limit(lambda: current_app.config["LOGIN_LIMIT"], methods=["POST"])
def _count_attempt() -> None:
    """Hold back whoever tries too often."""


def show_login_again(error: CSRFError) -> ResponseReturnValue:
    """The login page once more, for one that had been open for so long that its proof no longer counts."""
    form = LoginForm()
    form.csrf_token.errors = [error.description]
    return render_template("desk/login.html", login_user_form=form), 400


def login_errors(form: LoginForm) -> dict[str, Any]:
    """What is wrong with a login, in words that don't tell whether the editor exists."""
    if not form.errors:
        return {}
    if "csrf_token" in form.errors:
        return {"form": lazy_gettext("The page had been open for too long. Try again.")}
    return {"email": lazy_gettext("The e-mail address or the password is wrong.")}
