"""A whole Newsroom, started as people start it, and a real browser in front of it."""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.conftest import missing

PROJECT = Path(__file__).resolve().parents[2]


@dataclass
class Site:
    """A running Newsroom: its address and its instance folder."""

    address: str
    instance: Path

    def login(self) -> tuple[str, str]:
        """The e-mail address and password of the editor made for this installation."""
        email, password = (self.instance / "editor-login").read_text().split()
        return email, password

    def run(self, *words: str) -> str:
        """Run a `newsroom` command on this installation; gives what it printed."""
        environ = os.environ | environ_of(self.instance, int(self.address.rpartition(":")[2]))
        done = subprocess.run(
            [PROJECT / ".venv/bin/newsroom", *words], env=environ, check=True, capture_output=True, text=True
        )
        return done.stdout

    def letters(self, to: str) -> list[dict[str, Any]]:
        """What the mailbox lists for somebody, newest first."""
        return list(json.loads(self.read(f"/dev/mailbox.json?to={to}")))

    def wait_for_letters(self, to: str, count: int) -> list[EmailMessage]:
        """Somebody's letters, oldest first, once there are so many."""
        wait_for(lambda: len(self.letters(to)) >= count)
        time.sleep(0.5)  # Long enough for one too many to show itself.
        found = self.letters(to)
        assert len(found) == count
        return [
            message_from_bytes(self.read(one["eml"].removeprefix(self.address)), policy=policy.default)
            for one in reversed(found)
        ]

    def read(self, path: str) -> bytes:
        with urllib.request.urlopen(self.address + path, timeout=10) as answer:
            return bytes(answer.read())


def environ_of(instance: Path, port: int) -> dict[str, str]:
    return {"NEWSROOM_INSTANCE_PATH": str(instance), "NEWSROOM_PORT": str(port)}


def wait_for(condition: Callable[[], bool], *, seconds: float = 30) -> None:
    """Return once something holds; fail where it doesn't come to hold."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.1)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def answers(address: str) -> bool:
    try:
        urllib.request.urlopen(address, timeout=2).close()
    except OSError:
        return False
    return True


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A fresh installation with its demo content, as `make run` starts it."""
    instance, port = tmp_path_factory.mktemp("instance"), free_port()
    environ = os.environ | environ_of(instance, port)
    process = subprocess.Popen([sys.executable, "-m", "newsroom", "up"], env=environ, cwd=PROJECT)
    try:
        found = Site(f"http://127.0.0.1:{port}", instance)
        wait_for(lambda: answers(f"{found.address}/healthz"), seconds=60)
        yield found
    finally:
        process.terminate()
        assert process.wait(30) == 0


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium as the machine has it."""
    names = [os.environ.get("NEWSROOM_TEST_BROWSER", ""), "chromium", "chromium-browser", "google-chrome"]
    path = next((found for found in map(shutil.which, filter(None, names)) if found), None)
    if path is None:
        missing("no Chromium; Debian: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A reader's window; a script that fails on a page fails the test."""
    context = browser.new_context(locale="sv-SE")
    page = context.new_page()
    failures: list[str] = []
    page.on("pageerror", lambda error: failures.append(str(error)))
    page.on("console", lambda said: failures.append(said.text) if "Content Security Policy" in said.text else None)
    yield page
    context.close()
    assert failures == []


def text_of(letter: EmailMessage, kind: str = "plain") -> str:
    """A letter's plain or html part."""
    part = letter.get_body((kind,))
    assert part is not None, f"no {kind} part"
    return str(part.get_content())


def link_in(letter: EmailMessage, kind: str) -> str:
    """The link of a kind in a letter's text."""
    found = re.search(rf"https?://\S+/{kind}/\S+", text_of(letter))
    assert found, f"no {kind} link"
    return found.group()
