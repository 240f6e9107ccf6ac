"""Lets Lighthouse judge the readers' pages of a fresh installation, as a phone and as a desktop see them.

It wants all that counts to be in Lighthouse's green, and nothing that moves while a page loads. Needs npm, which
fetches Lighthouse into build/, and Chromium. Its marks for speed follow the machine; so this is a command and no test.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from tools import looks  # noqa: E402

LIGHTHOUSE = "lighthouse@12.8.2"  # The last that Debian's Node runs.
FOLDER = PROJECT / "build" / LIGHTHOUSE  # Not under version control.
CATEGORIES = ("performance", "accessibility", "best-practices", "seo")
PAGES = ("front", "front-english", "news", "search", "item", "topics", "topic", "subscribe", "login", "about")
BY_INTENTION = {"is-crawlable"}  # Searches and what is personal are not for search engines.
GREEN = 0.9
TRIES = 3  # On a busy machine a visit can be slow, or fail.


def find_lighthouse() -> Path:
    """Its command; fetched by npm where it isn't there yet."""
    command = FOLDER / "node_modules" / ".bin" / "lighthouse"
    if command.exists():
        return command
    if not shutil.which("npm"):
        sys.exit(f"lighthouse: npm isn't on the PATH; it fetches {LIGHTHOUSE} once. Debian: apt install npm")
    FOLDER.mkdir(parents=True, exist_ok=True)
    fetch = ["npm", "install", "--silent", "--ignore-scripts", "--no-package-lock", "--prefix", str(FOLDER), LIGHTHOUSE]
    if subprocess.run(fetch, check=False).returncode:
        sys.exit(f"lighthouse: npm could not fetch {LIGHTHOUSE}; see its lines above")
    return command


def judge(command: Path, address: str, *, desktop: bool) -> tuple[str, list[str]]:
    """A page's marks by category, and what Lighthouse finds fault with."""
    options = ["--output=json", "--quiet", f"--only-categories={','.join(CATEGORIES)}"]
    options += ["--chrome-flags=--headless=new --no-sandbox", *(["--preset=desktop"] if desktop else [])]
    environ = os.environ | {"CHROME_PATH": looks.find_browser() or ""}
    done = subprocess.run([command, address, *options], env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        return "none", [done.stderr.strip() or "Lighthouse gave up"]
    report = json.loads(done.stdout)
    audits, categories = report["audits"], report["categories"]
    counting = {one["id"] for name in CATEGORIES for one in categories[name]["auditRefs"] if one["weight"]}
    scores = {name: audits[name]["score"] for name in counting - BY_INTENTION}
    faults = [f"{name} {score}" for name, score in sorted(scores.items()) if score is not None and score < GREEN]
    if moved := audits["cumulative-layout-shift"].get("numericValue"):
        faults.append(f"moves by {moved}")
    marks = {name: categories[name]["score"] for name in CATEGORIES}
    if None in marks.values():
        faults.append("no mark")
    return ", ".join(f"{name} {mark}" for name, mark in marks.items()), faults


def main() -> None:
    command, wrong = find_lighthouse(), 0
    with looks.run_newsroom() as (site, instance):
        shown = looks.prepare(site, instance)
        for name in PAGES:
            for desktop in (False, True):
                for _try in range(TRIES):
                    marks, faults = judge(command, site + shown[name], desktop=desktop)
                    if not faults:
                        break
                print(f"{'desktop' if desktop else 'phone'} {shown[name]}: {'; '.join([marks, *faults])}", flush=True)
                wrong += bool(faults)
    print(f"{2 * len(PAGES)} visits judged by {LIGHTHOUSE}: {wrong} with something to mend.")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
