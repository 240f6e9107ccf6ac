"""Settings: what each may be, and what is said when it is wrong or missing."""

import datetime as dt
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from config import PREFIX, PROJECT, SETTINGS, BadSetting, is_loopback, load

PRODUCTION = {
    "PUBLIC_URL": "https://nyheter.example.org",
    "SECRET_KEY": "long enough to be the secret of a site, surely",
    "MAIL_SERVER": "mail.example.org",
    "MAIL_DEFAULT_SENDER": "nyheter@example.org",
}
SECRET = "hunter2-hunter2"


@pytest.fixture
def instance(tmp_path: Path) -> Path:
    return tmp_path / "instance"


def read(instance: Path, **given: str) -> dict[str, Any]:
    return load({f"{PREFIX}INSTANCE_PATH": str(instance)} | {PREFIX + name: value for name, value in given.items()})


def complaint(instance: Path, **given: str) -> str:
    with pytest.raises(BadSetting) as caught:
        read(instance, **given)
    return str(caught.value)


def test_with_no_settings_at_all_it_runs_on_this_machine_alone(instance: Path) -> None:
    found = read(instance)
    assert (found["MODE"], found["HOST"], found["PORT"]) == ("development", "127.0.0.1", 8000)
    assert found["PUBLIC_URL"] == "http://127.0.0.1:8000"
    assert found["SQLALCHEMY_DATABASE_URI"] == f"sqlite:///{instance / 'newsroom.sqlite3'}"
    assert (found["MAILBOX"], found["MAIL_SERVER"], found["MAILBOX_PORT"]) == (True, "127.0.0.1", 0)
    assert found["MAIL_DEFAULT_SENDER"] != found["MAIL_CONFIRMATION_SENDER"]


def test_an_empty_value_is_no_value(instance: Path) -> None:
    assert read(instance, PORT="", MAIL_SERVER="", SECRET_KEY="")["PORT"] == 8000


def test_the_public_address_follows_the_port(instance: Path) -> None:
    assert read(instance, PORT="8123")["PUBLIC_URL"] == "http://127.0.0.1:8123"


WRONG = {
    "MODE": ["Production", "prod", "production\n\x00"],
    "PUBLIC_URL": [
        *("nyheter.example.org", "ftp://example.org", "https://", "https:///x", "https://example.org/nyheter"),
        *("https://example.org?x", "https://example.org#x", "https://a b", "https://a\tb", "http://[::1", "http://[x]"),
        *("http://example.org:99999", "http://example.org:x", "http://..", "http://a..b", "https://å_ä.example.org"),
        *("https://-å-.example.org", "https://ana@example.org", f"https://ana:{SECRET}@example.org", "https://a\ud800"),
    ],
    "HOST": [" ", "a\nb"],
    "PORT": ["0", "-1", "65536", "x", "8000.0", "9" * 5_000],
    "SITE_NAME": ["Två\nrader", "\x1b[31m"],
    "ORGANISATION_NAME": ["Två\r\nrader"],
    "THEME_FILE": ["/nowhere/at/all.css", "/etc", "/" + "x" * 5_000],
    "CONTACT_ADDRESS": ["oss", "a b@example.org"],
    "PRIVACY_CONTROLLER": ["Två\nrader"],
    "PRIVACY_ADDRESS": ["dso"],
    "PRIVACY_PROCESSORS": [" ", "a\nb"],
    "PRIVACY_SUPERVISION": ["\x00"],
    "ACCESSIBILITY_ADDRESS": ["@example.org"],
    "ACCESSIBILITY_SHORTCOMINGS": ["|", "En brist.|", "a\nb"],
    "ACCESSIBILITY_REVIEW": ["a\nb"],
    "ACCESSIBILITY_SUPERVISION": ["a\nb"],
    "SECRET_KEY": ["hemligt\nhemligt", "\x00"],
    "SQLALCHEMY_DATABASE_URI": [
        *("news.sqlite3", "mysql://localhost/news", "sqlite+aiosqlite:///x", "postgresql+psycopg2://localhost/news"),
        *("postgresql://localhost:port/news", f"oracle://ana:{SECRET}@db/news", f"postgresql:ana:{SECRET}@db"),
        f"mysql://db/news?password={SECRET}",
    ],
    "SQLALCHEMY_ECHO": ["ja", "2"],
    "TIME_ZONE": ["Stockholm", "Europe", "../../etc/passwd", "/etc/localtime", "x" * 5_000, "\ud800"],
    "MAIL_SERVER": ["\x7f", "a\nb"],
    "MAIL_PORT": ["0", "65536", "smtp"],
    "MAIL_USE_TLS": ["maybe"],
    "MAIL_USE_SSL": ["maybe"],
    "MAIL_USERNAME": ["a\nb"],
    "MAIL_DEBUG": ["3", "true"],
    "MAIL_DEFAULT_SENDER": ["nyheter", "@example.org", "a@", "Nyheter <a@example.org>", "a@example.org\nBcc: b@x.se"],
    "MAIL_CONFIRMATION_SENDER": ["bekräfta", "a b@example.org"],
    "MAIL_REPLY_TO": [
        "press",
        "press@",
        "@example.org",
        "press kontoret@example.org",
        "åsa@example.org",
        "Press <a@b.se>",
    ],
    "SMTP_CA_FILE": ["/nowhere/at/all.pem", "/etc", "/" + "x" * 5_000],
    "SMTP_TIMEOUT_SECONDS": ["0", "3601", "30s"],
    "SMTP_FINAL_TIMEOUT_SECONDS": ["0", "3601"],
    "MAILBOX_PORT": ["-1", "65536"],
    "ENGINE": ["Cluster", "celery"],
    "BROKER_URL": [
        "localhost",
        "http://mq.example.org",
        "amqp://",
        f"kafka://ana:{SECRET}@mq.example.org",
        "redis:///0",
    ],
    "INSTALLATION": ["a\nb", " "],
    "ENGINE_SENDERS": ["0", "65"],
    "ENGINE_PAUSE_SECONDS": ["0", "61"],
    "BATCH_LEASE_SECONDS": ["9", "86401"],
    "BATCH_SIZE": ["0", "10001"],
    "UNCERTAIN_LETTERS": ["forget"],
    "ONLY_TO": ["example.org", "*@example.org ana"],
    "LETTERS_PER_SECOND": ["0", "-1", "fast", "1000001", "nan", "inf"],
    "DOMAIN_LETTERS_PER_SECOND": ["example.org", "example.org=0", "=5", "a..b=5", "example.org=fast"],
    "MOST_ADDRESS_REFUSALS": ["0", "101"],
    "MAX_LATENESS_HOURS": ["0", "1001", "12h"],
    "DIGEST_TIME": ["7", "24:00", "07:60", "7:00", "07.00", "07:00:00"],
    "DAILY_DIGEST_DAYS": ["0", "8", "monday", "1,2"],
    "WEEKLY_DIGEST_DAYS": ["0", "8", "mon"],
    "TRUSTED_PROXIES": ["-1", "11"],
    "SIGNUP_LETTERS_PER_HOUR": ["0", "1001"],
    "SIGNUP_LIMIT": ["\x00"],
    "READER_SESSION_MINUTES": ["4", "1441", "long"],
    "LOGIN_LIMIT": ["a\nb"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_setting_is_named_with_what_is_expected_in_one_line(instance: Path, name: str, value: str) -> None:
    said = complaint(instance, **{name: value})
    (setting,) = (setting for setting in SETTINGS if setting.name == name)
    assert said.startswith(f"{PREFIX}{name} is ")
    assert said.endswith(f"expected {setting.expected}.")
    assert "\n" not in said
    assert said.isprintable()
    assert len(said) < 400
    assert SECRET not in said


def test_there_is_a_wrong_value_for_every_setting_that_can_be_wrong() -> None:
    anything_goes = {"INSTANCE_PATH", "SECRET_KEY_FALLBACKS", "MAIL_PASSWORD"}
    assert {setting.name for setting in SETTINGS} - set(WRONG) == anything_goes


@pytest.mark.parametrize(
    ("name", "value", "means"),
    [
        ("PORT", "1", 1),
        ("PORT", "65535", 65535),
        ("PORT", " 80 ", 80),
        ("PUBLIC_URL", "http://localhost:8000/", "http://localhost:8000"),
        ("PUBLIC_URL", "HTTP://LOCALHOST", "http://localhost"),
        ("PUBLIC_URL", "http://[::1]:8000", "http://[::1]:8000"),
        ("PUBLIC_URL", "http://nyheter.localhost", "http://nyheter.localhost"),
        ("SQLALCHEMY_DATABASE_URI", "sqlite:////srv/news.sqlite3", "sqlite:////srv/news.sqlite3"),
        ("SQLALCHEMY_DATABASE_URI", "postgresql://ana:x@db/news", "postgresql+psycopg://ana:x@db/news"),
        ("SECRET_KEY_FALLBACKS", "en  två", ["en", "två"]),
        ("TIME_ZONE", "America/New_York", "America/New_York"),
        ("SQLALCHEMY_ECHO", "On", True),
        ("MAIL_PASSWORD", "  spaces and 'quotes' ", "  spaces and 'quotes' "),
        ("TRUSTED_PROXIES", "0", 0),
        ("ACCESSIBILITY_SHORTCOMINGS", "Film saknar text. | Kartan", ("Film saknar text.", "Kartan")),
        ("SITE_NAME", " Nyheter åäö ", "Nyheter åäö"),
        ("BROKER_URL", "redis://127.0.0.1:6379/0", "redis://127.0.0.1:6379/0"),
        ("ONLY_TO", "*@Example.org  ana@x.example", ("*@example.org", "ana@x.example")),
        ("LETTERS_PER_SECOND", "0.5", 0.5),
        (
            "DOMAIN_LETTERS_PER_SECOND",
            "Example.org=20 *=0.5 straße.example=3",
            {"example.org": 20.0, "*": 0.5, "xn--strae-oqa.example": 3.0},
        ),
        ("DIGEST_TIME", "06:30", dt.time(6, 30)),
        ("DAILY_DIGEST_DAYS", "5 1 1", (1, 5)),
        ("WEEKLY_DIGEST_DAYS", "7", (7,)),
    ],
)
def test_a_right_setting_means_what_it_says(instance: Path, name: str, value: str, means: object) -> None:
    assert read(instance, **{name: value})[name] == means


def test_flasks_and_its_extensions_own_keys_keep_their_names(instance: Path) -> None:
    found = read(
        instance,
        MAX_CONTENT_LENGTH="1000",
        MAIL_MAX_EMAILS="7",
        SQLALCHEMY_ENGINE_OPTIONS='{"pool_size": 3}',
        SECURITY_PASSWORD_LENGTH_MIN="14",
        APPLICATION_ROOT="/x",
    )
    assert (found["MAX_CONTENT_LENGTH"], found["MAIL_MAX_EMAILS"], found["APPLICATION_ROOT"]) == (1000, 7, "/x")
    assert (found["SQLALCHEMY_ENGINE_OPTIONS"], found["SECURITY_PASSWORD_LENGTH_MIN"]) == ({"pool_size": 3}, 14)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("PROT", "PORT"),
        ("PUBLIC_ULR", "PUBLIC_URL"),
        ("MAIL_SEVER", "MAIL_SERVER"),
        ("MAIL_USE_TSL", "MAIL_USE_TLS"),
        ("SQLALCHEMY_DATABASE_URL", "SQLALCHEMY_DATABASE_URI"),
        ("SECRETKEY", "SECRET_KEY"),
    ],
)
def test_an_unknown_name_is_ignored_with_a_warning_that_says_what_was_meant(
    instance: Path, capsys: pytest.CaptureFixture[str], typed: str, meant: str
) -> None:
    assert typed not in read(instance, **{typed: SECRET})
    assert capsys.readouterr().err == (
        f"newsroom: {PREFIX}{typed} is not a setting and is ignored. Meant: {PREFIX}{meant}?\n"
    )


def test_a_name_like_no_other_is_ignored_with_a_warning_alone(
    instance: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "XYZZY" not in read(instance, XYZZY="1")
    assert capsys.readouterr().err == f"newsroom: {PREFIX}XYZZY is not a setting and is ignored.\n"


def test_known_names_and_other_programs_names_are_not_warned_of(
    instance: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    load({f"{PREFIX}INSTANCE_PATH": str(instance), "PATH": "/bin", "MAIL": "x", f"{PREFIX}TEST_BROWSER": "chromium"})
    read(instance, PORT="8001", MAIL_MAX_EMAILS="1", DEBUG="0", SECURITY_PASSWORD_SALT="x")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("name", ["SECRET_KEY", "MAIL_SERVER", "MAIL_DEFAULT_SENDER"])
def test_production_is_refused_without_what_it_must_be_told(instance: Path, name: str) -> None:
    given = {key: value for key, value in PRODUCTION.items() if key != name}
    (setting,) = (setting for setting in SETTINGS if setting.name == name)
    expected = f"{PREFIX}{name} is missing; in production mode expected {setting.expected}."
    assert complaint(instance, **given) == expected
    assert not instance.exists()


def test_whoever_is_written_to_about_anything_is_the_contact_unless_named(instance: Path) -> None:
    found = read(instance, **PRODUCTION)
    addresses = ("CONTACT_ADDRESS", "PRIVACY_ADDRESS", "ACCESSIBILITY_ADDRESS")
    assert [found[name] for name in addresses] == ["nyheter@example.org"] * 3
    assert found["PRIVACY_CONTROLLER"] == found["ORGANISATION_NAME"]
    found = read(instance, **PRODUCTION, CONTACT_ADDRESS="oss@example.org", PRIVACY_ADDRESS="dso@example.org")
    assert [found[name] for name in addresses] == ["oss@example.org", "dso@example.org", "oss@example.org"]


def test_production_on_demand_must_be_told_its_public_address(instance: Path) -> None:
    given = {key: value for key, value in PRODUCTION.items() if key != "PUBLIC_URL"}
    assert complaint(instance, MODE="production", **given).startswith(f"{PREFIX}PUBLIC_URL is missing; in production")


def test_a_short_secret_is_refused_in_production_and_not_shown(instance: Path) -> None:
    said = complaint(instance, **(PRODUCTION | {"SECRET_KEY": SECRET}))
    assert said.startswith(f"{PREFIX}SECRET_KEY is shorter than 32 characters; expected")
    assert SECRET not in said


def test_production_with_all_that_it_must_be_told_starts_without_a_mailbox(instance: Path) -> None:
    found = read(instance, **PRODUCTION)
    assert (found["MODE"], found["MAILBOX"], found["MAIL_DOMAIN"]) == ("production", False, "nyheter.example.org")
    assert found["MAIL_CONFIRMATION_SENDER"] == "bekrafta@example.org"
    assert not instance.exists()


def test_a_public_address_that_others_reach_is_production_whatever_the_mode_says(instance: Path) -> None:
    said = complaint(instance, **(PRODUCTION | {"MODE": "development"}))
    assert said.startswith(f"{PREFIX}MODE is 'development'")
    assert said.endswith("expected 'production'.")


@pytest.mark.parametrize(
    ("url", "ours"),
    [
        ("http://127.0.0.1:8000", True),
        ("http://127.9.9.9", True),
        ("http://[::1]:8000", True),
        ("http://localhost", True),
        ("http://nyheter.localhost:1", True),
        ("http://127.0.0.1.example.org", False),
        ("http://localhost.example.org", False),
        ("http://notlocalhost", False),
        ("http://0.0.0.0", False),
        ("http://192.168.0.1", False),
        ("https://nyheter.example.org", False),
        ("", False),
    ],
)
def test_loopback_is_this_very_machine_and_nothing_that_looks_like_it(url: str, ours: bool) -> None:
    assert is_loopback(url) is ours


def test_the_mailbox_catches_only_on_this_machine_and_only_where_no_mail_server_is_named(instance: Path) -> None:
    assert read(instance)["MAILBOX"] is True
    assert read(instance, MAIL_SERVER="mail.example.org")["MAILBOX"] is False
    assert read(instance, **PRODUCTION)["MAILBOX"] is False
    assert read(instance, **(PRODUCTION | {"MODE": "production", "PUBLIC_URL": "http://localhost"}))["MAILBOX"] is False
    assert read(instance, MAIL_PORT="2525")["MAILBOX_PORT"] == 2525
    assert read(instance, MAILBOX_PORT="2526")["MAIL_PORT"] == 2526  # Where all letters go, rehearsals too.


def test_tls_in_two_ways_at_once_is_refused(instance: Path) -> None:
    said = complaint(instance, MAIL_USE_TLS="yes", MAIL_USE_SSL="yes")
    assert said == f"{PREFIX}MAIL_USE_TLS and {PREFIX}MAIL_USE_SSL are both true; expected at most one."


@pytest.mark.parametrize(
    ("given", "port"),
    [({}, 25), ({"MAIL_USE_TLS": "1"}, 587), ({"MAIL_USE_SSL": "1"}, 465), ({"MAIL_PORT": "26"}, 26)],
)
def test_the_mail_port_follows_from_the_kind_of_tls(instance: Path, given: dict[str, str], port: int) -> None:
    assert read(instance, **(PRODUCTION | given))["MAIL_PORT"] == port


def test_a_host_beyond_ascii_is_kept_apart_from_its_lookalike(instance: Path) -> None:
    found = read(instance, **(PRODUCTION | {"PUBLIC_URL": "https://Straße.example:8443"}))
    assert found["PUBLIC_URL"] == "https://xn--strae-oqa.example:8443"
    assert found["MAIL_DOMAIN"] == "xn--strae-oqa.example"


@pytest.mark.parametrize(
    ("url", "domain"),
    [("http://127.0.0.1:8000", "localhost"), ("http://[::1]", "localhost"), ("http://ny.localhost", "ny.localhost")],
)
def test_the_mail_domain_is_a_name_and_no_number(instance: Path, url: str, domain: str) -> None:
    assert read(instance, PUBLIC_URL=url)["MAIL_DOMAIN"] == domain


def test_the_installations_secret_is_made_once_and_only_its_owner_reads_it(instance: Path) -> None:
    first, second = read(instance)["SECRET_KEY"], read(instance)["SECRET_KEY"]
    path = instance / "secret_key"
    assert first == second == path.read_text()
    assert len(first) >= 32
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [found.name for found in instance.iterdir()] == ["secret_key"]


def test_two_installations_have_two_secrets(tmp_path: Path) -> None:
    assert read(tmp_path / "a")["SECRET_KEY"] != read(tmp_path / "b")["SECRET_KEY"]


def test_a_secret_that_is_given_is_used_and_none_is_made(instance: Path) -> None:
    assert read(instance, SECRET_KEY=SECRET)["SECRET_KEY"] == SECRET
    assert not instance.exists()


def run_python(code: str, instance: Path, **given: str) -> subprocess.CompletedProcess[str]:
    environ = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    environ |= {PREFIX + name: value for name, value in given.items()} | {f"{PREFIX}INSTANCE_PATH": str(instance)}
    return subprocess.run(
        [sys.executable, "-c", code], env=environ, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def _crowded() -> Iterator[None]:
    """Threads take turns so often that they get in each other's way."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("_crowded")
def test_whoever_starts_at_the_same_moment_agrees_on_the_secret(tmp_path: Path) -> None:
    together = Barrier(16)

    def start(instance: Path) -> str:
        together.wait(timeout=30)
        return str(read(instance)["SECRET_KEY"])

    with ThreadPoolExecutor(16) as pool:
        for number in range(10):
            instance = tmp_path / str(number)
            said = set(pool.map(start, [instance] * 16))
            assert said == {(instance / "secret_key").read_text()}
            assert len(list(instance.iterdir())) == 1


def test_processes_that_start_together_agree_on_the_secret(instance: Path) -> None:
    code = "import config; print(config.load()['SECRET_KEY'])"
    with ThreadPoolExecutor(4) as pool:
        said = {done.stdout for done in pool.map(lambda _: run_python(code, instance), range(4))}
    assert said == {(instance / "secret_key").read_text() + "\n"}


def test_an_instance_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in ("/proc/newsroom", str(tmp_path / "file"), str(tmp_path / "file" / "below")):
        said = complaint(tmp_path, INSTANCE_PATH=path)
        assert said.startswith(f"{PREFIX}INSTANCE_PATH: expected a folder that can be written to; {path}: ")


def test_postgresql_without_its_driver_is_said_in_one_line(instance: Path) -> None:
    code = """
import sys
sys.modules["psycopg"] = None
import config
try:
    config.load()
except config.BadSetting as error:
    print(error)
"""
    done = run_python(code, instance, SQLALCHEMY_DATABASE_URI=f"postgresql://ana:{SECRET}@db/news")
    assert done.stdout.startswith(f"{PREFIX}SQLALCHEMY_DATABASE_URI names PostgreSQL; expected its driver")
    assert SECRET not in done.stdout + done.stderr
    assert done.stderr == ""


def test_a_cluster_must_be_told_its_broker_and_others_need_none(instance: Path) -> None:
    (setting,) = (setting for setting in SETTINGS if setting.name == "BROKER_URL")
    said = complaint(instance, ENGINE="cluster")
    assert said == f"{PREFIX}BROKER_URL is missing; with the cluster engine expected {setting.expected}."
    assert read(instance)["ENGINE"] == "embedded"
    for url in ("amqp://ana:x@mq.example.org:5672//", "amqps://mq.example.org", "redis://mq.example.org:6379/0"):
        assert read(instance, ENGINE="cluster", BROKER_URL=url)["BROKER_URL"] == url


def test_a_cluster_without_celery_is_said_in_one_line(instance: Path) -> None:
    code = """
import sys
sys.modules["celery"] = None
import config
try:
    config.load()
except config.BadSetting as error:
    print(error)
"""
    done = run_python(code, instance, ENGINE="cluster", BROKER_URL=f"amqp://ana:{SECRET}@mq.example.org//")
    assert done.stdout.startswith(f"{PREFIX}ENGINE is 'cluster'; expected Celery to be installed")
    assert SECRET not in done.stdout + done.stderr
    assert (len(done.stdout.splitlines()), done.stderr) == (1, "")


def test_no_command_loads_celery_where_the_engine_is_embedded(instance: Path) -> None:
    code = """
import sys
import config
from newsroom import create_app
create_app(config.load())
print([name for name in sys.modules if name.split(".")[0] in ("celery", "kombu")])
"""
    assert run_python(code, instance).stdout == "[]\n"


def test_the_workers_of_a_cluster_know_the_mailboxs_port(instance: Path) -> None:
    cluster = {"ENGINE": "cluster", "BROKER_URL": "redis://127.0.0.1"}
    found = read(instance, **cluster)
    assert (found["MAILBOX"], found["MAILBOX_PORT"], found["MAIL_PORT"]) == (True, 2525, 2525)
    found = read(instance, **cluster, MAIL_PORT="2526")
    assert (found["MAILBOX_PORT"], found["MAIL_PORT"]) == (2526, 2526)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
def test_in_development_the_site_listens_on_this_very_machine_only(tmp_path: Path, host: str) -> None:
    with pytest.raises(BadSetting, match=r"NEWSROOM_HOST .* expected 127\.0\.0\.1"):
        load({"NEWSROOM_INSTANCE_PATH": str(tmp_path), "NEWSROOM_HOST": host})
    assert load({"NEWSROOM_INSTANCE_PATH": str(tmp_path), "NEWSROOM_HOST": "::1"})["MAILBOX"] is True
