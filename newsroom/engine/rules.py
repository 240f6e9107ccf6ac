"""An app's settings as the rules that delivery works by."""

import datetime as dt
import zoneinfo
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import css_inline
from flask import Flask, render_template
from flask_babel import force_locale

from newsroom.delivery.composing import Render, Stationery
from newsroom.delivery.digests import Schedule
from newsroom.delivery.installation import Identity
from newsroom.delivery.rules import Rules
from newsroom.links import Links
from newsroom.news.models import LANGUAGES
from newsroom.theme import Colour
from newsroom.translations import read_translations

_inliner = css_inline.CSSInliner(keep_at_rules=True, load_remote_stylesheets=False)


def make_render(colours: Mapping[str, Colour]) -> Render:
    """What turns a letter's template into text in one language, in these colours."""

    def render(template: str, *, language: str, **values: Any) -> str:
        with force_locale(language):
            text = render_template(template, language=language, colours=colours, **values)
        # Styles move into the elements: many mail clients heed them nowhere else.
        return _inliner.inline(text) if template.endswith(".html") else text

    return render


def warm_up(app: Flask) -> None:
    """Read the texts and templates of letters beforehand, so that nothing waits for that after a start."""
    for language in LANGUAGES:
        read_translations(language)
    for name in app.jinja_env.list_templates(filter_func=lambda name: name.startswith("mail/")):
        app.jinja_env.get_template(name)


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
            organisation=config["ORGANISATION_NAME"],
            reply_to=config.get("MAIL_REPLY_TO"),
            render=make_render(config["COLOURS"]),
        ),
        keys=(config["SECRET_KEY"], *(config.get("SECRET_KEY_FALLBACKS") or ())),
        batch_size=config["BATCH_SIZE"],
        lease=dt.timedelta(seconds=config["BATCH_LEASE_SECONDS"]),
        resend=config["UNCERTAIN_LETTERS"] == "resend",
        identity=Identity(
            folder=Path(app.instance_path),
            given_name=config.get("INSTALLATION"),
            only_to=config.get("ONLY_TO", ()),
            production=config["MODE"] == "production",
        ),
        schedules=[
            Schedule(kind, frozenset(config[days]), config["DIGEST_TIME"], zoneinfo.ZoneInfo(config["TIME_ZONE"]))
            for kind, days in (("daily", "DAILY_DIGEST_DAYS"), ("weekly", "WEEKLY_DIGEST_DAYS"))
        ],
        lateness=dt.timedelta(hours=config["MAX_LATENESS_HOURS"]),
        most_refusals=config["MOST_ADDRESS_REFUSALS"],
        letters_per_second=config.get("LETTERS_PER_SECOND"),
        domain_rates=config.get("DOMAIN_LETTERS_PER_SECOND", {}),
    )
