"""Holds every page and every letter of a fresh installation against the HTML standard, with the Nu checker.

It starts an installation of its own, walks from page to page and through the mailbox, as reader and as editor, and
wants no error, no warning and no route left out. Needs npm, to fetch the checker once, and Java.
"""

import base64
import collections
import hashlib
import http.cookiejar
import json
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from config import load  # noqa: E402
from newsroom import create_app  # noqa: E402
from tools import looks  # noqa: E402

CHECKER = "vnu-jar@26.9.27"
INTEGRITY = "sha512-TkQd5DFfOaWC9ebtvozTsrH2Vaod3jYg+vrOeREzIXxBexLz9+rS2DNtjn7+RPUiZhgli0SghgBX6RJRNea0KA=="
CACHE = PROJECT / "build" / "vnu"  # Not under version control.
EACH = 12  # Pages of one route that are enough; they come from the same template.
# Routes without a page: files, feeds, and answers for programs.
NO_PAGE = re.compile(
    r"^(static$|sitemaps\.|feeds\.|styles\.|about\.robots$|public\.health$|"
    r"signup\.tell_estimate$|own_data\.download$|mailings\.(watch|download_certificate)$|security\.static$|.*(json|eml|source|_for_programs)$)"
)
# What the checker says that we don't take for a fault, with the reason.
ACCEPTED = (
    # Where a narrow screen shows a table's cells under each other, browsers forget that it is a table; its roles, said
    # again, keep it one for screen readers.
    r"^The “(table|row|rowgroup|cell|columnheader|rowheader)” role is unnecessary for element “t",
    r"^The “role” attribute must not be used on a “(tr|td|th)” element which has a “table” ancestor",
    # Safari takes a list without bullets for none, unless it is said again.
    r"^The “list” role is unnecessary for element “ul”",
)
ACCEPTED_IN_LETTERS = (
    # Outlook for Windows lays out by attributes alone.
    r"^The “(align|width|bgcolor|cellpadding|cellspacing|border|valign)” attribute on the “\w+” element is obsolete",
    r"^CSS: “mso-",
    # A letter's encoding stands in its own header; what inlines the styles puts them first.
    r"^A “charset” attribute on a “meta” element found after the first 1024 bytes",
)


def is_accepted(page: str, message: str) -> bool:
    """Whether the checker finds fault with what we mean."""
    patterns = ACCEPTED + (ACCEPTED_IN_LETTERS if re.search(r"/mailbox/\d+\.html$", page) else ())
    return any(re.search(pattern, message) for pattern in patterns)


def find_checker() -> Path:
    """The checker's jar; fetched by npm where it isn't there yet, and held against its hash."""
    jar = CACHE / f"{CHECKER.replace('@', '-')}.jar"
    if jar.exists():
        return jar
    if not shutil.which("npm"):
        sys.exit(
            f"check-html: npm isn't on the PATH; it fetches the Nu checker ({CHECKER}) once. Debian: apt install npm"
        )
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        command = ["npm", "pack", "--loglevel=error", "--ignore-scripts", CHECKER]
        if subprocess.run(command, cwd=name, stdout=subprocess.DEVNULL, check=False).returncode:
            sys.exit(f"check-html: npm could not fetch {CHECKER}; see its lines above")
        (tarball,) = Path(name).iterdir()
        found = "sha512-" + base64.b64encode(hashlib.sha512(tarball.read_bytes()).digest()).decode()
        if found != INTEGRITY:
            sys.exit(f"check-html: {CHECKER} is not the package that this file names by its hash")
        with tarfile.open(tarball) as archive:
            member = archive.extractfile("package/build/dist/vnu.jar")
            assert member is not None
            jar.with_suffix(".part").write_bytes(member.read())
    jar.with_suffix(".part").rename(jar)
    return jar


class Walker:
    """Opens pages as a browser with cookies does, and remembers each page's HTML by its address."""

    def __init__(self, site: str, instance: Path) -> None:
        self.site = site
        self.pages: dict[str, str] = {}
        self.seen: collections.Counter[str] = collections.Counter()
        app = create_app(load({"NEWSROOM_INSTANCE_PATH": str(instance)}))
        self.routes = app.url_map.bind("x")
        self.wanted = {
            rule.endpoint
            for rule in app.url_map.iter_rules()
            if rule.methods and "GET" in rule.methods and not NO_PAGE.match(rule.endpoint)
        }
        jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))

    def open(self, path: str, data: bytes | None = None) -> str:
        """A page's HTML, or nothing where it is none; a page for an error is a page too."""
        try:
            answer = self.opener.open(self.site + path, data, timeout=20)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            body = answer.read()
            return body.decode() if answer.headers.get_content_type() == "text/html" else ""

    def endpoint_of(self, path: str) -> str:
        try:
            bare = re.sub(r"^/en(?=/)", "", path.partition("?")[0])
            return str(self.routes.match(urllib.parse.unquote(bare), method="GET")[0])
        except Exception:  # Where nothing is, there is still a page that says so.
            return "nothing"

    def walk(self, paths: list[str]) -> None:
        """Open these pages and whatever they lead to on the site, some of each kind in each language."""
        waiting = collections.deque(paths)
        known = set(paths)
        while waiting:
            path = waiting.popleft()
            endpoint = self.endpoint_of(path)
            kind = f"{endpoint} {'en' if path.startswith('/en/') else 'sv'}"
            if NO_PAGE.match(endpoint) or (self.seen[kind] >= EACH and path not in paths and ".html" not in path):
                continue
            html = self.open(path)
            if not html:
                continue
            self.seen[kind] += 1
            self.pages[path] = html
            for link in re.findall(r'<(?:a|iframe)\b[^>]*?(?:href|src)="([^"#]+)', html):
                link = urllib.parse.urljoin(f"{self.site}{path}", link.replace("&amp;", "&"))
                inside = link.removeprefix(self.site)
                if inside != link and inside.startswith("/") and inside not in known:
                    known.add(inside)
                    waiting.append(inside)

    def log_in(self, email: str, password: str) -> None:
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.open("/desk/login"))
        assert token, "the login has no token"
        fields = {"csrf_token": token[1], "email": email, "password": password}
        self.open("/desk/login", urllib.parse.urlencode(fields).encode())

    def log_in_as_reader(self, address: str) -> None:
        """Press the button that a subscriber's login link leads to."""
        self.open(
            looks.link_in(self.site, looks.ask_for_link(self.site, address), "logga-in").removeprefix(self.site), b""
        )

    def left_out(self) -> set[str]:
        return self.wanted - {kind.partition(" ")[0] for kind in self.seen}


def check(pages: dict[str, str], jar: Path) -> list[dict[str, Any]]:
    """What the checker says, with each page's address in place of its file."""
    with tempfile.TemporaryDirectory() as name:
        files = {}
        for number, (path, html) in enumerate(pages.items()):
            file = Path(name) / f"{number}.html"
            file.write_text(html)
            files[file.as_uri()] = path
        command = ["java", "-jar", str(jar), "--format", "json", "--exit-zero-always", name]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(done.stderr or done.stdout)["messages"]
    for one in said:
        one["page"] = files.get(re.sub(r"^file:/+", "file:///", one.get("url", "")), "?")
    return [one for one in said if not is_accepted(one["page"], one["message"])]


def main() -> None:
    if not shutil.which("java"):
        sys.exit("check-html: java isn't on the PATH; the checker needs it. Debian: apt install default-jre-headless")
    jar = find_checker()
    with looks.run_newsroom() as (site, instance):
        shown = looks.prepare(site, instance)
        walker = Walker(site, instance)
        walker.pages["/prenumerera (errors)"] = walker.open("/prenumerera", b"email=wrong")
        walker.pages["/en/prenumerera (errors)"] = walker.open("/en/prenumerera", b"email=wrong")
        walker.walk(["/desk/login", "/finns-inte", "/en/finns-inte", *shown.values(), "/en/", "/dev/mailbox"])
        with urllib.request.urlopen(f"{site}/dev/mailbox.json", timeout=10) as answer:
            letters = [f"/dev/mailbox/{one['id']}.html" for one in json.load(answer)]
        walker.walk(letters)
        walker.log_in(*(instance / "editor-login").read_text().split())
        walker.seen.clear()
        public = dict(walker.pages)
        walker.walk([path for path in shown.values() if path.startswith("/desk")])
        walker.log_in_as_reader("ana@example.org")
        own = [path for name, path in shown.items() if name.startswith("my-")]
        for path in ("/mina-amnen/adress", "/en/mina-amnen/adress"):
            walker.pages[f"{path} (errors)"] = walker.open(path, b"email=wrong")
        walker.pages["/mina-amnen/adress (asked)"] = walker.open("/mina-amnen/adress", b"email=ny@example.org")
        change = looks.wait_for_letter(site, "ny@example.org", "nya adress")
        change_link = looks.link_in(site, change, "ny-adress").removeprefix(site)
        walker.walk([*own, *(f"/en{path}" for path in own), change_link, f"/dev/mailbox/{change['id']}.html"])
        own_pages = {f"{path} (logged in)": walker.pages[path] for path in own}
        walker.pages |= public | own_pages
        walker.seen.update(f"{walker.endpoint_of(path)} again" for path in public)
    found = check(walker.pages, jar)
    groups: dict[tuple[str, str], list[str]] = {}
    for one in found:
        kind = one.get("subType") or one["type"]
        where = f"{one['page']}:{one.get('lastLine', '?')}"
        groups.setdefault((kind, one["message"]), []).append(f"{where}  {' '.join(one.get('extract', '').split())}")
    for (kind, message), places in groups.items():
        print(f"{kind}: {message}\n    {len(places)} times, such as\n    " + "\n    ".join(places[:3]))
    left_out = walker.left_out()
    print(f"{len(walker.pages)} pages and letters checked with {CHECKER}: {len(found)} findings.")
    if left_out:
        print(f"Routes that were not walked: {', '.join(sorted(left_out))}")
    sys.exit(1 if found or left_out else 0)


if __name__ == "__main__":
    main()
