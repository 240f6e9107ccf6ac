"""Logging in and out, through Flask-Security with our own page and words."""

from typing import Any, cast

from flask import Flask, current_app
from flask.typing import RouteCallable
from flask_babel import lazy_gettext
from flask_security import LoginForm

from newsroom.editors import datastore
from newsroom.extensions import limiter, security

LOGIN = "security.login"


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
    )
    security.init_app(app, datastore, register_blueprint=True)
    limit = limiter.limit(lambda: current_app.config["LOGIN_LIMIT"], methods=["POST"])
    app.view_functions[LOGIN] = cast(RouteCallable, limit(app.view_functions[LOGIN]))
    app.jinja_env.globals["login_errors"] = login_errors


def login_errors(form: LoginForm) -> dict[str, Any]:
    """What is wrong with a login, in words that don't tell whether the editor exists."""
    if not form.errors:
        return {}
    if "csrf_token" in form.errors:
        return {"form": lazy_gettext("The page had been open for too long. Try again.")}
    return {"email": lazy_gettext("The e-mail address or the password is wrong.")}
