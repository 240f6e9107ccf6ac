"""From a written announcement to a page, a feed and an inbox: browser, HTTP and letters only."""

import re
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import feedparser
import pytest
from playwright.sync_api import Page, expect

from tests.journeys.conftest import Site, link_in, text_of

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.xdist_group("journeys")]

STRATEGY = Path(__file__).resolve().parents[1] / "data" / "strategi.txt"


def subscribe(page: Page, site: Site, address: str, *topics: str) -> None:
    """Fill the form in as a person does, up to the page that says "Nästan klart"."""
    page.goto(f"{site.address}/prenumerera")
    for topic in topics:
        page.get_by_label(topic, exact=True).check()
    page.get_by_label("Din e-postadress").fill(address)
    page.get_by_role("button", name="Prenumerera").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nästan klart")


def test_a_reader_subscribes_an_editor_publishes_and_a_letter_comes(page: Page, site: Site) -> None:
    # The reader comes to the news, opens an item and wants more of its kind.
    page.goto(site.address)
    page.locator("article h2 a").first.click()
    expect(page.get_by_text("Håll dig uppdaterad!")).to_be_visible()
    expect(page.get_by_text("Prenumerera på nyheter du är intresserad av.")).to_be_visible()
    expect(page.get_by_role("heading", name="Fler nyheter")).to_be_visible()
    topics = page.locator("article .meta a.topic").all_inner_texts()
    page.get_by_role("main").get_by_role("link", name="Prenumerera").click()
    for topic in topics:
        expect(page.get_by_label(topic, exact=True)).to_be_checked()
    assert page.locator("input[name=topics]:checked").count() == len(topics)

    # She chooses one more, gives her address and is told to look for a letter.
    page.get_by_label("Kultur", exact=True).check()
    page.get_by_label("Din e-postadress").fill("ana.berg@example.org")
    page.get_by_role("button", name="Prenumerera").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Nästan klart")
    expect(page.get_by_role("main")).to_contain_text("ana.berg@example.org")

    # The letter's link shows one button; pressing it confirms.
    confirmation = site.wait_for_letters("ana.berg@example.org", 1)[0]
    page.goto(link_in(confirmation, "bekrafta"))
    expect(page.get_by_role("main").get_by_role("button")).to_have_count(1)
    assert page.context.cookies() == []
    page.get_by_role("button", name="Ja, jag vill prenumerera").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Klart!")
    # Who has just shown that they read this mailbox may change what they chose; nothing else sees that cookie.
    paths = {cookie["path"] for cookie in page.context.cookies()}
    assert paths == {"/mina-amnen", "/en/mina-amnen"}

    # An editor logs in, writes, sees the item as it will look, and publishes it.
    email, password = site.login()
    page.goto(f"{site.address}/desk/")
    page.get_by_label("E-postadress").fill(email)
    page.get_by_label("Lösenord").fill(password)
    page.get_by_role("button", name="Logga in").click()
    page.get_by_role("link", name="Skriv en nyhet").click()
    page.get_by_label("Rubrik", exact=True).fill("Ny konst längs Tvärbanan")
    page.get_by_label("Ingress").fill("Fem konstnärer har fått i uppdrag att smycka fem hållplatser.")
    page.get_by_label("Text", exact=True).fill("## Så går det till\n\n- Skisser i vår\n- **Invigning** i höst")
    page.get_by_label("Faktaruta").fill("Fem hållplatser.")
    page.get_by_label("Offentlig konst").check()
    page.get_by_role("button", name="Spara och visa").click()
    preview = page.locator(".desk-preview")
    expect(preview.get_by_role("heading", level=1)).to_have_text("Ny konst längs Tvärbanan")
    expect(preview.get_by_role("heading", name="Så går det till")).to_be_visible()
    expect(preview.locator("li strong")).to_have_text("Invigning")
    page.get_by_role("button", name="Publicera nu").click()
    expect(page.get_by_role("status")).to_contain_text("Publicerad")

    # Exactly one letter comes, naming the topic that it came for.
    letter = site.wait_for_letters("ana.berg@example.org", 2)[1]
    assert letter["Subject"] == "Ny konst längs Tvärbanan"
    assert "för att du följer Kultur." in " ".join(text_of(letter).split())
    assert "Invigning" in text_of(letter)
    assert "<h1" in text_of(letter, "html")
    unsubscribe = str(letter["List-Unsubscribe"]).strip("<>")
    assert f"{unsubscribe}/amne/kultur\n" in text_of(letter).replace("\r", "")
    assert letter["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert re.fullmatch(r"<[0-9a-f]{32}@localhost>", letter["Message-ID"])

    # The item stands on the site and in the feeds of its topic and its parent.
    page.goto(site.address)
    expect(page.locator("article").first).to_contain_text("Ny konst längs Tvärbanan")
    for name in ("all", "offentlig-konst", "kultur"):
        feed = feedparser.parse(site.read(f"/feeds/{name}.rss"))
        assert feed.entries[0].title == "Ny konst längs Tvärbanan"

    # She leaves with one press, changes her mind, and leaves again from her mail client.
    page.goto(unsubscribe)
    expect(page.get_by_role("main").get_by_role("button")).to_have_count(1)
    page.get_by_role("button", name="Avsluta de här breven").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Breven är avslutade")
    page.get_by_role("button", name="Ångra").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Du prenumererar igen")
    for _ in range(2):
        request = urllib.request.Request(unsubscribe, data=b"List-Unsubscribe=One-Click")
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200
            assert answer.headers["Set-Cookie"] is None
    page.goto(unsubscribe)
    expect(page.get_by_role("heading", level=1)).to_have_text("Breven är avslutade")


def test_an_announcement_from_a_file_becomes_a_page_a_feed_entry_and_letters(page: Page, site: Site) -> None:
    subscribe(page, site, "bo.lind@example.org", "Regional utveckling", "Forskning och innovation")
    page.goto(link_in(site.wait_for_letters("bo.lind@example.org", 1)[0], "bekrafta"))
    page.get_by_role("button", name="Ja, jag vill prenumerera").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Klart!")

    said = site.run(
        "items", "import", str(STRATEGY), "--topics", "regional-utveckling,forskning-och-innovation", "--publish"
    )

    letter = site.wait_for_letters("bo.lind@example.org", 2)[1]
    assert letter["Subject"] == "Ny strategi för näringsliv och tillväxt beslutad"
    assert "du följer Regional utveckling och Forskning och innovation." in " ".join(text_of(letter).split())
    address = re.search(r"http\S+", said)
    assert address
    page.goto(address.group())
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    article = page.locator("article.item")
    expect(article.locator(".prose").first.get_by_role("heading", level=2)).to_have_count(4)
    expect(article.locator(".prose").first.locator("ul")).to_have_count(4)
    expect(article.locator(".facts p")).to_have_count(2)
    assert "utvecklingsdirektör i Region Stockholm" in text_of(letter)


def test_what_was_typed_stays_and_the_focus_moves_to_what_is_wrong(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/prenumerera")
    page.get_by_label("Varje vecka").check()
    page.get_by_label("Din e-postadress").fill("inte en adress")
    page.get_by_role("button", name="Prenumerera").click()

    summary = page.locator(".ds-error-summary")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("2 saker att rätta")
    expect(page.get_by_label("Din e-postadress")).to_have_value("inte en adress")
    expect(page.get_by_label("Din e-postadress")).to_have_attribute("aria-invalid", "true")
    expect(page.get_by_label("Varje vecka")).to_be_checked()
    summary.get_by_role("link", name=re.compile("fullständig e-postadress")).click()
    expect(page.get_by_label("Din e-postadress")).to_be_focused()


def test_the_site_speaks_english_under_en(page: Page, site: Site) -> None:
    page.goto(f"{site.address}/en/prenumerera")
    assert page.locator("html").get_attribute("lang") == "en"
    page.get_by_label("Culture", exact=True).check()
    page.get_by_label("Your e-mail address").fill("cy@example.org")
    page.get_by_role("button", name="Subscribe").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Almost done")
    letter = site.wait_for_letters("cy@example.org", 1)[0]
    assert letter["Subject"].startswith("Confirm that you want news")
    page.goto(link_in(letter, "bekrafta"))
    page.get_by_role("button", name="Yes, I want to subscribe").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Done!")


def test_without_javascript_everything_works(site: Site, page: Page) -> None:
    browser = page.context.browser
    assert browser is not None
    context = browser.new_context(java_script_enabled=False, locale="sv-SE")
    try:
        plain = context.new_page()
        subscribe(plain, site, "utan.skript@example.org", "Bibliotek")
        plain.goto(link_in(site.wait_for_letters("utan.skript@example.org", 1)[0], "bekrafta"))
        plain.get_by_role("button", name="Ja, jag vill prenumerera").click()
        expect(plain.get_by_role("heading", level=1)).to_have_text("Klart!")
    finally:
        context.close()


def test_a_form_from_another_site_is_refused(site: Site) -> None:
    data = urllib.parse.urlencode({"email": "x@example.org", "topics": "stod", "frequency": "direct"}).encode()
    request = urllib.request.Request(f"{site.address}/prenumerera", data=data, headers={"Sec-Fetch-Site": "cross-site"})
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(request, timeout=10)
    assert site.letters("x@example.org") == []
