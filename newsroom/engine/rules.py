"""An app's settings as the rules that delivery works by."""

import datetime as dt
from typing import Any

import css_inline
from flask import Flask, render_template
from flask_babel import force_locale

from newsroom.delivery.composing import Stationery
from newsroom.delivery.sending import Rules
from newsroom.links import Links

_inliner = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


def _render(template: str, *, language: str, **values: Any) -> str:
    """Render a letter's template in one language; styles move into the elements, where mail clients heed them."""
    with force_locale(language):
        text = render_template(template, language=language, **values)
    return _inliner.inline(text) if template.endswith(".html") else text


def rules_of(app: Flask) -> Rules:
    """The rules that an app's settings amount to."""
    config = app.config
    return Rules(
        stationery=Stationery(
            links=Links(config["PUBLIC_URL"]),
            domain=config["MAIL_DOMAIN"],
            site_name=config["SITE_NAME"],
            news_sender=config["MAIL_DEFAULT_SENDER"],
            confirmation_sender=config["MAIL_CONFIRMATION_SENDER"],
            render=_render,
        ),
        keys=(config["SECRET_KEY"], *(config.get("SECRET_KEY_FALLBACKS") or ())),
        batch_size=config["BATCH_SIZE"],
        lease=dt.timedelta(seconds=config["BATCH_LEASE_SECONDS"]),
        resend=config["UNCERTAIN_LETTERS"] == "resend",
    )
