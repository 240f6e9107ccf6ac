"""Holds every page and every letter against the HTML standard, with the Nu checker.

It starts an installation of its own and walks from page to page and through the mailbox, as an editor. What answers a
form, or goes wrong, readers and editors come to within this process, by the same ways as in the tests. It wants no
error and no warning, and no route and no template left out. Needs npm, to fetch the checker once, and Java.
"""

import base64
import collections
import hashlib
import http.cookiejar
import json
import logging
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import flask_migrate
import sqlalchemy as sa
from flask import Flask, Response, request, template_rendered
from flask.testing import FlaskClient
from jinja2 import Template
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from config import load  # noqa: E402
from newsroom import clock, create_app, editors  # noqa: E402
from newsroom.extensions import db, make_token  # noqa: E402
from newsroom.news.models import Topic  # noqa: E402
from newsroom.public.errors import LAST_RESORT  # noqa: E402
from tests.conftest import settings  # noqa: E402
from tests.desk.test_accessibility import open_everything  # noqa: E402
from tests.factories import DAY, make_item, make_subscriber, make_topics  # noqa: E402
from tests.letters import write_letters  # noqa: E402
from tests.pages import log_in as press_log_in  # noqa: E402
from tests.public.test_accessibility import break_down, go_wrong  # noqa: E402
from tests.reader import log_in, receive  # noqa: E402
from tests.walking import SITE, links_in, walk_everywhere  # noqa: E402
from tools import looks  # noqa: E402

CHECKER = "vnu-jar@26.9.27"
INTEGRITY = "sha512-TkQd5DFfOaWC9ebtvozTsrH2Vaod3jYg+vrOeREzIXxBexLz9+rS2DNtjn7+RPUiZhgli0SghgBX6RJRNea0KA=="
CACHE = PROJECT / "build" / "vnu"  # Not under version control.
TEMPLATES = PROJECT / "templates"
EACH = 12  # Pages of one route that are enough; they come from the same template.
# Routes without a page: files, feeds, and answers for programs.
NO_PAGE = re.compile(
    r"^(static$|sitemaps\.|feeds\.|styles\.|about\.robots$|public\.health$|"
    r"signup\.tell_estimate$|own_data\.download$|mailings\.(watch|download_certificate)$|security\.static$|.*(json|eml|source|_for_programs)$)"
)
SHOWN = ("public/*.html", "desk/*.html", "mail/*/body.html")  # Templates of which each has to be checked,
PARTS = {"desk/layout.html", "desk/state.html"}  # but for those that are no page by themselves.
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
    is_letter = re.search(r"^letter |/mailbox/\d+\.html( |$)", page)
    patterns = ACCEPTED + (ACCEPTED_IN_LETTERS if is_letter else ())
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
        self.walk(["/desk/login"])
        token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', self.pages["/desk/login"])
        assert token, "the login has no token"
        fields = {"csrf_token": token[1], "email": email, "password": password}
        self.open("/desk/login", urllib.parse.urlencode(fields).encode())

    def left_out(self) -> set[str]:
        return self.wanted - {kind.partition(" ")[0] for kind in self.seen}


class EnglishReader(FlaskClient):
    """Asks for every page in English, wherever a link or a form leads."""

    def open(self, *args: Any, **kwargs: Any) -> TestResponse:
        path, *others = args
        return super().open(path if path.startswith("/en/") else f"/en{path}", *others, **kwargs)


@contextmanager
def install(pages: dict[str, str], *, reader: type[FlaskClient] = FlaskClient) -> Iterator[tuple[Flask, Session]]:
    """An app on an empty database, with a session beside it; every page that it shows is added to `pages`."""
    with tempfile.TemporaryDirectory() as folder:
        app = create_app(settings(Path(folder), MAIL_REPLY_TO="press@example.org"))
        app.test_client_class = reader

        @app.after_request
        def keep(answer: Response) -> Response:
            html = answer.get_data(as_text=True) if answer.mimetype == "text/html" else ""
            if html and answer.status_code not in (302, 303) and html not in pages.values():
                way = f"{request.method} {request.script_root}{request.path}"
                pages[f"{way} (answer {len(pages)}, {answer.status_code})"] = html
            return answer

        with app.app_context():
            flask_migrate.upgrade()
            engine = db.engine
        with Session(engine) as session:
            yield app, session
        engine.dispose()


def go_twice(app: Flask, session: Session) -> None:
    """Send forms in vain, then well, and once more; and press what letters lead to twice, when it's too late."""
    client, address, now = app.test_client(), "dan@example.org", clock.now()
    make_subscriber(session, address, "stod", now=now - DAY)
    session.commit()
    log_in(app, session, client, address)
    chosen = {"topics": ["stod", "kultur"], "frequency": "own", "frequency-stod": "weekly", "frequency-kultur": "daily"}
    wish = {**chosen, "language": "sv", "pause": f"{now + 20 * DAY:%Y-%m-%d}", "shown": "stod:direct"}
    forms: list[tuple[str, dict[str, Any]]] = [
        ("/prenumerera", {**chosen, "email": "ny.dan@example.org"}),
        ("/mina-amnen/lank", {"email": address}),
        ("/mina-amnen", wish),
        ("/mina-amnen", {**wish, "resume": "yes"}),
        ("/mina-amnen/adress", {"email": "annan.dan@example.org"}),
        ("/mina-amnen/radera", {"block": "yes"}),
    ]
    with app.app_context():
        sa.event.listen(db.engine, "checkout", lambda driver, *_: driver.execute("PRAGMA busy_timeout = 100"))
    session.execute(sa.update(Topic).values(position=Topic.position))  # Holds SQLite's one write lock.
    for path, fields in forms:
        assert client.post(path, data=fields).status_code == 503, path
    session.rollback()
    make_item(session, "stod", published_at=clock.now())
    for path, fields in [*forms, *forms]:
        client.post(path, data=fields)
        client.get(path)
        for link in links_in(receive(app, session)):
            for _time in range(2):
                client.post(link.removeprefix(SITE))
                client.get(link.removeprefix(SITE))


def edit(app: Flask, session: Session) -> None:
    """Log in at the desk, and open and send all that is there, also wrongly."""
    make_topics(session)
    session.commit()
    email, password, client = "eva@example.org", make_token(), app.test_client()
    with app.app_context():
        editors.add_editor(email, password=password, now=clock.now())
        db.session.commit()
    press_log_in(client, email, password)
    open_everything(app, session, client)


def see_everything() -> tuple[dict[str, str], set[str]]:
    """Pages and letters in both languages, however one comes to them; and the templates they are made from."""
    found = {"where no page can be made": LAST_RESORT}
    templates: set[str] = set()

    def note(_app: Flask, template: Template, **_: Any) -> None:
        templates.add(str(template.name))

    with template_rendered.connected_to(note):
        for reader in (FlaskClient, EnglishReader):
            with install(found, reader=reader) as (app, session):
                walk_everywhere(app, session, app.test_client())
                go_twice(app, session)
                if reader is FlaskClient:
                    go_wrong(app, session)  # In either language by itself.
        with install(found) as (app, session):
            with app.app_context():
                db.drop_all()
            break_down(app)
        with install(found) as (app, session):
            edit(app, session)
        with install(found) as (app, session):
            letters = write_letters(app, session, by=clock.now())
    return found | {f"letter {kind}, {language}": one.html for (kind, language), one in letters.items()}, templates


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
        walker.log_in(*(instance / "editor-login").read_text().split())
        with urllib.request.urlopen(f"{site}/dev/mailbox.json", timeout=10) as answer:
            letters = [f"/dev/mailbox/{one['id']}.html" for one in json.load(answer)]
        walker.walk([*shown.values(), "/en/", *letters])
    logging.disable()  # What goes wrong from here on does so on purpose.
    pages, templates = see_everything()
    pages |= walker.pages
    found = check(pages, jar)
    groups: dict[tuple[str, str], list[str]] = {}
    for one in found:
        kind = one.get("subType") or one["type"]
        where = f"{one['page']}:{one.get('lastLine', '?')}"
        groups.setdefault((kind, one["message"]), []).append(f"{where}  {' '.join(one.get('extract', '').split())}")
    for (kind, message), places in groups.items():
        print(f"{kind}: {message}\n    {len(places)} times, such as\n    " + "\n    ".join(places[:3]))
    print(f"{len(pages)} pages and letters checked with {CHECKER}: {len(found)} findings.")
    names = {str(path.relative_to(TEMPLATES)) for pattern in SHOWN for path in TEMPLATES.glob(pattern)}
    left_out = sorted(walker.left_out()) + sorted(names - PARTS - templates)
    if left_out:
        print(f"Routes that were not walked, and templates that no page came from: {', '.join(left_out)}")
    sys.exit(1 if found or left_out else 0)


if __name__ == "__main__":
    main()
