"""Takes screenshots of the pages and letters of a fresh installation, at 390 and 1280 pixels, light and dark.

`make looks` writes them to docs/looks/; a folder given as argument takes them instead.
"""

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

PROJECT = Path(__file__).resolve().parent.parent
WIDTHS = (390, 1280)
SCHEMES = ("light", "dark")
STRATEGY = "ny-strategi-for-naringsliv-och-tillvaxt-beslutad"


@contextmanager
def run_newsroom() -> Iterator[tuple[str, Path]]:
    """A fresh installation on a free port; gives its address and its folder."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        environ = os.environ | {"NEWSROOM_PORT": str(port), "NEWSROOM_INSTANCE_PATH": folder}
        process = subprocess.Popen([PROJECT / ".venv/bin/newsroom", "up"], env=environ)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(f"{address}/healthz")
            yield address, Path(folder)
        finally:
            process.terminate()
            process.wait(20)


def wait_for(address: str) -> None:
    """Return once an address answers."""
    for _ in range(300):
        try:
            urllib.request.urlopen(address, timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"{address} doesn't answer")


def post(address: str, fields: list[tuple[str, str]]) -> str:
    """Send a form; gives the page that answers."""
    data = urllib.parse.urlencode(fields).encode()
    with urllib.request.urlopen(address, data, timeout=10) as answer:
        return str(answer.read().decode())


def wait_for_letter(site: str, to: str, subject: str) -> dict[str, Any]:
    """The newest letter to somebody whose subject holds these words."""
    for _ in range(100):
        with urllib.request.urlopen(f"{site}/dev/mailbox.json?to={to}", timeout=10) as answer:
            found = [one for one in json.load(answer) if subject in one["subject"]]
        if found:
            return dict(found[0])
        time.sleep(0.1)
    raise SystemExit(f"no letter to {to} about {subject}")


def link_in(site: str, letter: dict[str, Any], kind: str) -> str:
    """The link of a kind in a letter."""
    with urllib.request.urlopen(f"{site}/dev/mailbox/{letter['id']}", timeout=10) as answer:
        found = re.search(rf"http://[^\s\"<]+/{kind}/[^\s\"<]+", answer.read().decode())
    assert found, f"no {kind} link"
    return found.group()


def prepare(site: str, instance: Path) -> dict[str, str]:
    """Walk the flow once, so that every page has something to show; gives the pages by name."""
    form = [
        ("email", "ana@example.org"),
        ("topics", "hallbarhet"),
        ("topics", "regional-utveckling"),
        ("frequency", "direct"),
    ]
    post(f"{site}/prenumerera", form)
    letter = wait_for_letter(site, "ana@example.org", "Bekräfta")
    confirm = link_in(site, letter, "bekrafta")
    post(confirm, [])
    environ = os.environ | {"NEWSROOM_PORT": site.rpartition(":")[2], "NEWSROOM_INSTANCE_PATH": str(instance)}
    text = PROJECT / "tests" / "data" / "strategi.txt"
    command = ["items", "import", str(text), "--topics", "regional-utveckling,hallbarhet", "--publish"]
    subprocess.run([PROJECT / ".venv/bin/newsroom", *command], env=environ, check=True, stdout=subprocess.DEVNULL)
    news = wait_for_letter(site, "ana@example.org", "strategi")
    post(f"{site}/prenumerera", [*form[1:], ("email", "bo@example.org")])
    second = link_in(site, wait_for_letter(site, "bo@example.org", "Bekräfta"), "bekrafta")
    with urllib.request.urlopen(f"{site}/feeds/all.rss", timeout=10) as answer:
        slug = re.findall(r"<link>[^<]+/nyheter/([^<]+)</link>", answer.read().decode())[2]
    return {
        "front": "/",
        "news": "/nyheter",
        "item": f"/nyheter/{slug}",
        "topics": "/amnen",
        "topic": "/amnen/kultur",
        "subscribe": "/prenumerera?topics=kollektivtrafik",
        "front-english": "/en/",
        "strategy": f"/nyheter/{STRATEGY}",
        "confirm": second.removeprefix(site),
        "welcome": confirm.removeprefix(site),
        "leave": link_in(site, news, "avsluta").removeprefix(site),
        "missing": "/finns-inte",
        "mailbox": "/dev/mailbox",
        "letter": f"/dev/mailbox/{news['id']}",
        "letter-confirmation": f"/dev/mailbox/{letter['id']}.html",
        "letter-news": f"/dev/mailbox/{news['id']}.html",
        "desk": "/desk/",
        "desk-item": "/desk/items/26",
        "desk-edit": "/desk/items/26/edit",
    }


def log_in(page: Page, site: str, instance: Path) -> None:
    """Open the desk with the installation's own login."""
    email, password = (instance / "editor-login").read_text().split()
    page.goto(f"{site}/desk/login")
    page.locator("#email").fill(email)
    page.locator("#password").fill(password)
    page.locator("main button").click()


def shoot(browser: Browser, site: str, instance: Path, pages: dict[str, str], folder: Path) -> None:
    """Take every page at every width in every scheme."""
    for width in WIDTHS:
        for scheme in SCHEMES:
            context = browser.new_context(
                viewport={"width": width, "height": 900},
                color_scheme="light" if scheme == "light" else "dark",
                locale="sv-SE",
            )
            page = context.new_page()
            log_in(page, site, instance)
            for name, path in pages.items():
                page.goto(site + path, wait_until="networkidle")
                page.screenshot(path=folder / f"{name}-{width}-{scheme}.png", full_page=True)
            page.goto(f"{site}/prenumerera")
            page.locator("main button").click()
            page.screenshot(path=folder / f"subscribe-wrong-{width}-{scheme}.png", full_page=True)
            context.close()


def join(browser: Browser, folder: Path) -> None:
    """One picture for the README, of the pages that say most."""
    names = ["front-1280-light", "subscribe-390-light", "item-390-dark"]
    images = [(folder / f"{name}-part.png") for name in names]
    for name, image in zip(names, images, strict=True):
        width = int(name.split("-")[1])
        page = browser.new_page(viewport={"width": width, "height": 1000})
        page.set_content(f'<body style="margin:0"><img width="{width}" src="{as_data(folder / f"{name}.png")}">')
        page.screenshot(path=image)
        page.close()
    page = browser.new_page(viewport={"width": 1300, "height": 640})
    shown = "".join(f'<img src="{as_data(image)}">' for image in images)
    page.set_content(
        "<style>body{margin:0;padding:20px;display:flex;gap:20px;background:#c9d3df}"
        f"img{{height:600px;border-radius:8px}}</style>{shown}"
    )
    page.screenshot(path=folder / "newsroom.png")
    page.close()
    for image in images:
        image.unlink()


def as_data(image: Path) -> str:
    """A picture as an address that holds it."""
    return "data:image/png;base64," + base64.b64encode(image.read_bytes()).decode()


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / "docs" / "looks"
    folder.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("NEWSROOM_TEST_BROWSER") or shutil.which("chromium") or shutil.which("google-chrome")
    with run_newsroom() as (site, instance), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        shoot(browser, site, instance, prepare(site, instance), folder)
        join(browser, folder)
        browser.close()
    print(f"Screenshots are in {folder}.")


if __name__ == "__main__":
    main()
