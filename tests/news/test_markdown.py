"""Markdown to HTML that can't hurt, and to text that people like to read."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from newsroom.news.markdown import TEXT_WIDTH, to_html, to_text

DANGERS = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "<a href='javascript:alert(1)' onclick=alert(1)>x</a>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](<java\tscript:alert(1)>)",
    "[x](&#106;avascript:alert(1))",
    "[x](vbscript:x)",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](file:///etc/passwd)",
    "<javascript:alert(1)>",
    "[x]: javascript:alert(1)\n\n[x]",
    '[x](https://example.org "onmouseover=alert(1)")',
    "![x](javascript:alert(1))",
    "<!--><script>alert(1)</script-->",
    "`<script>`",
    "    <script>alert(1)</script>",
    "~~~ onclick=alert(1)\n<script>\n~~~",
]


class _Page(HTMLParser):
    """What a browser would make of a page: its elements and their attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str, str]] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]


ALLOWED = {
    *("p", "h2", "h3", "h4", "ul", "ol", "li", "strong", "em", "a", "blockquote", "hr", "br", "code", "pre"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}


def assert_harmless(page: str) -> None:
    found = _Page(page)
    assert found.tags <= ALLOWED
    for tag, name, value in found.attributes:
        assert (tag, name) in {("a", "href"), ("ol", "start")}
        assert name == "start" or re.match(r"https?://[^/]|mailto:", value)


@pytest.mark.parametrize("danger", DANGERS)
def test_nothing_dangerous_comes_through(danger: str) -> None:
    assert_harmless(to_html(danger))
    assert_harmless(to_html(f"Först ord.\n\n> - {danger}\n\nSist ord."))


markdown_signs = st.text(st.sampled_from("ab <>\"'/=:()[]!#*_`~&;\\\n\t-+|1.hrefonclickscript"), max_size=120)
pieces = st.lists(st.sampled_from([*DANGERS, "**", "\n\n", "> ", "- ", "[", "](", "<", ">", "`"]), max_size=8)


@given(st.text() | markdown_signs | pieces.map("".join))
@example("\ud800")
@example("[x](https://example.org/\udfff)")
@example("\x00\x1b")
def test_no_text_at_all_becomes_dangerous_html(source: str) -> None:
    assert_harmless(to_html(source))


@given(st.text() | markdown_signs | pieces.map("".join))
@example("\ud800")
@example("0. noll")
@example("- " * 30 + "djupt")
@example("1. " * 30 + "djupt")
@example("999999999. " * 30 + "djupt")
def test_any_text_becomes_plain_text(source: str) -> None:
    text = to_text(source)
    assert text == text.strip("\n")
    assert not [line for line in text.split("\n") if line != line.rstrip(" ")]


def test_raw_html_is_shown_as_the_text_that_it_is() -> None:
    assert to_html("Skriv <b>fet</b> & <br>") == "<p>Skriv &lt;b&gt;fet&lt;/b&gt; &amp; &lt;br&gt;</p>"
    assert to_text("Skriv <b>fet</b> & <br>") == "Skriv <b>fet</b> & <br>"


@pytest.mark.parametrize("target", ["/nyheter", "nyheter", "#ned", "//example.org", "?a=1", "https:x", "http:///x"])
def test_a_link_that_does_not_say_where_it_leads_loses_its_address(target: str) -> None:
    assert to_html(f"[ord]({target})") == "<p><a>ord</a></p>"
    assert to_text(f"[ord]({target})") == "ord"


@pytest.mark.parametrize("target", ["https://example.org/a?b=1", "http://example.org", "mailto:ana@example.org"])
def test_a_link_that_says_where_it_leads_keeps_its_address(target: str) -> None:
    assert to_html(f"[ord]({target})") == f'<p><a href="{target}">ord</a></p>'


def test_pictures_and_titles_are_left_out() -> None:
    assert "<img" not in to_html("![bild](https://example.org/x.png)")
    assert 'title="' not in to_html('[ord](https://example.org "titel")')


@pytest.mark.parametrize(
    ("source", "level"),
    [("# a", 2), ("## a", 2), ("### a", 3), ("#### a", 4), ("##### a", 4), ("###### a", 4), ("a\n=", 2), ("a\n-", 2)],
)
def test_headings_begin_under_the_headline(source: str, level: int) -> None:
    assert to_html(source) == f"<h{level}>a</h{level}>"


def test_what_editors_write_becomes_html() -> None:
    assert to_html("Ett *två* **tre** `fyra`") == "<p>Ett <em>två</em> <strong>tre</strong> <code>fyra</code></p>"
    assert to_html("> citat") == "<blockquote>\n<p>citat</p>\n</blockquote>"
    assert to_html("3. tre\n4. fyra") == '<ol start="3">\n<li>tre</li>\n<li>fyra</li>\n</ol>'
    assert "<th>a</th>" in to_html("a | b\n--|--\n1 | 2")


def test_a_list_in_text_has_its_points_on_lines_of_their_own() -> None:
    assert to_text("Köp:\n\n- mjölk\n- ost\n\nSedan hem.") == "Köp:\n\n• mjölk\n• ost\n\nSedan hem."


def test_a_nested_list_in_text_is_indented() -> None:
    assert to_text("- ett\n  - inuti\n  - också\n- två") == "• ett\n  • inuti\n  • också\n• två"
    assert to_text("1. ett\n   - inuti\n2. två") == "1. ett\n   • inuti\n2. två"


def test_numbers_in_text_count_from_where_they_began() -> None:
    assert to_text("9. nio\n10. tio") == "9. nio\n10. tio"
    assert to_text("0. noll\n1. ett") == "0. noll\n1. ett"


def test_a_point_of_two_paragraphs_stays_together_in_text() -> None:
    assert to_text("- ett\n\n  mer om ett\n\n- två") == "• ett\n\n  mer om ett\n\n• två"


def test_a_quotation_in_text_has_its_sign_on_every_line() -> None:
    assert to_text("> ett\n>\n> två") == "> ett\n\n> två"
    assert all(line.startswith("> ") for line in to_text("> " + "ord " * 50).split("\n"))


def test_a_quotation_in_a_list_keeps_both_signs_in_text() -> None:
    assert to_text("- > citat\n- punkt") == "• > citat\n• punkt"
    assert to_text("> - ett\n> - två") == "> • ett\n> • två"


def test_a_list_right_inside_a_point_keeps_both_signs_in_text() -> None:
    assert to_text("- 1. ett\n  2. två") == "• 1. ett\n  2. två"


def test_a_link_in_text_is_followed_by_its_address_unless_it_is_the_same() -> None:
    assert to_text("[ord](https://example.org/x)") == "ord (https://example.org/x)"
    assert to_text("<https://example.org/x>") == "https://example.org/x"
    assert to_text("<ana@example.org>") == "ana@example.org"
    assert to_text("[ana@example.org](mailto:ana@example.org)") == "ana@example.org"


def test_an_address_with_letters_beyond_ascii_stands_once_in_text() -> None:
    assert to_text("<https://example.org/å>") == "https://example.org/å"


def test_a_heading_in_text_is_underlined() -> None:
    assert to_text("## Vad händer nu?\n\nDetta.") == "Vad händer nu?\n--------------\n\nDetta."
    assert to_text("#\n\nDetta.") == "Detta."


def test_a_table_in_text_has_a_line_for_each_row() -> None:
    assert to_text("a | b\n--|--\n1 | 2\n3 | 4\n\nSlut.") == "a | b\n1 | 2\n3 | 4\n\nSlut."


def test_a_line_break_an_editor_wrote_is_kept_in_text() -> None:
    assert to_text("Storgatan 1\\\n111 11 Stockholm") == "Storgatan 1\n111 11 Stockholm"


def test_code_and_rules_in_text_stand_as_they_are() -> None:
    assert to_text("```\na  b\n  c\n```\n\n---") == "  a  b\n    c\n\n* * *"


def test_text_is_wrapped_where_words_allow() -> None:
    words = "Regionfullmäktige har beslutat om en ny strategi för näringsliv och tillväxt. " * 6
    for source in (words, f"- {words}", f"> {words}", f"## {words}", f"- ett\n  - {words}"):
        lines = to_text(source).split("\n")
        assert max(map(len, lines)) <= TEXT_WIDTH
        assert len(lines) > 5
        assert re.sub(r"[•>\s-]+", " ", to_text(source)).split()[-1] == "tillväxt."


def test_a_word_longer_than_a_line_is_left_whole() -> None:
    address = "https://example.org/" + "x" * 100
    assert address in to_text(f"Läs mer på <{address}> i dag.").split("\n")


def test_the_points_of_a_wrapped_list_hang_under_their_words() -> None:
    lines = to_text("- " + "ord " * 40).split("\n")
    assert lines[0].startswith("• ord")
    assert all(line.startswith("  ord") for line in lines[1:])
