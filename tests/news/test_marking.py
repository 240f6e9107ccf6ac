"""What of an item answers a search."""

import pytest

from newsroom.news.marking import Part, cut_snippet, mark, mark_item, strip_markdown
from newsroom.news.models import Item
from newsroom.news.searching import Query, read_query


def ask(text: str) -> Query:
    query = read_query(text)
    assert query is not None
    return query


def show(parts: list[Part]) -> str:
    return "".join(f"[{part.text}]" if part.hit else part.text for part in parts)


def test_every_form_of_a_word_is_marked_and_the_text_stays_whole() -> None:
    text = "Avgifterna & <b>avgift</b> för bussen; avgiftsfritt är det inte."
    assert show(mark(text, ask("avgift bussar"), "sv")) == (
        "[Avgifterna] & <b>[avgift]</b> för [bussen]; avgiftsfritt är det inte."
    )
    assert "".join(part.text for part in mark(text, ask("avgift"), "sv")) == text
    assert show(mark("Libraries lend", ask("library"), "en")) == "[Libraries] lend"
    assert mark("", ask("avgift"), "sv") == []


def test_the_lede_is_shown_where_it_or_the_headline_answers_and_else_a_piece_of_the_text() -> None:
    body = "Ord " * 100 + "om **bron** vid [ån](https://example.org/x) " + "ord " * 100
    item = Item(headline="Rubrik", lede="Ingressen.", body=body, facts="Färjan.", language="sv")

    assert show(mark_item(item, ask("ingress")).snippet) == "[Ingressen]."
    assert show(mark_item(item, ask("rubrik")).snippet) == "Ingressen."
    snippet = show(mark_item(item, ask("bro")).snippet)
    assert snippet.startswith("… ")
    assert snippet.endswith(" …")
    assert " om [bron] vid ån ord " in snippet
    assert len(snippet) < 260
    assert show(mark_item(item, ask("färja")).snippet).endswith("ord [Färjan].")
    assert show(mark_item(item, ask("häst")).snippet) == "Ingressen."


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("## Rubrik\n\n- ett\n- två\n\n1. tre", "Rubrik ett två tre"),
        ("> **Citat** och *kursivt* `kod`", "Citat och kursivt kod"),
        ("[ord](https://example.org/x?y=1) <https://example.org>", "ord https://example.org"),
        ("| a | b |\n|---|---|\n| c | d |", "a b c d"),
        (r"1 \* 2 \_x\_ snake_case 3 < 4", "1 * 2 _x_ snake_case 3 < 4"),
        ("", ""),
    ],
)
def test_markdown_becomes_a_line_of_text(source: str, text: str) -> None:
    assert strip_markdown(source) == text


def test_a_snippet_never_cuts_the_word_that_answers() -> None:
    for text in ("x" * 1_000 + " bron " + "y" * 1_000, "bron" + " z" * 500, "å" * 70 + " bron"):
        assert "[bron]" in show(cut_snippet(text, ask("bro"), "sv"))
    assert cut_snippet("inget här", ask("bro"), "sv") == []
