"""The Prenumerera flow as a reader and a browser meet it."""

import email
import email.policy
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session
from werkzeug.test import TestResponse

from newsroom import clock, create_app
from newsroom.delivery.models import Mailing
from newsroom.delivery.transport import MemoryTransport
from newsroom.extensions import db, reading
from newsroom.news.models import Topic
from newsroom.public.signup import TRAP
from newsroom.subscribers import signup
from newsroom.subscribers.models import ConsentEvent, Signup, Subscriber, Subscription
from newsroom.subscribers.signup import make_link_token
from tests.conftest import SECRET, settings
from tests.factories import DAY, HOUR, MINUTE, deliver_everything, make_item, make_signup, make_subscriber, make_topics
from tests.pages import check_error, filled_in, find_form, read_page, title_of, words_of
from tests.tables import count_new, read_tables

FORM = {"email": "ana@example.org", "topics": ["stod"], "frequency": "direct"}
FIELDS = ("email", "topics", "frequency")
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _topics(request: pytest.FixtureRequest) -> None:
    if "session" in request.fixturenames:
        session: Session = request.getfixturevalue("session")
        make_topics(session)
        session.commit()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, migrated_sqlite: Path) -> Iterator[Flask]:
    """A site for the tests that save nothing; they hold it to that at the end."""
    folder = tmp_path_factory.mktemp("signup")
    shutil.copy(migrated_sqlite, folder / "newsroom.sqlite3")
    app = create_app(settings(folder))
    with app.app_context():
        engine = db.engine
    with Session(engine) as session:
        make_topics(session)
        before = read_tables(session)
        yield app
        assert read_tables(session) == before
    engine.dispose()


@pytest.fixture(scope="module")
def reader(site: Flask) -> FlaskClient:
    return site.test_client()


def send(client: FlaskClient, prefix: str = "", **changes: Any) -> TestResponse:
    """Send the form as it stands in FORM, with changes; None leaves a field out."""
    fields = {name: value for name, value in (FORM | changes).items() if value is not None}
    return client.post(f"{prefix}/prenumerera", data=fields)


def shown_in(page: Any) -> dict[str, Any]:
    """What the form on the page shows, as it would be sent again."""
    sent = {"topics": [], "frequency": []} | filled_in(find_form(page, "email"))
    assert sent.pop(TRAP) == [""]
    return sent


def link_of(wish: Signup) -> str:
    return f"/bekrafta/{make_link_token(wish, keys=[SECRET])}"


# The form


@pytest.mark.parametrize("prefix", ["", "/en"])
def test_nothing_is_ticked_beforehand_and_letters_come_at_once(reader: FlaskClient, prefix: str) -> None:
    page = read_page(reader.get(f"{prefix}/prenumerera"))

    assert shown_in(page) == {"topics": [], "frequency": ["direct"], "email": [""]}
    assert page.xpath("//input[@name='topics']/@value")[3:6] == ["kultur", "kultur-och-halsa", "offentlig-konst"]
    assert page.xpath("//*[@aria-invalid] | //*[@autofocus]") == []
    form = find_form(page, "email")
    assert (form.get("method"), form.get("action")) == ("post", f"{prefix}/prenumerera")
    for field in page.xpath("//form//input"):
        assert page.xpath("//label[@for=$id]", id=field.get("id")) != []


@pytest.mark.parametrize(
    ("query", "ticked"),
    [
        ("topics=stod", ["stod"]),
        ("topics=stod&topics=kultur", ["kultur", "stod"]),
        ("topics=finns-inte&topics=stod&topics=stod", ["stod"]),
        ("topics=", []),
        ("topics=%00&topics=%ED%A0%80&topics=" + "x" * 5000, []),
        ("topic=stod&email=ana@example.org&frequency=weekly", []),
    ],
)
def test_only_topics_that_exist_are_ticked_by_the_button_one_came_with(
    reader: FlaskClient, query: str, ticked: list[str]
) -> None:
    assert shown_in(read_page(reader.get(f"/prenumerera?{query}"))) == {
        "topics": ticked,
        "frequency": ["direct"],
        "email": [""],
    }


def test_a_good_form_is_answered_with_almost_done_and_one_wish(session: Session, client: FlaskClient) -> None:
    before = read_tables(session)
    form = find_form(read_page(client.get("/prenumerera?topics=stod&topics=kultur")), "email")

    answer = client.post(form.get("action"), data=filled_in(form, email=" Ana@Example.org ", frequency="weekly"))

    page = read_page(answer)
    assert (answer.status_code, title_of(page)) == (200, "Nästan klart")
    assert "Vi har skickat ett brev till Ana@example.org." in words_of(page)
    assert count_new(before, read_tables(session)) == {"subscriber": 1, "signup": 1, "signup_topic": 2}
    wish = session.scalars(sa.select(Signup)).one()
    assert ({topic.slug for topic in wish.topics}, wish.frequency) == ({"stod", "kultur"}, "weekly")
    assert (wish.language, wish.source, wish.confirmed_at) == ("sv", "web", None)
    assert wish.consent_text in words_of(read_page(client.get("/prenumerera")))
    assert wish.subscriber.address == "Ana@example.org"


@on_sqlite
def test_a_wish_from_the_english_page_is_kept_with_its_words(session: Session, client: FlaskClient) -> None:
    page = read_page(send(client, "/en"))

    assert title_of(page) == "Almost done"
    wish = session.scalars(sa.select(Signup)).one()
    assert (wish.language, wish.consent_text) == (
        "en",
        "I want news about the topics I have chosen by e-mail, and I can stop whenever I like.",
    )


def test_the_answer_is_the_same_whatever_the_address_was(session: Session, client: FlaskClient, app: Flask) -> None:
    app.config["SIGNUP_LETTERS_PER_HOUR"] = 2
    make_subscriber(session, "known@example.org", "stod", frequency="weekly", now=clock.now() - DAY)
    make_signup(session, "asked@example.org", "stod", now=clock.now() - HOUR)
    for minutes in (10, 5):
        make_signup(session, "quiet@example.org", "stod", now=clock.now() - minutes * MINUTE)
    session.commit()

    answers = [send(client, email=f"{name}@example.org") for name in ("newer", "known", "asked", "quiet")]

    first, *others = [
        (
            answer.status_code,
            sorted(answer.headers),
            re.sub(rb'\b[a-z]+@example\.org|(?<=name="shown" value=")[0-9]+', b"(its own)", answer.data),
        )
        for answer in answers
    ]
    assert first[0] == 200
    assert first[2].count(b"(its own)") == 4  # The address for people and in two forms, and the second.
    assert others == [first] * 3
    assert session.scalar(sa.select(sa.func.count()).select_from(Signup)) == 1 + 1 + 2 + 3  # None more for quiet@.


# What is wrong is said, and nothing typed is lost

NO_TOPIC = ("topics", "Välj minst ett ämne.", "Choose at least one topic.")
UNKNOWN = (
    "topics",
    "Ett av ämnena finns inte längre. Välj på nytt.",
    "One of the topics isn't there any more. Choose again.",
)
NO_FREQUENCY = ("frequency", "Välj hur ofta du vill ha brev.", "Choose how often you want letters.")
NO_ADDRESS = ("email", "Skriv din e-postadress.", "Write your e-mail address.")
BAD_ADDRESS = (
    "email",
    "Det här är inte en fullständig e-postadress. Den ska se ut som namn@example.org.",
    "This isn't a complete e-mail address. It should look like name@example.org.",
)


@pytest.mark.parametrize(
    ("changes", "errors"),
    [
        ({"topics": None}, [NO_TOPIC]),
        ({"topics": ["finns-inte"]}, [UNKNOWN]),
        ({"topics": ["stod", "finns-inte"]}, [UNKNOWN]),
        ({"topics": ["sto\x00d"]}, [UNKNOWN]),
        ({"topics": [""]}, [UNKNOWN]),
        ({"topics": [f"amne-{number}" for number in range(10_000)]}, [UNKNOWN]),
        ({"frequency": None}, [NO_FREQUENCY]),
        ({"frequency": "hourly"}, [NO_FREQUENCY]),
        ({"frequency": "direct\x00"}, [NO_FREQUENCY]),
        ({"email": None}, [NO_ADDRESS]),
        ({"email": "  "}, [NO_ADDRESS]),
        ({"email": "ana"}, [BAD_ADDRESS]),
        ({"email": '"><script>alert(1)</script>@example.org'}, [BAD_ADDRESS]),
        ({"email": "ana@example.org\r\nBcc: bo@example.org"}, [BAD_ADDRESS]),
        ({"email": "an\x00a@example.org"}, [BAD_ADDRESS]),
        ({"email": "an\x1ba@example.org"}, [BAD_ADDRESS]),
        ({"email": "a" * 100_000 + "@example.org"}, [BAD_ADDRESS]),
        ({"email": "ana", "topics": ["kultur"], "frequency": "weekly"}, [BAD_ADDRESS]),
        ({"email": "", "topics": None, "frequency": ""}, [NO_TOPIC, NO_FREQUENCY, NO_ADDRESS]),
    ],
)
@pytest.mark.parametrize("prefix", ["", "/en"])
def test_what_is_wrong_is_said_at_its_field_and_what_was_typed_stays(
    reader: FlaskClient, prefix: str, changes: dict[str, Any], errors: list[tuple[str, str, str]]
) -> None:
    answer = send(reader, prefix, **changes)

    page = read_page(answer)
    assert (answer.status_code, page.get("lang")) == (422, "en" if prefix else "sv")
    assert words_of(page.xpath("//title")[0]).startswith("To mend:" if prefix else "Att rätta:")
    for field, swedish, english in errors:
        check_error(page, field, english if prefix else swedish)
    assert len(page.xpath("//*[@aria-invalid='true']")) == len(errors)
    count = {1: ("En sak att rätta", "One thing to mend"), 3: ("3 saker att rätta", "3 things to mend")}[len(errors)]
    assert words_of(page.get_element_by_id("errors")) == count[bool(prefix)]
    typed = FORM | changes
    shown = shown_in(page)
    # HTML can't write NUL, and a browser's own field holds no line end; both stand in the bytes of the page.
    if typed["email"] and "\x00" not in typed["email"] and "\n" not in typed["email"]:
        assert shown["email"] == [typed["email"]]
    elif typed["email"]:
        assert typed["email"] in answer.get_data(as_text=True)
    assert shown["topics"] == [slug for slug in typed["topics"] or [] if slug in ("stod", "kultur")]
    assert shown["frequency"] == [one for one in [typed["frequency"]] if one in ("direct", "weekly")]
    assert page.xpath("//script[not(@src)]") == []


@pytest.mark.parametrize("field", FIELDS)
def test_half_signs_in_any_field_are_a_mistake_like_any_other(reader: FlaskClient, field: str) -> None:
    sent = {"email": "ana%40example.org", "topics": "stod", "frequency": "direct"}
    sent[field] = "%ED%A0%80" + sent[field]
    body = "&".join(f"{name}={value}" for name, value in sent.items())

    answer = reader.post("/prenumerera", data=body, content_type="application/x-www-form-urlencoded")

    page = read_page(answer)
    assert answer.status_code == 422
    (marked,) = page.xpath("//*[@aria-invalid='true']")
    assert marked.get("name", "topics") == field or marked.xpath(".//input[@name=$field]", field=field) != []


def test_the_same_form_sent_as_multipart_is_understood_alike(reader: FlaskClient) -> None:
    for changes in ({"email": "an\ufffda@example.org"}, {"topics": ["finns-inte"]}, {"frequency": "x"}):
        answer = reader.post("/prenumerera", data=FORM | changes, content_type="multipart/form-data")
        assert answer.status_code == 422
        assert len(read_page(answer).xpath("//*[@aria-invalid='true']")) == 1


@on_sqlite
def test_one_topic_ten_thousand_times_is_one_topic(session: Session, client: FlaskClient) -> None:
    assert send(client, topics=["stod"] * 10_000).status_code == 200
    assert [topic.slug for topic in session.scalars(sa.select(Signup)).one().topics] == ["stod"]


@pytest.mark.parametrize("prefix", ["", "/en"])
def test_a_body_of_5_mb_is_refused_with_a_page(reader: FlaskClient, prefix: str) -> None:
    title = "That was too much at once" if prefix else "Det var för mycket på en gång"
    typed = b"a" * 5_000_000
    for content_type, body in (
        ("application/x-www-form-urlencoded", b"topics=stod&email=" + typed),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="email"\r\n\r\n' + typed),
    ):
        answer = reader.post(f"{prefix}/prenumerera", data=body, content_type=content_type)
        assert (answer.status_code, title_of(read_page(answer))) == (413, title)


def test_a_body_that_is_no_form_is_an_empty_form(reader: FlaskClient) -> None:
    for body, content_type in (
        (b"", "application/x-www-form-urlencoded"),
        (b'{"email": "ana@example.org"}', "application/json"),
        (b"--x\r\ngarbage", "multipart/form-data; boundary=x"),
        (b"\xff\xfe\x00", "application/x-www-form-urlencoded"),
        (b"email=ana", "text/plain"),
    ):
        answer = reader.post("/prenumerera", data=body, content_type=content_type)
        assert answer.status_code == 422
        assert len(read_page(answer).xpath("//*[@aria-invalid='true']")) == 3


# Where it came from


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
        {"Sec-Fetch-Site": "same-origin", "Origin": "null"},  # Fetch Metadata says more than Origin.
        {"Origin": "http://localhost"},
        {"Origin": "http://127.0.0.1:8000"},  # NEWSROOM_PUBLIC_URL
    ],
)
def test_a_form_from_here_or_from_no_browser_is_taken(reader: FlaskClient, headers: dict[str, str]) -> None:
    assert reader.post("/prenumerera", data=FORM | {"email": "x"}, headers=headers).status_code == 422


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": ""},
        {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
        {"Origin": "https://example.com"},
        {"Origin": "http://localhost.example.com"},
        {"Origin": "http://localhost:8001"},
        {"Origin": "http://localhost@example.com"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "http://["},
        {"Origin": "http://localhost/, https://example.com"},
    ],
)
def test_a_form_from_another_site_is_refused(reader: FlaskClient, headers: dict[str, str]) -> None:
    for prefix, title in (("", "Det där kom från en annan webbplats"), ("/en", "That came from another site")):
        answer = reader.post(f"{prefix}/prenumerera", data=FORM, headers=headers)
        assert (answer.status_code, title_of(read_page(answer))) == (403, title)


# No GET changes anything


def test_opening_any_address_any_way_changes_nothing(app: Flask, session: Session, client: FlaskClient) -> None:
    now = clock.now()
    ana = make_subscriber(session, "ana@example.org", "stod", now=now - 30 * DAY)
    item_id = make_item(session, "stod", headline="Bron", published_at=now - HOUR).id
    fresh = link_of(make_signup(session, "bo@example.org", "stod", now=now))
    old = link_of(make_signup(session, "cia@example.org", "stod", now=now - 8 * DAY))
    session.commit()
    deliver_everything(app, session, MemoryTransport(), now=now)
    key = session.scalars(sa.select(Mailing.key).where(Mailing.item_id == item_id)).one()
    values: dict[str, list[Any]] = {
        "slug": ["bron", "stod", "kultur", "finns-inte"],
        "name": ["all", "stod"],
        "token": [ana.token, *(link.rpartition("/")[2] for link in (fresh, old)), "x"],
        "mailing_key": [key, "x"],
        "item_id": [item_id],
        "mailing_id": [1],
        "letter_id": [1],
        "filename": ["icon.svg"],
        "number": [0, 1],
    }
    addresses = set()
    with app.test_request_context():
        for rule in app.url_map.iter_rules():
            for number in range(8):
                filled = {name: values[name][(number >> place) % len(values[name])]
                          for place, name in enumerate(sorted(rule.arguments))}  # fmt: skip
                addresses.add(app.url_for(rule.endpoint, **filled))
    before = read_tables(session)

    answers = {
        (method, address): client.open(
            address + query, method=method, headers={"Sec-Fetch-Site": "same-origin"}, buffered=True
        ).status_code
        for address in sorted(addresses)
        for method in ("GET", "HEAD", "OPTIONS")
        for query in ("", "?undo=x&List-Unsubscribe=One-Click&email=eva@example.org&topics=stod&frequency=direct")
    }

    assert read_tables(session) == before
    assert len(addresses) > 40
    assert answers["GET", fresh] == 200
    assert answers["GET", old] == 410
    assert answers["GET", f"/avsluta/{ana.token}/{key}"] == 200
    assert 500 not in answers.values()
    assert 503 not in answers.values()


def test_the_database_itself_refuses_what_a_careless_page_would_write(app: Flask, session: Session) -> None:
    @app.route("/slarvig", methods=["GET", "POST"])
    def careless() -> str:
        db.session.add(Topic(slug="slarvigt", name="Slarvigt", name_en="Careless"))
        db.session.commit()
        return "saved"

    client = app.test_client()
    before = read_tables(session)

    assert client.get("/slarvig").status_code == 503
    assert client.head("/slarvig").status_code == 503
    assert read_tables(session) == before

    assert client.post("/slarvig").data == b"saved"
    assert count_new(before, read_tables(session)) == {"topic": 1}


def test_a_transaction_that_began_while_reading_cannot_write(app: Flask, session: Session) -> None:
    with app.app_context():
        with reading():
            assert db.session.scalar(sa.select(sa.func.count()).select_from(Topic)) == 13
            with pytest.raises(DBAPIError):
                db.session.execute(sa.update(Topic).values(position=0))
            db.session.rollback()
        db.session.execute(sa.update(Topic).values(position=0))
        db.session.rollback()


# The yes


def confirmation_link(app: Flask, session: Session, address: str) -> str:
    """The link in the newest confirmation letter to an address, as its reader would follow it."""
    post = MemoryTransport()
    deliver_everything(app, session, post, now=clock.now())
    letter = next(one.letter for one in reversed(post.accepted) if one.to == address)
    text = email.message_from_bytes(letter, policy=email.policy.default).get_body(("plain",))
    assert text is not None
    (link,) = re.findall(r"http://127\.0\.0\.1:8000(\S*/bekrafta/\S+)", text.get_content())
    return str(link)


@pytest.mark.parametrize("prefix", ["", "/en"])
def test_from_the_form_through_the_letter_to_a_subscription(
    app: Flask, session: Session, client: FlaskClient, prefix: str
) -> None:
    send(client, prefix, topics=["stod", "offentlig-konst"], frequency="daily")
    link = confirmation_link(app, session, "ana@example.org")
    assert link.startswith(f"{prefix}/bekrafta/")

    page = read_page(client.get(link))
    assert title_of(page) == ("One press left" if prefix else "Ett tryck kvar")
    (form,) = page.xpath("//form")
    assert (form.get("method"), form.get("action")) == ("post", None)  # To its own address.
    assert len(form.xpath(".//button")) == 1
    assert session.scalars(sa.select(Subscription)).all() == []
    session.rollback()

    pressed = client.post(link)
    assert (pressed.status_code, pressed.location) == (303, link)
    done = read_page(client.get(pressed.location))
    assert title_of(done) == ("Done!" if prefix else "Klart!")
    assert [words_of(one) for one in done.xpath("//main//ul[@class='plain']/li")] == (
        ["Public art", "Grants and support"] if prefix else ["Offentlig konst", "Stöd"]
    )
    follows = session.scalars(sa.select(Subscription).where(Subscription.ended_at.is_(None))).all()
    assert {(one.topic.slug, one.frequency) for one in follows} == {("stod", "daily"), ("offentlig-konst", "daily")}
    assert session.scalars(sa.select(ConsentEvent)).one().kind == "given"


def test_pressing_twice_is_pressing_once(session: Session, client: FlaskClient) -> None:
    link = link_of(make_signup(session, "ana@example.org", "stod", now=clock.now() - HOUR))
    session.commit()
    client.post(link)
    before = read_tables(session)

    again = client.post(link, follow_redirects=True)

    assert (again.status_code, title_of(read_page(again))) == (200, "Klart!")
    assert read_tables(session) == before


@on_sqlite
def test_the_button_needs_no_cookie_and_works_from_any_mail_client(session: Session, app: Flask) -> None:
    link = link_of(make_signup(session, "ana@example.org", "stod", now=clock.now()))
    session.commit()

    headers = {"Origin": "null", "Sec-Fetch-Site": "cross-site"}
    answer = app.test_client(use_cookies=False).post(link, headers=headers)

    assert (answer.status_code, "Set-Cookie" in answer.headers) == (303, False)


def test_a_link_that_was_followed_in_time_shows_what_holds_for_ever(session: Session, client: FlaskClient) -> None:
    wish = make_signup(session, "ana@example.org", "stod", "kultur", now=clock.now() - 400 * DAY)
    signup.confirm(session, wish, now=clock.now() - 399 * DAY)
    link = link_of(wish)
    session.commit()
    for answer in (client.get(link), client.post(link, follow_redirects=True)):
        page = read_page(answer)
        assert (answer.status_code, title_of(page)) == (200, "Klart!")
        assert [words_of(one) for one in page.xpath("//main//ul[@class='plain']/li")] == ["Kultur", "Stöd"]

    for one in session.scalars(sa.select(Subscription)):
        one.ended_at, one.end_reason = clock.now(), "unsubscribed"
    session.commit()

    assert title_of(read_page(client.get(link))) == "Du får inte längre de här breven"


@pytest.mark.parametrize("prefix", ["", "/en"])
def test_a_link_older_than_seven_days_says_so_and_leads_to_the_form(
    session: Session, client: FlaskClient, prefix: str
) -> None:
    old = make_signup(session, "ana@example.org", "stod", now=clock.now() - 8 * DAY)
    link = prefix + link_of(old)
    for forgotten in (False, True):
        if forgotten:
            session.delete(old)
        before = read_tables(session)
        for answer in (client.get(link), client.post(link)):
            page = read_page(answer)
            assert (answer.status_code, title_of(page)) == (
                410,
                "The link is too old" if prefix else "Länken är för gammal",
            )
            assert page.xpath("//main//a/@href") == [f"{prefix}/prenumerera"]
            assert ("7\u00a0days" if prefix else "7\u00a0dagar") in page.xpath("string(//main)")  # On one line.
            assert page.xpath("//main//form") == []
        assert read_tables(session) == before


def test_garbage_in_a_link_is_not_found(reader: FlaskClient) -> None:
    good = link_of(Signup(id=1, requested_at=clock.now()))
    for link in (
        f"{good}x",
        good[:-1],
        "/bekrafta/%00",
        "/bekrafta/%ED%A0%80",
        "/bekrafta/Å",
        f"/bekrafta/{'x' * 9000}",
    ):
        for method in ("GET", "POST"):
            answer = reader.open(link, method=method)
            assert (answer.status_code, title_of(read_page(answer))) == (404, "Sidan finns inte")
    assert reader.get(good).status_code == 410  # Well signed, but there is no such sign-up any more.


@on_sqlite
def test_a_link_signed_with_an_earlier_secret_still_works(session: Session, tmp_path: Path) -> None:
    link = link_of(make_signup(session, "ana@example.org", "stod", now=clock.now()))
    session.commit()
    for fallbacks, code in (([], 404), (["even older", SECRET], 303)):
        app = create_app(settings(tmp_path, SECRET_KEY="n" * 40) | {"SECRET_KEY_FALLBACKS": fallbacks})
        assert app.test_client().post(link).status_code == code
        with app.app_context():
            db.engine.dispose()


# When saving isn't possible


@on_sqlite
@pytest.mark.parametrize("prefix", ["", "/en"])
def test_a_read_only_database_keeps_the_form_and_says_so(session: Session, tmp_path: Path, prefix: str) -> None:
    link = link_of(make_signup(session, "ana@example.org", "stod", now=clock.now()))
    before = read_tables(session)
    uri = f"sqlite:///file:{tmp_path / 'newsroom.sqlite3'}?mode=ro&uri=true"
    client = create_app(settings(tmp_path, SQLALCHEMY_DATABASE_URI=uri)).test_client()

    answer = send(client, prefix, email="bo@example.org", topics=["stod", "kultur"], frequency="weekly")

    page = read_page(answer)
    assert answer.status_code == 503
    assert words_of(page.xpath("//title")[0]).startswith("It didn't work:" if prefix else "Det gick inte:")
    (summary,) = page.xpath("//*[@autofocus]")
    assert (summary.get("role"), summary.get("tabindex")) == ("group", "-1")
    assert words_of(page.get_element_by_id(summary.get("aria-labelledby"))) == words_of(summary)
    assert summary.xpath(".//h2 | .//li") == []  # There is nothing to mend.
    assert (
        "We can't save right now. What you filled in is still here; try again in a while."
        if prefix
        else "Det går inte att spara just nu. Det du fyllde i finns kvar här; försök igen om en stund."
    ) in words_of(summary)
    assert shown_in(page) == {"email": ["bo@example.org"], "topics": ["kultur", "stod"], "frequency": ["weekly"]}
    assert client.get(f"{prefix}/prenumerera").status_code == 200
    pressed = client.post(prefix + link)
    assert pressed.status_code == 503
    assert title_of(read_page(pressed)) == ("We can't save right now" if prefix else "Det går inte att spara just nu")
    assert client.get(prefix + link).status_code == 200
    assert read_tables(session) == before
    with client.application.app_context():
        db.engine.dispose()


@on_sqlite
def test_a_form_that_waits_too_long_for_another_writer_keeps_what_was_typed(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    with app.app_context():
        sa.event.listen(db.engine, "checkout", lambda driver, *_: driver.execute("PRAGMA busy_timeout = 100"))
    session.execute(sa.update(Topic).values(position=0))  # Holds SQLite's one write lock.

    answer = send(client)

    session.rollback()
    assert answer.status_code == 503
    form = find_form(read_page(answer), "email")
    assert client.post("/prenumerera", data=filled_in(form)).status_code == 200
    assert session.scalars(sa.select(Signup)).one().subscriber.address == "ana@example.org"


@on_sqlite
@pytest.mark.parametrize("prefix", ["", "/en"])
@pytest.mark.parametrize("path", ["/prenumerera", "/prenumerera/igen"])
def test_a_form_that_is_held_back_loses_nothing(session: Session, tmp_path: Path, prefix: str, path: str) -> None:
    app = create_app(settings(tmp_path, SIGNUP_LIMIT="1 per minute") | {"RATELIMIT_ENABLED": True})
    client = app.test_client()
    typed = {"email": "an a@", "topics": ["kultur", "stod"], "frequency": "own"}
    own = {"frequency-kultur": "daily", "frequency-stod": "weekly"}
    client.post(prefix + path)
    before = read_tables(session)

    for do in ({}, {"do": "count"}, {"do": "change"}, {TRAP: "https://example.com"}):
        answer = client.post(prefix + path, data=typed | own | do)

        page = read_page(answer)
        assert (answer.status_code, page.get("lang")) == (429, "en" if prefix else "sv")
        (box,) = page.xpath("//*[@autofocus]")
        assert (box.get("role"), box.get("tabindex"), box.get("aria-labelledby")) == ("group", "-1", "errors")
        assert box.xpath(".//h2 | .//li") == []  # There is nothing to mend.
        for part in (
            ("in a short time. Nothing has been saved or sent, but what you filled in is still here. Wait ", "then try")
            if prefix
            else (
                "på kort tid. Ingenting har sparats eller skickats, men det du fyllde i finns kvar här. Vänta ",
                "och",
            )
        ):
            assert part in words_of(box)
        shown = {name: value if isinstance(value, list) else [value] for name, value in (typed | own).items()}
        assert shown_in(page) == shown
    assert read_tables(session) == before

    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://example.com"}):
        refused = client.post(prefix + path, data=typed, headers=headers)
        assert (refused.status_code, "an a@" in refused.get_data(as_text=True)) == (403, False)
    assert client.post(prefix + path, data={"email": "x" * 600_000}).status_code == 413
    left = client.post("/avsluta/x/y", data={"List-Unsubscribe": "One-Click"})  # Leaving has no limit.
    assert left.status_code == 404
    with app.app_context():
        db.engine.dispose()


@on_sqlite
def test_too_many_forms_from_one_network_are_held_back_a_while(session: Session, tmp_path: Path) -> None:
    old = link_of(make_signup(session, "ana@example.org", "stod", now=clock.now() - 8 * DAY))
    session.commit()
    app = create_app(settings(tmp_path, SIGNUP_LIMIT="2 per minute") | {"RATELIMIT_ENABLED": True})
    client = app.test_client()
    for number in range(2):
        assert send(client, email=f"reader{number}@example.org").status_code == 200
    before = read_tables(session)

    for prefix, title in (("", "Det gick inte: Prenumerera"), ("/en", "It didn't work: Subscribe")):
        held = send(client, prefix, email="reader3@example.org")
        assert (held.status_code, "Retry-After" in held.headers) == (429, True)
        assert words_of(read_page(held).xpath("//title")[0]).startswith(title)
    assert read_tables(session) == before

    assert client.get("/prenumerera").status_code == 200  # Reading is never held back.
    assert client.get(old).status_code == 410
    again = FORM | {"email": "reader1@example.org"}
    assert [client.post("/prenumerera/igen", data=again).status_code for _ in range(3)] == [200, 200, 429]
    somebody_else = client.post("/prenumerera", data=FORM, environ_overrides={"REMOTE_ADDR": "192.0.2.7"})
    assert somebody_else.status_code == 200
    assert session.scalar(sa.select(sa.func.count()).select_from(Subscriber)) == 3
    with app.app_context():
        db.engine.dispose()
