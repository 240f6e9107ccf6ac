"""Who is behind the site, what becomes of personal data, and how accessible it is; and the word to robots.

The texts stand whole in templates/texts/, one file for each language; what differs between installations is a setting.
"""

import datetime as dt
import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, current_app, render_template
from flask_babel import get_locale, ngettext
from flask_babel import gettext as _

from config import PROJECT
from newsroom.subscribers.signup import LINK_DAYS

RESULTS = PROJECT / "newsroom" / "accessibility.json"

bp = Blueprint("about", __name__)


@dataclass(frozen=True)
class Finding:
    """A rule that pages of one name go against, and in how many places."""

    page: str
    rule: str
    count: int


@dataclass(frozen=True)
class TestRun:
    """What the last run of the accessibility tests found, as `make accessibility` wrote it down."""

    day: dt.date
    standard: str
    tool: str
    pages: tuple[str, ...]
    count: int
    findings: tuple[Finding, ...]


def _names() -> dict[str, str]:
    """What the tested pages are called that have no lasting address of their own."""
    leaving = _("the pages where letters are ended, and taken back")
    return {
        "/amnen/<slug>": _("a topic's page"),
        "/nyheter/<slug>": _("a news item"),
        "/prenumerera/igen": _("the page after a sign-up"),
        "/mina-amnen/lank": _("the page that says that a login link is on its way"),
        "/mina-amnen/logga-ut": _("the page after logging out"),
        "/bekrafta/<token>": _("the page that a confirmation link leads to"),
        "/mina-amnen/logga-in/<token>": _("the page that a login link leads to"),
        "/mina-amnen/ny-adress/<token>": _("the page where a new address says yes"),
        "error 404": _("the page for what isn't there"),
        "error 410": _("the page for what is no longer there"),
        **{f"error {code}": _("the pages for what went wrong") for code in (400, 403, 405, 413, 429, 500, 503)},
        **{f"/avsluta/<token>/<mailing_key>{rest}": leaving for rest in ("", "/alla", "/amne/<slug>", "/angra")},
    }


def read_results() -> TestRun:
    """The kept results, by names that people know; letters and the editors' own pages stand there by their number."""
    kept = json.loads(RESULTS.read_text())
    day = dt.date.fromisoformat(kept["date"])
    names, counts = _names(), kept["counts"]
    pages = list(dict.fromkeys(names.get(page, page) for page in kept["pages"]))
    pages.append(ngettext("%(num)s letter", "%(num)s letters, of all kinds", counts["letters"]))
    pages.append(ngettext("%(num)s page of the editors' own", "%(num)s pages of the editors' own", counts["desk"]))
    parts = {"letters": _("letters"), "desk": _("the editors' own pages")}
    rules = {"has to be scrolled sideways": _("has to be scrolled sideways")}
    found: Counter[tuple[str, str]] = Counter()
    for one in kept["findings"]:
        page = parts.get(one["part"]) or names.get(one["page"], one["page"])
        found[page, rules.get(one["rule"], one["rule"])] += one["count"]
    findings = tuple(Finding(page, rule, count) for (page, rule), count in found.items())
    tool = f"{kept['tool']} {kept['version']}"
    return TestRun(day, kept["standard"], tool, tuple(pages), sum(counts.values()), findings)


def _show(page: str, **values: Any) -> str:
    text = f"texts/{page}.{get_locale() or 'sv'}.html"
    return render_template(f"public/{page}.html", text=text, **values)


@bp.get("/om")
def about() -> str:
    """Say who writes the news and how to reach them."""
    return _show("about")


@bp.get("/integritet")
def privacy() -> str:
    """Say what becomes of personal data."""
    return _show("privacy", link_days=LINK_DAYS, session_minutes=current_app.config["READER_SESSION_MINUTES"])


@bp.get("/tillganglighet")
def accessibility() -> str:
    """Say how accessible the site is, and what the last test found."""
    run = read_results()
    shortcomings = current_app.config.get("ACCESSIBILITY_SHORTCOMINGS", ())
    review = current_app.config.get("ACCESSIBILITY_REVIEW")
    whole = bool(review) and not shortcomings and not run.findings
    return _show("accessibility", run=run, shortcomings=shortcomings, review=review, whole=whole)


@bp.get("/robots.txt")
def robots() -> Response:
    """Welcome everybody to the news, and to nothing that is somebody's own."""
    closed = ("/desk", "/dev", "/mina-amnen", "/bekrafta", "/avsluta")
    lines = ["User-agent: *", *(f"Disallow: {prefix}{path}" for path in closed for prefix in ("", "/en")), ""]
    lines += [f"Sitemap: {current_app.config['PUBLIC_URL']}/{name}.xml" for name in ("sitemap", "sitemap-news")]
    return Response("\n".join(lines) + "\n", mimetype="text/plain")
