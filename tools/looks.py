"""Takes screenshots of the pages and letters of a fresh installation, at 390 and 1280 pixels, light and dark.

`make looks` writes them to docs/looks/, and docs/looks.md, which shows them; a folder given as argument takes them
instead. Here is the installation, where everything has happened once; tools/pictures.py has what is taken there. A page
is added by its address in `prepare` here, by its name and caption in PAGES, and in STEPS if something has to be done.
"""

import datetime as dt
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

import sqlalchemy as sa
from playwright.sync_api import sync_playwright
from sqlalchemy.orm import Session

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT))

from config import load  # noqa: E402
from newsroom import clock, create_app  # noqa: E402
from newsroom.delivery import controlling  # noqa: E402
from newsroom.delivery.digests import periods_ended  # noqa: E402
from newsroom.delivery.models import Lane, Mailing  # noqa: E402
from newsroom.engine.rules import rules_of  # noqa: E402
from newsroom.extensions import db, reading  # noqa: E402
from newsroom.news import publishing, topics  # noqa: E402
from newsroom.news.models import Item  # noqa: E402
from newsroom.news.writing import ItemText, write_item  # noqa: E402
from newsroom.subscribers import changing, erasing  # noqa: E402
from newsroom.subscribers.addresses import read_address  # noqa: E402
from newsroom.subscribers.models import Signup, Subscriber  # noqa: E402
from newsroom.subscribers.signup import ask, confirm, make_link_token  # noqa: E402
from tools import pictures  # noqa: E402

MOST_OCTETS = 7_000_000  # Of all pictures together.
NEWSROOM = (sys.executable, "-m", "newsroom")
STRATEGY = "ny-strategi-for-naringsliv-och-tillvaxt-beslutad"


@contextmanager
def run_newsroom() -> Iterator[tuple[str, Path]]:
    """A fresh installation on a free port; gives its address and its folder."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        environ = os.environ | {"NEWSROOM_PORT": str(port), "NEWSROOM_INSTANCE_PATH": folder}
        process = subprocess.Popen([*NEWSROOM, "up"], env=environ, cwd=PROJECT)
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(f"{address}/healthz")
            yield address, Path(folder)
        finally:
            process.terminate()
            process.wait(20)


def find_browser() -> str | None:
    """Chromium's path, as the machine has it."""
    own = os.environ.get("NEWSROOM_TEST_BROWSER", "")
    names = [own, "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"]
    return next(filter(None, map(shutil.which, filter(None, names))), None)


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
    subprocess.run([*NEWSROOM, *command], env=environ, cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    news = wait_for_letter(site, "ana@example.org", "strategi")
    post(f"{site}/prenumerera", [*form[1:], ("email", "bo@example.org")])
    second = link_in(site, wait_for_letter(site, "bo@example.org", "Bekräfta"), "bekrafta")
    with urllib.request.urlopen(f"{site}/feeds/all.rss", timeout=10) as answer:
        slug = re.findall(r"<link>[^<]+/nyheter/([^<]+)</link>", answer.read().decode())[2]
    desk = fill_the_desk(instance)
    digest = wait_for_letter(site, "dag@example.org", "och 2 till")
    urgent = wait_for_letter(site, "ana@example.org", "Vattnet")
    post(f"{site}/mina-amnen/lank", [("email", "ana@example.org")])
    login = wait_for_letter(site, "ana@example.org", "Din länk till Mina ämnen")
    login_link = link_in(site, login, "logga-in").removeprefix(site)
    correction = wait_for_letter(site, "ana@example.org", "Rättelse")
    change = wait_for_letter(site, "dag.ny@example.org", "")
    changed = wait_for_letter(site, "dag@example.org", "till en annan adress")
    reminder = wait_for_letter(site, "eva@example.org", "Påminnelse")
    goodbye = wait_for_letter(site, "direkt@example.org", "raderat")
    leave = link_in(site, news, "avsluta").removeprefix(site)
    return {
        "front": "/",
        "news": "/nyheter",
        "item": f"/nyheter/{slug}",
        "search": "/nyheter?q=buss",
        "topics": "/amnen",
        "topic": "/amnen/kultur",
        "subscribe": "/prenumerera?topics=kollektivtrafik",
        "front-english": "/en/",
        "strategy": f"/nyheter/{STRATEGY}",
        "confirm": second.removeprefix(site),
        "welcome": confirm.removeprefix(site),
        "too-old": f"/bekrafta/{desk['too old']}",
        "leave": leave,
        "leave-all": f"{leave}/alla",
        "cannot-undo": link_in(site, digest, "avsluta").removeprefix(site),
        "subscribe-own": "/prenumerera?topics=kollektivtrafik&topics=kultur",
        "subscribe-wrong": "/prenumerera",
        "almost": "/prenumerera?topics=kultur",
        "login": "/mina-amnen",
        "login-sent": "/mina-amnen",
        "login-link": login_link,
        "session-over": "/mina-amnen",
        "my-address": "/mina-amnen/adress",
        "my-letters": "/mina-amnen/brev",
        "logged-out": "/mina-amnen",
        "login-over": login_link,
        "address-confirm": link_in(site, change, "ny-adress").removeprefix(site),
        "my-erasing": "/mina-amnen/radera",
        "letter-login": f"/dev/mailbox/{login['id']}.html",
        "letter-correction": f"/dev/mailbox/{correction['id']}.html",
        "letter-change": f"/dev/mailbox/{change['id']}.html",
        "letter-changed": f"/dev/mailbox/{changed['id']}.html",
        "letter-reminder": f"/dev/mailbox/{reminder['id']}.html",
        "letter-goodbye": f"/dev/mailbox/{goodbye['id']}.html",
        "about": "/om",
        "privacy": "/integritet",
        "accessibility": "/tillganglighet",
        "missing": "/finns-inte",
        "error-429": "/prenumerera?topics=kultur",
        "unsaved": "/prenumerera?topics=kultur&topics=stod",
        "withdrawn": f"/nyheter/{desk['withdrawn']}",
        "mailbox": "/dev/mailbox",
        "letter": f"/dev/mailbox/{news['id']}",
        "letter-confirmation": f"/dev/mailbox/{letter['id']}.html",
        "letter-news": f"/dev/mailbox/{news['id']}.html",
        "desk": "/desk/",
        "desk-item": "/desk/items/26",
        "desk-edit": "/desk/items/26/edit",
        "letter-urgent": f"/dev/mailbox/{urgent['id']}.html",
        "letter-digest": f"/dev/mailbox/{digest['id']}.html",
        "desk-mailings": "/desk/mailings",
        "desk-mailing": f"/desk/mailings/{desk['done']}",
        "desk-mailing-paused": f"/desk/mailings/{desk['paused']}",
        "desk-mailing-held": f"/desk/mailings/{desk['held']}",
        "desk-mailing-digest": f"/desk/mailings/{desk['digest']}",
        "desk-cancel": f"/desk/mailings/{desk['paused']}/cancel",
        "desk-certificate": f"/desk/mailings/{desk['done']}/certificate",
        "desk-urgent": f"/desk/items/{desk['urgent draft']}",
        "desk-rehearsal": f"/desk/items/{desk['urgent draft']}/rehearsal",
        "desk-topics": "/desk/topics/",
        "desk-topic": "/desk/topics/kultur",
        "desk-installation": "/desk/installation",
        "desk-mailbox": "/desk/mailbox",
    }


def fill_the_desk(instance: Path) -> dict[str, Any]:
    """Mailings in every state, a digest and an urgent item; gives what to open, by name.

    It writes into the running installation's database; its engine does the rest, all but what waits for a yes.
    """
    app = create_app(load({"NEWSROOM_INSTANCE_PATH": str(instance)}))
    now, keys = clock.now(), [app.config["SECRET_KEY"]]
    with app.app_context():
        session = db.session()
        schedule = next(one for one in rules_of(app).schedules if one.kind == "daily")
        period = periods_ended(schedule, after=now - dt.timedelta(days=8), by=now)[-1]
        early, yesterday = period.start - dt.timedelta(days=1), now - dt.timedelta(hours=25)
        for address, frequency, at in (
            ("dag@example.org", "daily", early),
            ("direkt@example.org", "direct", early),
            ("eva@example.org", "direct", yesterday),  # Who forgets to say yes,
            ("gun@example.org", "direct", now - dt.timedelta(days=8)),  # and who comes too late with it.
        ):
            chosen = topics.find_topics(session, ["kultur", "stod", "hallbarhet"])
            values = {"language": "sv", "source": "web", "consent_text": "", "letters_per_hour": 9}
            ask(session, read_address(address), chosen, frequency=frequency, now=at, **values)  # type: ignore[arg-type]
        asked = session.scalars(sa.select(Signup).where(Signup.source == "web", Signup.confirmed_at.is_(None)))
        waiting = {signup.subscriber.address: signup for signup in asked}
        for name in ("dag", "direkt"):
            confirm(session, waiting[f"{name}@example.org"], now=early)
        too_old = make_link_token(waiting["gun@example.org"], keys=keys)
        for headline, slugs in (
            ("Nu kan föreningar söka stöd för 2027", ["stod", "kultur"]),
            ("Ny konst längs Tvärbanan", ["offentlig-konst"]),
            ("Luften i länet har blivit renare", ["hallbarhet"]),
        ):
            write(session, headline, slugs, at=period.start + dt.timedelta(hours=1), now=now)
        session.commit()
        held = wait_for_mailings(session, sa.and_(Mailing.state == "held", Mailing.kind == "news"), 3)
        digest = wait_for_mailings(session, sa.and_(Mailing.kind == "daily", Mailing.period_end == period.end), 1)[0]
        if session.get_one(Mailing, digest).state == "held":
            controlling.release(session, digest, by="redaktor@example.org", now=now)
        session.commit()
        wait_for_mailings(session, sa.and_(Mailing.id == digest, Mailing.state == "done"), 1)
        paused = write(session, "Konstnärer får stöd för arbete i skolor", ["kultur"], at=now, now=now)
        mailing = Mailing(kind="news", lane=Lane.NEWS, item_id=paused.id, created_at=now, paused_at=now)
        session.add(mailing)
        session.flush()
        controlling.note_event(session, mailing.id, "paused", by="redaktor@example.org", now=now)
        write(session, "Vattnet i Vaxholm ska kokas", ["hallbarhet"], at=now, now=now).urgent = True
        draft = write(session, "Akutmottagningen i Norrtälje stänger i natt", ["halso-och-sjukvard"], at=None, now=now)
        draft.urgent = True
        gone = write(session, "Öppettider som inte stämde", ["bibliotek"], at=period.start, now=now)
        gone.announce = False
        publishing.withdraw(gone, now=now)
        dag, direct = (find(session, f"{name}@example.org") for name in ("dag", "direkt"))
        new = read_address("dag.ny@example.org")
        changing.ask(session, dag, new, language="sv", keys=keys, now=now, letters_per_hour=9)
        erasing.erase(session, direct, block=False, keys=keys, now=now)
        session.commit()
        urgent = wait_for_mailings(session, sa.and_(Mailing.kind == "urgent", Mailing.state == "done"), 1)[0]
        water = session.scalars(sa.select(Item).where(Item.urgent, Item.published_at.is_not(None))).one()
        publishing.correct(water, "Vi skrev hela Vaxholm. Det gäller bara Resarö.", announce=True, now=clock.now())
        session.commit()
        found: dict[str, Any] = {"held": held[0], "digest": digest, "paused": mailing.id, "done": urgent}
        found |= {"urgent draft": draft.id, "withdrawn": gone.slug, "too old": too_old}
        session.commit()
        db.engine.dispose()
    return found


def find(session: Session, address: str) -> Subscriber:
    """The subscriber with an address."""
    return session.scalars(sa.select(Subscriber).where(Subscriber.address == address)).one()


def write(session: Session, headline: str, slugs: list[str], *, at: dt.datetime | None, now: dt.datetime) -> Item:
    """An item, published at a time, or a draft."""
    lede = "Det här är en påhittad nyhet, skriven för att visa hur sidorna och breven ser ut."
    text = ItemText(headline, lede, "## Bakgrund\n\nDet viktigaste först, i några få rader.\n\n- Ett\n- Två")
    item = write_item(session, text, topics.find_topics(session, slugs), now=now, domain="localhost")
    if at is not None:
        publishing.publish(item, at=at, now=at - dt.timedelta(seconds=1))
    session.flush()
    return item


def wait_for_mailings(session: Session, which: sa.ColumnElement[bool], count: int) -> list[int]:
    """The mailings, once there are so many."""
    for _ in range(300):
        with reading():
            found = session.scalars(sa.select(Mailing.id).where(which).order_by(Mailing.id)).all()
            session.rollback()
        if len(found) >= count:
            return list(found)
        time.sleep(0.1)
    raise SystemExit(f"no {count} mailings where {which}")


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / "docs" / "looks"
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.webp"):
        old.unlink()
    with run_newsroom() as (site, instance), sync_playwright() as playwright:
        # With hinting, signs stand at whole pixels, and pictures made smaller lose spaces.
        args = ["--no-sandbox", "--font-render-hinting=none"]
        browser = playwright.chromium.launch(executable_path=find_browser(), args=args)
        pages = prepare(site, instance)
        pictures.shoot(browser, site, instance, pages, folder)
        pictures.join(browser, site, pages, folder)
        browser.close()
    pictures.write_document(folder.with_suffix(".md"), folder)
    octets = sum(path.stat().st_size for path in folder.iterdir())
    print(f"Screenshots are in {folder}: {octets / 1e6:.1f} MB.")
    if octets > MOST_OCTETS:
        most = f"{MOST_OCTETS / 1e6:.0f} MB"
        sys.exit(f"That is more than {most}: lower QUALITY, a scale or TALLEST in tools/pictures.py.")


if __name__ == "__main__":
    main()
