"""What the Prenumerera form tells before the button is pressed, and what becomes of it when something is amiss."""

import datetime as dt
from email import message_from_string, policy
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy.orm import Session

from newsroom import clock, create_app
from newsroom.delivery.transport import MemoryTransport
from newsroom.news.models import Topic
from newsroom.public.signup import TRAP
from newsroom.subscribers import signup
from newsroom.subscribers.models import Signup, Subscriber
from tests.conftest import settings
from tests.factories import DAY, HOUR, MINUTE, deliver_everything, make_item, make_signup, make_subscriber, make_topics
from tests.pages import filled_in, find_form, read_page, title_of, words_of
from tests.public.test_signup import confirmation_link
from tests.tables import count_new, read_tables

FORM = {"email": "ana@example.org", "topics": ["stod"], "frequency": "direct"}
on_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def _topics(request: pytest.FixtureRequest) -> None:
    if "session" in request.fixturenames:
        session: Session = request.getfixturevalue("session")
        make_topics(session)
        session.commit()


def publish_weekly(session: Session, *slugs: str, weeks: int = 13, each_week: int = 1) -> None:
    """Items over the last weeks, and one long before, so that the topics are no news themselves."""
    now = clock.now()
    for week in range(weeks):
        for number in range(each_week):
            make_item(session, *slugs, published_at=now - week * 7 * DAY - number * DAY - HOUR)
    make_item(session, *slugs, published_at=now - 300 * DAY)
    session.commit()


def field(page: Any, slug: str) -> Any:
    return page.get_element_by_id(f"topic-{slug}")


def described(page: Any, control: Any) -> str:
    """What a screen reader adds to a control's name."""
    return " ".join(words_of(page.get_element_by_id(one)) for one in control.get("aria-describedby").split())


def expected(page: Any) -> str:
    return words_of(page.get_element_by_id("expected"))


# What the form tells


@on_sqlite
def test_each_topic_says_what_it_covers_and_how_often_it_brings_news(session: Session, client: FlaskClient) -> None:
    stod = session.scalars(sa.select(Topic).where(Topic.slug == "stod")).one()
    stod.about, stod.about_en = "Stöd som du kan söka.", "Grants that you can apply for."
    session.execute(sa.update(Topic).where(Topic.slug.in_(("kultur", "bibliotek"))).values(about=""))
    publish_weekly(session, "stod", each_week=3)
    publish_weekly(session, "offentlig-konst")

    page = read_page(client.get("/prenumerera"))

    assert described(page, field(page, "stod")) == "Stöd som du kan söka. Nyheter: ungefär 3 i veckan."
    assert "Nyheter: ungefär en i veckan." in described(page, field(page, "offentlig-konst"))
    kultur = described(page, field(page, "kultur"))
    assert kultur == "Omfattar också de 3 ämnena här under. Nyheter: ungefär en i veckan."
    assert described(page, field(page, "bibliotek")) == "Nyheter: inget än."
    english = read_page(client.get("/en/prenumerera"))
    assert described(english, field(english, "stod")) == "Grants that you can apply for. News: about 3 a week."


@on_sqlite
def test_children_stand_in_a_list_under_their_parent(session: Session, client: FlaskClient) -> None:
    page = read_page(client.get("/prenumerera?topics=kultur"))

    children = field(page, "kultur").xpath("ancestor::li[1]/ul/li//input/@value")
    assert children == ["kultur-och-halsa", "offentlig-konst", "konstnar-och-kulturutovare"]
    # The words that style sheets show once the parent is ticked belong to what the child says of itself.
    assert "Ingår i Kultur." in described(page, field(page, "offentlig-konst"))
    assert page.xpath("//input[@name='topics'][@checked]/@value") == ["kultur"]


@on_sqlite
def test_the_page_tells_how_many_letters_would_come(session: Session, client: FlaskClient) -> None:
    publish_weekly(session, "stod", "offentlig-konst", each_week=3)

    nothing = read_page(client.get("/prenumerera"))
    assert expected(nothing) == "Välj ämnen, så berättar vi hur många brev du kan vänta dig."
    page = read_page(client.get("/prenumerera?topics=stod&topics=kultur"))
    assert expected(page) == "Ungefär 3 brev i veckan."  # Not six: an item comes once.
    assert page.get_element_by_id("expected").get("role") == "status"
    assert "Ungefär ett brev i veckan." in described(page, page.get_element_by_id("frequency-weekly"))
    page = read_page(client.get("/en/prenumerera?topics=bibliotek"))
    assert expected(page) == "Nothing has been published about this yet."


@on_sqlite
def test_count_again_keeps_everything_and_saves_nothing(session: Session, client: FlaskClient) -> None:
    publish_weekly(session, "stod", each_week=3)
    before = read_tables(session)
    form = find_form(read_page(client.get("/prenumerera")), "email")

    sent = filled_in(form, topics=["stod"], frequency="weekly", email="inte klar@", do="count")
    answer = client.post("/prenumerera", data=sent)

    page = read_page(answer)
    assert answer.status_code == 200
    assert page.xpath("//*[@aria-invalid]") == []
    assert expected(page) == "Ungefär ett brev i veckan."
    assert page.get_element_by_id("expected").get("autofocus") is not None
    kept = filled_in(find_form(page, "email"))
    assert (kept["email"], kept["topics"], kept["frequency"]) == (["inte klar@"], ["stod"], ["weekly"])
    assert read_tables(session) == before
    # Enter in a field presses the form's first button, which must be the one that subscribes.
    assert [words_of(one) for one in page.xpath("//form//button")] == ["Prenumerera", "Räkna om breven"]


@on_sqlite
def test_the_estimate_can_be_asked_for_while_choosing(session: Session, client: FlaskClient) -> None:
    publish_weekly(session, "stod", each_week=3)

    answer = client.get("/prenumerera/uppskattning?topics=stod&topics=finns-inte&frequency=weekly")
    assert answer.json == {
        "says": "Ungefär ett brev i veckan.",
        "each": {
            "direct": "Ungefär 3 brev i veckan.",
            "daily": "Ungefär 3 brev i veckan.",
            "weekly": "Ungefär ett brev i veckan.",
        },
    }
    own = "/prenumerera/uppskattning?topics=stod&frequency=own&frequency-stod=weekly"
    assert client.get(own).json["says"] == "Ungefär ett brev i veckan."  # type: ignore[index]
    for query in ("", "topics=", "topics=%00&frequency=%ED%A0%80", "frequency=own&frequency-=x"):
        told = client.get(f"/en/prenumerera/uppskattning?{query}").json
        assert told == {
            "says": "Choose topics, and we tell you how many letters to expect.",
            "each": {"direct": "", "daily": "", "weekly": ""},
        }
    assert client.get("/prenumerera/uppskattning?topics=stod&frequency=x").json is not None


# Different for different topics


def test_who_wants_topics_at_different_rhythms_is_asked_for_each_and_then_done(
    app: Flask, session: Session, client: FlaskClient
) -> None:
    before = read_tables(session)
    form = find_form(read_page(client.get("/prenumerera?topics=stod&topics=kultur")), "email")

    # Without scripts the first press leads to the question for each topic, with everything kept.
    asked = client.post("/prenumerera", data=filled_in(form, frequency="own", email="ana@example.org"))
    page = read_page(asked)
    assert (asked.status_code, page.xpath("//*[@aria-invalid]")) == (200, [])
    assert [one.get("id") for one in page.xpath("//*[@autofocus]")] == ["own-legend"]
    shown = [one for one in page.xpath("//*[@data-own]") if one.get("hidden") is None]
    assert [words_of(one.xpath(".//label")[0]) for one in shown] == ["Kultur: Hur ofta?", "Stöd: Hur ofta?"]
    assert read_tables(session) == before

    done = client.post("/prenumerera", data=filled_in(find_form(page, "email"), **{"frequency-stod": "weekly"}))
    assert title_of(read_page(done)) == "Nästan klart"
    wish = session.scalars(sa.select(Signup)).one()
    assert {topic.slug: wish.frequency_of(topic) for topic in wish.topics} == {"kultur": "direct", "stod": "weekly"}
    session.commit()

    post = MemoryTransport()
    deliver_everything(app, session, post, now=clock.now())
    letter = " ".join(post.accepted[0].letter.decode().split())
    assert "Direkt: =E2=80=A2 Kultur Varje vecka: =E2=80=A2 St=C3=B6d" in letter


@on_sqlite
def test_a_wrong_rhythm_for_one_topic_is_a_mistake(session: Session, client: FlaskClient) -> None:
    answer = client.post("/prenumerera", data=FORM | {"frequency": "own", "frequency-stod": "hourly"})

    page = read_page(answer)
    assert answer.status_code == 422
    assert words_of(page.get_element_by_id("frequency-error")) == "Välj hur ofta du vill ha brev."


@on_sqlite
def test_mistakes_come_before_the_question_for_each_topic(session: Session, client: FlaskClient) -> None:
    page = read_page(client.post("/prenumerera", data=FORM | {"frequency": "own", "email": "ana"}))

    (focused,) = page.xpath("//*[@autofocus]")
    assert "ds-error-summary" in focused.get("class")
    assert page.get_element_by_id("own").get("hidden") is None


# Almost done


@on_sqlite
def test_almost_done_says_what_to_look_for(app: Flask, session: Session, client: FlaskClient) -> None:
    page = read_page(client.post("/prenumerera", data=FORM))
    looked_for = [words_of(one) for one in page.xpath("//dd")]
    post = MemoryTransport()
    deliver_everything(app, session, post, now=clock.now())

    (letter,) = [one.letter.decode() for one in post.accepted]
    sender, subject = looked_for
    name, address = sender.rsplit(" ", 1)
    assert f"From: {name} <{address}>" in letter
    assert message_from_string(letter, policy=policy.default)["Subject"] == subject
    assert "ana@example.org" in words_of(page.xpath("//main")[0])


@pytest.mark.parametrize("name", ["newer", "known", "quiet"])
def test_too_early_for_a_second_letter_is_said_kindly_and_alike_to_all(
    app: Flask, session: Session, client: FlaskClient, name: str
) -> None:
    app.config["SIGNUP_LETTERS_PER_HOUR"] = 1
    make_subscriber(session, "known@example.org", "stod", now=clock.now() - DAY)
    make_signup(session, "quiet@example.org", "stod", now=clock.now() - 5 * MINUTE)
    session.commit()
    form = find_form(read_page(client.post("/prenumerera", data=FORM | {"email": f"{name}@example.org"})), "shown")
    before = read_tables(session)

    answer = client.post(form.get("action"), data=filled_in(form))

    page = read_page(answer)
    assert (answer.status_code, title_of(page)) == (200, "Nästan klart")
    (said,) = page.xpath("//*[@role='status']")
    assert said.get("autofocus") is not None
    assert words_of(said) == "Ett brev kan dröja en stund. Vänta en minut efter det första och tryck sedan igen."
    assert f"{name}@example.org" in words_of(page.xpath("//main")[0])
    assert filled_in(find_form(page, "shown")) == filled_in(form)  # The minute doesn't begin anew.
    assert read_tables(session) == before


@pytest.mark.parametrize("shown", [0, "", "x", "-1", "9" * 40, "٣", "99999999999"])
def test_a_minute_later_the_letter_goes_again(
    app: Flask, session: Session, client: FlaskClient, shown: int | str
) -> None:
    make_signup(session, "ana@example.org", "stod", now=clock.now() - 2 * MINUTE)
    before = read_tables(session)

    answer = client.post("/prenumerera/igen", data=FORM | {"shown": str(shown)})

    assert words_of(read_page(answer).xpath("//*[@role='status']")[0]) == "Vi har skickat brevet igen."
    assert count_new(before, read_tables(session)) == {"signup": 1, "signup_topic": 1}
    again = client.post("/prenumerera/igen", data=FORM | {"shown": str(shown)})  # The page read again.
    assert again.status_code == 200
    assert count_new(before, read_tables(session)) == {"signup": 1, "signup_topic": 1}


def test_whoever_has_waited_a_minute_gets_a_letter_whatever_part_of_a_second_it_was(
    session: Session, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    noon = clock.now().replace(microsecond=900_000)
    monkeypatch.setattr(clock, "now", lambda: noon)
    form = find_form(read_page(client.post("/prenumerera", data=FORM)), "shown")
    before = read_tables(session)
    monkeypatch.setattr(clock, "now", lambda: noon + dt.timedelta(seconds=59.2))  # The form counts in whole seconds.

    answer = client.post(form.get("action"), data=filled_in(form))

    assert words_of(read_page(answer).xpath("//*[@role='status']")[0]) == "Vi har skickat brevet igen."
    assert count_new(before, read_tables(session)) == {"signup": 1, "signup_topic": 1}


def test_reading_almost_done_again_signs_up_once(app: Flask, session: Session, client: FlaskClient) -> None:
    for _press in range(3):
        answer = client.post("/prenumerera", data=FORM)
        assert title_of(read_page(answer)) == "Nästan klart"

    post = MemoryTransport()
    deliver_everything(app, session, post, now=clock.now())
    assert [one.to for one in post.accepted] == ["ana@example.org"]


@on_sqlite
def test_a_wrong_address_leads_back_to_the_form_with_everything_chosen(session: Session, client: FlaskClient) -> None:
    chosen = {"email": "anna@example.org", "topics": ["kultur", "stod"], "frequency": "own"}
    own = {"frequency-kultur": "daily", "frequency-stod": "weekly"}
    almost = read_page(client.post("/prenumerera", data=chosen | own))
    before = read_tables(session)
    form = find_form(almost, "do")

    answer = client.post(form.get("action"), data=filled_in(form, do="change"))

    page = read_page(answer)
    assert (answer.status_code, title_of(page)) == (200, "Prenumerera på nyheter")
    kept = filled_in(find_form(page, "email"))
    kept.pop(TRAP)
    assert kept == {name: value if isinstance(value, list) else [value] for name, value in (chosen | own).items()}
    assert [one.get("name") for one in page.xpath("//*[@autofocus]")] == ["email"]
    assert form.get("method") == "post"  # No address ever stands in an address bar.
    assert read_tables(session) == before


@pytest.mark.parametrize("prefix", ["", "/en"])
@on_sqlite
def test_a_program_that_fills_everything_in_gets_the_same_page_and_no_letter(
    session: Session, client: FlaskClient, prefix: str
) -> None:
    page = read_page(client.get(f"{prefix}/prenumerera"))
    (trap,) = page.xpath("//*[@name=$name]", name=TRAP)
    assert (trap.get("tabindex"), trap.get("autocomplete")) == ("-1", "off")
    before = read_tables(session)

    caught = client.post(f"{prefix}/prenumerera", data=FORM | {TRAP: "https://example.com"})

    assert count_new(before, read_tables(session)) == {}
    honest = client.post(f"{prefix}/prenumerera", data=FORM)
    assert (caught.status_code, title_of(read_page(caught))) == (200, title_of(read_page(honest)))


# When not even the topics can be read


@pytest.mark.parametrize("prefix", ["", "/en"])
def test_a_database_that_is_wholly_away_keeps_the_form(tmp_path: Path, prefix: str) -> None:
    away = create_app(settings(tmp_path, SQLALCHEMY_DATABASE_URI=f"sqlite:///{tmp_path / 'no' / 'such.sqlite3'}"))
    typed = {
        "email": 'a"na@exämple',
        "topics": ["stod", "finns-inte"],
        "frequency": "own",
        "frequency-stod": "weekly",
    }

    for do in ({}, {"do": "count"}, {"do": "change"}):
        answer = away.test_client().post(f"{prefix}/prenumerera", data=typed | do)

        page = read_page(answer)
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
        assert title_of(page) == ("Subscribe to news" if prefix else "Prenumerera på nyheter")
        assert words_of(page.xpath("//title")[0]).startswith("It didn't work:" if prefix else "Det gick inte:")
        (focused,) = page.xpath("//*[@autofocus]")
        assert focused.xpath(".//h2 | .//li") == []
        assert ("We can't save right now" if prefix else "Det går inte att spara just nu") in words_of(focused)
        form = find_form(page, "email")
        assert filled_in(form) == {name: value if isinstance(value, list) else [value] for name, value in typed.items()}
        assert [words_of(one) for one in form.xpath(".//button")] == ["Try again" if prefix else "Försök igen"]


def test_a_form_held_back_while_the_database_is_away_is_kept_too(tmp_path: Path) -> None:
    lost = {"SQLALCHEMY_DATABASE_URI": f"sqlite:///{tmp_path / 'no' / 'such.sqlite3'}", "SIGNUP_LIMIT": "1 per minute"}
    client = create_app(settings(tmp_path, **lost) | {"RATELIMIT_ENABLED": True}).test_client()
    client.post("/prenumerera", data=FORM)

    answer = client.post("/prenumerera", data=FORM)

    page = read_page(answer)
    assert answer.status_code == 429
    assert "Det har kommit många försök" in words_of(page.xpath("//*[@autofocus]")[0])
    assert filled_in(find_form(page, "email")) == FORM | {"email": [FORM["email"]], "frequency": ["direct"]}


@on_sqlite
def test_try_again_works_once_the_database_is_back(session: Session, client: FlaskClient, tmp_path: Path) -> None:
    folder = tmp_path / "away"
    folder.mkdir()
    away = create_app(settings(folder, SQLALCHEMY_DATABASE_URI=f"sqlite:///{folder / 'no' / 'such.sqlite3'}"))
    form = find_form(read_page(away.test_client().post("/prenumerera", data=FORM)), "email")

    answer = client.post(form.get("action"), data=filled_in(form))

    assert title_of(read_page(answer)) == "Nästan klart"
    assert session.scalars(sa.select(Subscriber.address)).one() == "ana@example.org"


# Done


@pytest.mark.parametrize(
    ("frequency", "words"),
    [
        ("direct", "Ett brev kommer så snart det finns något nytt."),
        ("daily", "Det första dagsbrevet kommer "),
        ("weekly", "Det första veckobrevet kommer måndag "),
    ],
)
@on_sqlite
def test_done_says_when_to_expect_the_first_letter(
    app: Flask, session: Session, client: FlaskClient, frequency: str, words: str
) -> None:
    client.post("/prenumerera", data=FORM | {"frequency": frequency})
    link = confirmation_link(app, session, "ana@example.org")

    page = read_page(client.post(link, follow_redirects=True))

    assert title_of(page) == "Klart!"
    assert words in words_of(page.xpath("//main")[0])
    assert "/mina-amnen" in page.xpath("//main//a/@href")
    if frequency != "direct":
        assert "kl. 07:00" in words_of(page.xpath("//main")[0])


@on_sqlite
def test_a_first_digest_that_has_come_is_no_longer_expected(app: Flask, session: Session, client: FlaskClient) -> None:
    wish = make_signup(session, "ana@example.org", "stod", frequency="daily", now=clock.now() - 10 * DAY)
    signup.confirm(session, wish, now=clock.now() - 9 * DAY)
    link = signup.make_link_token(wish, keys=[app.config["SECRET_KEY"]])
    session.commit()

    assert "Det första" not in words_of(read_page(client.get(f"/bekrafta/{link}")).xpath("//main")[0])
