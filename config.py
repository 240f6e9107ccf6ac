"""Every setting: its name, what it may be, and where it comes from.

The only place that reads the environment. Each setting is read from `NEWSROOM_<name>`; Flask's,
Flask-SQLAlchemy's and Flask-Mail's own keys keep their own names behind that prefix.
"""

import datetime as dt
import difflib
import ipaddress
import json
import os
import re
import secrets
import sys
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import idna
from flask import Flask
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

PREFIX = "NEWSROOM_"
PROJECT = Path(__file__).resolve().parent
THEME = PROJECT / "newsroom" / "static" / "theme.css"
MAILBOX_PORT_OF_CLUSTERS = 2525  # A cluster's workers are processes of their own, and must know the mailbox's port.


class BadSetting(Exception):
    """A setting is missing or wrong; the text is one line that names it and says what is expected."""


def _text(value: str) -> str:
    if not value.strip() or not value.isprintable():
        raise ValueError
    return value.strip()


def _lines(value: str) -> tuple[str, ...]:
    """Sentences with | between them."""
    found = tuple(part.strip() for part in value.split("|"))
    if not value.isprintable() or not all(found):
        raise ValueError
    return found


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        number = int(value)
        if not low <= number <= high:
            raise ValueError
        return number

    return parse


def _yes_or_no(value: str) -> bool:
    answers = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    return answers[value.strip().lower()]


def _one_of(*choices: str) -> Callable[[str], str]:
    return lambda value: choices[choices.index(value.strip())]


def _web_address(value: str) -> str:
    """An address with its host in ASCII, as browsers send it (IDNA 2008, so that ß stays apart from ss)."""
    value = value.strip()
    parts = urlsplit(value)
    host = parts.hostname or ""
    if parts.scheme not in ("http", "https") or not host or "@" in parts.netloc or parts.path.strip("/"):
        raise ValueError
    if parts.query or parts.fragment or not value.isprintable() or " " in value:
        raise ValueError
    if ":" in host:
        host = f"[{ipaddress.IPv6Address(host)}]"
    elif not host.isascii():
        host = idna.encode(host).decode("ascii")
    elif not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", host):
        raise ValueError
    return f"{parts.scheme}://{host}" + (f":{parts.port}" if parts.port is not None else "")


def _database_address(value: str) -> str:
    try:
        url = make_url(value)
    except ArgumentError as error:
        raise ValueError from error
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "postgresql+psycopg"):
        raise ValueError
    return url.render_as_string(hide_password=False)


def _mail_address(value: str) -> str:
    local, _, domain = value.strip().rpartition("@")
    if not local or not domain or not value.isprintable() or " " in value.strip():
        raise ValueError
    return value.strip()


def _ascii_mail_address(value: str) -> str:
    if not value.isascii() or "<" in value:
        raise ValueError
    return _mail_address(value)


def _rate(value: str) -> float:
    number = float(value)
    if not 0 < number <= 1_000_000:
        raise ValueError
    return number


def _domain_rates(value: str) -> dict[str, float]:
    """`example.org=20 *=50` as letters a second by domain, its name in ASCII and lower case."""
    found = {}
    for word in value.split():
        domain, _, rate = word.partition("=")
        found["*" if domain == "*" else idna.encode(domain.lower()).decode("ascii")] = _rate(rate)
    return found


def _time_of_day(value: str) -> dt.time:
    if not re.fullmatch(r"\d\d:\d\d", value.strip()):
        raise ValueError
    return dt.time.fromisoformat(value.strip())


def _week_days(value: str) -> tuple[int, ...]:
    days = tuple(sorted({int(word) for word in value.split()}))
    if not all(1 <= day <= 7 for day in days):
        raise ValueError
    return days


def _patterns(value: str) -> tuple[str, ...]:
    """Patterns of addresses, in lower case."""
    found = tuple(value.lower().split())
    if not all("@" in pattern for pattern in found):
        raise ValueError
    return found


def _broker(value: str) -> str:
    parts = urlsplit(value.strip())
    if parts.scheme not in ("amqp", "amqps", "redis", "rediss") or not parts.hostname:
        raise ValueError
    return value.strip()


def _file(value: str) -> str:
    path = Path(value)
    try:
        if not path.is_file():
            raise ValueError
    except OSError as error:
        raise ValueError from error
    return str(path.resolve())


def _time_zone(value: str) -> str:
    try:
        zoneinfo.ZoneInfo(value)
    except (OSError, zoneinfo.ZoneInfoNotFoundError) as error:  # A part of the world is a folder there.
        raise ValueError from error
    return value


@dataclass(frozen=True)
class Setting:
    """One setting. `default` None means: it stays unset unless given (or is worked out in `load`)."""

    name: str
    parse: Callable[[str], Any]
    expected: str
    default: Any = None


SETTINGS = [
    Setting("MODE", _one_of("development", "production"), "'development' or 'production'"),
    Setting("PUBLIC_URL", _web_address, "the site's address without a path, such as https://nyheter.example.org"),
    Setting("HOST", _text, "the address to listen on, such as 127.0.0.1", "127.0.0.1"),
    Setting("PORT", _whole(1, 65535), "a port number from 1 to 65535", 8000),
    Setting("INSTANCE_PATH", _text, "a folder that can be written to", str(PROJECT / "instance")),
    Setting("SITE_NAME", _text, "the site's name, in one line", "Region Stockholm Nyheter"),
    Setting("ORGANISATION_NAME", _text, "the authority's name, in one line", "Region Stockholm"),
    Setting("THEME_FILE", _file, "a style sheet such as newsroom/static/theme.css", str(THEME)),
    # What the pages about the site say.
    Setting("CONTACT_ADDRESS", _mail_address, "the address that readers write to, such as kontakt@example.org"),
    Setting("PRIVACY_CONTROLLER", _text, "who answers for personal data, in one line, such as Nämnden, Example kommun"),
    Setting("PRIVACY_ADDRESS", _mail_address, "the data protection officer's address, such as dso@example.org"),
    Setting("PRIVACY_PROCESSORS", _text, "who handles personal data for us, in one line, such as Exempel Drift AB"),
    Setting("PRIVACY_SUPERVISION", _text, "who supervises privacy", "Integritetsskyddsmyndigheten (www.imy.se)"),
    Setting("ACCESSIBILITY_ADDRESS", _mail_address, "the address to report what isn't accessible to"),
    Setting("ACCESSIBILITY_SHORTCOMINGS", _lines, "what isn't accessible and why, in sentences with | between"),
    Setting("ACCESSIBILITY_REVIEW", _text, "who has reviewed the whole site, and when, in one line"),
    Setting("ACCESSIBILITY_SUPERVISION", _text, "where to complain, in one line", "www.digg.se/tdosanmalan"),
    Setting("SECRET_KEY", _text, "a long random text, from: python3 -c 'import secrets; print(secrets.token_hex())'"),
    Setting("SECRET_KEY_FALLBACKS", str.split, "earlier secrets, newest first, with spaces between"),
    Setting("SQLALCHEMY_DATABASE_URI", _database_address, "sqlite:////folder/file.sqlite3 or postgresql://user@host/name"),
    Setting("SQLALCHEMY_ECHO", _yes_or_no, "true or false", False),
    Setting("TIME_ZONE", _time_zone, "a time zone such as Europe/Stockholm", "Europe/Stockholm"),
    # Letters. MAIL_… are Flask-Mail's own keys.
    Setting("MAIL_SERVER", _text, "the mail server's host name"),
    Setting("MAIL_PORT", _whole(1, 65535), "a port number from 1 to 65535"),
    Setting("MAIL_USE_TLS", _yes_or_no, "true or false (STARTTLS)", False),
    Setting("MAIL_USE_SSL", _yes_or_no, "true or false (TLS from the first byte)", False),
    Setting("MAIL_USERNAME", _text, "the user name at the mail server"),
    Setting("MAIL_PASSWORD", str, "the password at the mail server"),
    Setting("MAIL_DEBUG", _whole(0, 2), "0, 1 or 2", 0),
    Setting("MAIL_DEFAULT_SENDER", _mail_address, "the address that news comes from, such as nyheter@example.org"),
    Setting("MAIL_CONFIRMATION_SENDER", _mail_address, "the address for confirmations, such as bekrafta@example.org"),
    Setting("MAIL_REPLY_TO", _ascii_mail_address, "the address of people who read answers, such as press@example.org"),
    Setting("SMTP_CA_FILE", _file, "a file with the certificates to trust at the mail server"),
    Setting("SMTP_TIMEOUT_SECONDS", _whole(1, 3600), "seconds to wait for an answer, 1 to 3600", 30),
    # RFC 5321 section 4.5.3.2.6 asks for 600.
    Setting("SMTP_FINAL_TIMEOUT_SECONDS", _whole(1, 3600), "seconds to wait for a letter's answer, 1 to 3600", 600),
    Setting("MAILBOX_PORT", _whole(0, 65535), "the catching mailbox's port, 0 for any that is free", 0),
    # The engine.
    Setting("ENGINE", _one_of("embedded", "cluster"), "'embedded' or 'cluster'", "embedded"),
    Setting("BROKER_URL", _broker, "amqp://user:password@host:5672// or redis://host:6379/0"),
    Setting("INSTALLATION", _text, "a name that only this installation has, the same on all its machines"),
    Setting("ONLY_TO", _patterns, "patterns of the only addresses that get letters, such as *@example.org"),
    Setting("ENGINE_SENDERS", _whole(1, 64), "how many connections may carry news at once, 1 to 64", 4),
    Setting("ENGINE_PAUSE_SECONDS", _whole(1, 60), "seconds between looks for work, 1 to 60", 1),
    Setting("BATCH_LEASE_SECONDS", _whole(10, 86400), "seconds until a silent worker's batch is taken over", 120),
    Setting("BATCH_SIZE", _whole(1, 10000), "letters in a batch, 1 to 10000", 500),
    Setting("UNCERTAIN_LETTERS", _one_of("resend", "hold"), "'resend' or 'hold'", "resend"),
    Setting("LETTERS_PER_SECOND", _rate, "letters a second over all workers, such as 100 or 0.5"),
    Setting("DOMAIN_LETTERS_PER_SECOND", _domain_rates, "domains with letters a second: example.org=20 *=50"),
    Setting("MOST_ADDRESS_REFUSALS", _whole(1, 100), "refusals in a row after which an address gets no letters", 3),
    Setting("MAX_LATENESS_HOURS", _whole(1, 1000), "hours after which what is late waits for a person's yes", 12),
    Setting("DIGEST_TIME", _time_of_day, "the time of day at which digests leave, such as 07:00", dt.time(7)),
    Setting("DAILY_DIGEST_DAYS", _week_days, "days of the week, Monday is 1: 1 2 3 4 5", (1, 2, 3, 4, 5)),
    Setting("WEEKLY_DIGEST_DAYS", _week_days, "days of the week, Monday is 1: 1", (1,)),
    # The doors.
    Setting("TRUSTED_PROXIES", _whole(0, 10), "how many proxies of ours stand in front, 0 to 10", 0),
    Setting("SIGNUP_LETTERS_PER_HOUR", _whole(1, 1000), "confirmation letters to one address in an hour", 5),
    Setting("SIGNUP_LIMIT", _text, "requests from one network, such as '120 per minute'", "120 per minute"),
    Setting("READER_SESSION_MINUTES", _whole(5, 1440), "minutes that a reader stays logged in, 5 to 1440", 60),
    Setting("LOGIN_LIMIT", _text, "login attempts from one network, such as '10 per minute'", "10 per minute"),
]  # fmt: skip

_ELSEWHERE = {"TEST_POSTGRES_URL", "TEST_BROWSER", "TEST_KEEPS_ACCESSIBILITY"}
_THEIR_OWN = {
    *("MAIL_SUPPRESS_SEND", "MAIL_MAX_EMAILS", "MAIL_ASCII_ATTACHMENTS"),
    *("SQLALCHEMY_ENGINE_OPTIONS", "SQLALCHEMY_BINDS", "SQLALCHEMY_RECORD_QUERIES"),
    *("SQLALCHEMY_TRACK_MODIFICATIONS",),
} | set(Flask("names").config)


def is_loopback(url: str) -> bool:
    """Whether an http address names this very machine (RFC 6761 section 6.3 for `localhost`)."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_their_own(name: str) -> bool:
    """Whether Flask or one of its extensions reads a name that stands in no line of SETTINGS."""
    return name in _THEIR_OWN or name.startswith("SECURITY_")


def _unknown_names(environ: Mapping[str, str]) -> list[str]:
    known = {setting.name for setting in SETTINGS} | _ELSEWHERE | _THEIR_OWN
    lines = []
    for key in sorted(environ):
        name = key.removeprefix(PREFIX)
        if key.startswith(PREFIX) and name not in known and not _is_their_own(name):
            near = difflib.get_close_matches(name, known, n=1)
            lines.append(f"{key} is not a setting and is ignored." + (f" Meant: {PREFIX}{near[0]}?" if near else ""))
    return lines


def _may_be_shown(name: str, raw: str) -> bool:
    """Whether a wrong value can stand in a message: not where a password belongs, or where an address holds one."""
    secret = any(word in name for word in ("SECRET", "PASSWORD", "DATABASE_URI"))
    return not secret and not ("://" in raw and "@" in raw)


def _keep_secret(instance: Path) -> str:
    """The installation's own secret, made at the first call and kept where only its owner reads it."""
    path = instance / "secret_key"
    try:
        if not path.exists():
            instance.mkdir(mode=0o700, parents=True, exist_ok=True)
            temporary = instance / f".secret_key.{os.getpid()}.{secrets.token_hex(4)}"
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(secrets.token_urlsafe(48))
            try:
                os.link(temporary, path)  # Fails where another process was faster, whose secret then holds.
            except FileExistsError:
                pass
            finally:
                temporary.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise BadSetting(
            f"{PREFIX}INSTANCE_PATH: expected a folder that can be written to; {instance}: {error.strerror}"
        ) from error


def load(environ: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Read and check every setting. Raises BadSetting with one line for the first that is wrong."""
    environ = os.environ if environ is None else environ
    for line in _unknown_names(environ):
        print(f"newsroom: {line}", file=sys.stderr)
    found: dict[str, Any] = {}
    for setting in SETTINGS:
        raw = environ.get(PREFIX + setting.name, "")
        if raw == "":
            if setting.default is not None:
                found[setting.name] = setting.default
            continue
        try:
            found[setting.name] = setting.parse(raw)
        except (ValueError, KeyError) as error:
            shown = repr(raw)[:80] if _may_be_shown(setting.name, raw) else "(not shown)"
            raise BadSetting(f"{PREFIX}{setting.name} is {shown}; expected {setting.expected}.") from error
    for key, value in environ.items():
        name = key.removeprefix(PREFIX)
        if key.startswith(PREFIX) and name not in found and _is_their_own(name) and value != "":
            found[name] = _as_flask_reads(value)
    return _complete(found)


def _as_flask_reads(value: str) -> Any:
    """A key of Flask's or an extension's own: JSON where it is JSON, otherwise text, as Flask's `from_prefixed_env`."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _mail_domain(public_url: str) -> str:
    """The site's own mail domain."""
    host = urlsplit(public_url).hostname or "localhost"
    return "localhost" if host.replace(".", "").isdigit() or ":" in host else host


def _complete(found: dict[str, Any]) -> dict[str, Any]:
    """Work out what follows from other settings, and refuse what production must be told."""
    expected = {setting.name: setting.expected for setting in SETTINGS}
    if found.get("MODE") == "production" and "PUBLIC_URL" not in found:
        raise BadSetting(f"{PREFIX}PUBLIC_URL is missing; in production mode expected {expected['PUBLIC_URL']}.")
    found.setdefault("PUBLIC_URL", f"http://127.0.0.1:{found['PORT']}")
    loopback = is_loopback(found["PUBLIC_URL"])
    found.setdefault("MODE", "development" if loopback else "production")
    production = found["MODE"] == "production"
    if production:
        for name in ("SECRET_KEY", "MAIL_SERVER", "MAIL_DEFAULT_SENDER"):
            if name not in found:
                raise BadSetting(f"{PREFIX}{name} is missing; in production mode expected {expected[name]}.")
        if len(found["SECRET_KEY"]) < 32:
            raise BadSetting(f"{PREFIX}SECRET_KEY is shorter than 32 characters; expected {expected['SECRET_KEY']}.")
    elif not loopback:
        raise BadSetting(
            f"{PREFIX}MODE is 'development'; with the public address {found['PUBLIC_URL']} expected 'production'."
        )
    host = f"[{found['HOST']}]" if ":" in found["HOST"] else found["HOST"]
    if not production and not is_loopback(f"http://{host}"):
        raise BadSetting(
            f"{PREFIX}HOST is {found['HOST']!r}; in development expected 127.0.0.1 or ::1, because the mailbox and "
            "its letters would be open to the network."
        )
    if found["MAIL_USE_TLS"] and found["MAIL_USE_SSL"]:
        raise BadSetting(f"{PREFIX}MAIL_USE_TLS and {PREFIX}MAIL_USE_SSL are both true; expected at most one.")
    if found.get("SQLALCHEMY_DATABASE_URI", "").startswith("postgresql") and not find_spec("psycopg"):
        raise BadSetting(
            f"{PREFIX}SQLALCHEMY_DATABASE_URI names PostgreSQL; expected its driver to be installed, as by: "
            "tools/install requirements/build.txt requirements/postgres.txt"
        )
    if found["ENGINE"] == "cluster":
        if "BROKER_URL" not in found:
            raise BadSetting(
                f"{PREFIX}BROKER_URL is missing; with the cluster engine expected {expected['BROKER_URL']}."
            )
        if not find_spec("celery"):
            raise BadSetting(
                f"{PREFIX}ENGINE is 'cluster'; expected Celery to be installed, as by: "
                "tools/install requirements/build.txt requirements/cluster.txt"
            )
    instance = Path(found["INSTANCE_PATH"]).resolve()
    found["INSTANCE_PATH"] = str(instance)
    found["MAIL_DOMAIN"] = _mail_domain(found["PUBLIC_URL"])
    found.setdefault("MAIL_DEFAULT_SENDER", f"nyheter@{found['MAIL_DOMAIN']}")
    found.setdefault("CONTACT_ADDRESS", found["MAIL_DEFAULT_SENDER"])
    found.setdefault("PRIVACY_CONTROLLER", found["ORGANISATION_NAME"])
    found.setdefault("PRIVACY_ADDRESS", found["CONTACT_ADDRESS"])
    found.setdefault("ACCESSIBILITY_ADDRESS", found["CONTACT_ADDRESS"])
    news_domain = found["MAIL_DEFAULT_SENDER"].rpartition("@")[2]
    found.setdefault("MAIL_CONFIRMATION_SENDER", f"bekrafta@{news_domain}")
    found["MAILBOX"] = not production and "MAIL_SERVER" not in found
    if found["MAILBOX"]:
        found["MAILBOX_PORT"] = found.pop("MAIL_PORT", found["MAILBOX_PORT"])
        if found["ENGINE"] == "cluster":
            found["MAILBOX_PORT"] = found["MAILBOX_PORT"] or MAILBOX_PORT_OF_CLUSTERS
        found["MAIL_SERVER"] = "127.0.0.1"
        found["MAIL_PORT"] = found["MAILBOX_PORT"] or 25
    found.setdefault("MAIL_PORT", 465 if found["MAIL_USE_SSL"] else 587 if found["MAIL_USE_TLS"] else 25)
    found.setdefault("SQLALCHEMY_DATABASE_URI", f"sqlite:///{instance / 'newsroom.sqlite3'}")
    if "SECRET_KEY" not in found:
        found["SECRET_KEY"] = _keep_secret(instance)
    return found
