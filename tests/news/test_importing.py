"""Plain text into an item's words, the customer's own announcement first."""

import html
import re
import textwrap
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from newsroom.news import markdown
from newsroom.news.importing import NothingToImport, parse_text
from newsroom.news.writing import ItemText, find_problems

STRATEGY = (Path(__file__).parents[1] / "data" / "strategi.txt").read_text()
SPEECH = (
    "– Genom gemensam kraftsamling och samordning vill vi stärka Stockholmsregionens fortsatta internationella "
    "konkurrenskraft och hållbara tillväxt. Strategin ska underlätta att gå till handling och utveckla samarbetet med "
    "regionens aktörer för en robust region även i framtiden, säger Anton Västberg, utvecklingsdirektör i Region "
    "Stockholm."
)
INTRODUCTION = (
    "Fyra strategiska områden har identifierats som behöver stärkas och utvecklas för att regionen ska vara fortsatt "
    "internationellt konkurrenskraftig:"
)
AREAS = [
    "Stärk och utveckla forskning, innovation och smart specialisering",
    "Stärk och utveckla små och medelstora företags konkurrenskraft",
    "Stärk och utveckla export, internationalisering och investeringar",
    "Stärk och utveckla strategisk kompetensförsörjning",
]
LONG = "Det här stycket är ett vanligt stycke, så långt att ingen rad i ett brev skulle rymma det i hela dess längd."


def blocks_of(markdown_text: str) -> list[str]:
    return markdown_text.split("\n\n")


def body_of(*paragraphs: str) -> str:
    """The body of an announcement with these paragraphs, empty lines between them."""
    return parse_text("\n\n".join(["Rubrik", "Ingress.", *paragraphs])).body


def words_shown(markdown_text: str) -> list[str]:
    """The words that a reader sees of a Markdown text."""
    page = re.sub(r"</?(a|em|strong|code)\b[^>]*>", "", markdown.to_html(markdown_text))
    return html.unescape(re.sub(r"<[^>]*>", " ", page)).split()


def written(words: ItemText) -> tuple[str, str, str, str]:
    return words.headline, words.lede, words.body, words.facts


def test_the_strategy_has_its_headline_and_lede() -> None:
    strategy = parse_text(STRATEGY)
    assert strategy.headline == "Ny strategi för näringsliv och tillväxt beslutad"
    assert strategy.lede == (
        "Stockholmsregionens första strategi för ett konkurrenskraftigt näringsliv och hållbar tillväxt har beslutats "
        "i regionfullmäktige. Strategin är framtagen i bred förankring tillsammans med många i regionen."
    )


def test_the_strategys_quotation_is_whole_and_in_one_paragraph_of_speech() -> None:
    blocks = blocks_of(parse_text(STRATEGY).body)
    assert blocks[0] == SPEECH
    assert sum(block.startswith("– ") for block in blocks) == 1


def test_the_strategys_introduction_to_its_areas_stays_a_paragraph() -> None:
    assert INTRODUCTION in blocks_of(parse_text(STRATEGY).body)


def test_the_strategy_has_four_areas_each_with_its_three_points() -> None:
    blocks = blocks_of(parse_text(STRATEGY).body)
    headings = [block for block in blocks if block.startswith("#")]
    lists = [blocks[blocks.index(heading) + 1].split("\n") for heading in headings]
    assert headings == [f"## {area}" for area in AREAS]
    assert [len(points) for points in lists] == [3, 3, 3, 3]
    assert all(point.startswith("- ") for points in lists for point in points)
    assert lists[0][0] == "- Tillgängliggör regionala utvecklingsarenor, testbäddar och labb"
    assert lists[3][2] == "- Underlätta rekryteringen av internationella talanger och spetskompetens"


def test_the_strategys_fact_box_has_two_paragraphs_and_the_furniture_is_left_out() -> None:
    strategy = parse_text(STRATEGY)
    facts = blocks_of(strategy.facts)
    assert len(facts) == 2
    assert facts[0].startswith("Strategin är ett vägledande dokument")
    assert facts[1].endswith("hela regionen kan ställa sig bakom förslaget")
    for furniture in ("Prenumerera", "Håll dig uppdaterad", "Fler nyheter"):
        assert furniture not in " ".join(written(strategy))


def test_nothing_of_the_strategy_is_lost_but_the_furniture() -> None:
    strategy = parse_text(STRATEGY)
    kept = [
        *strategy.headline.split(),
        *strategy.lede.split(),
        *words_shown(strategy.body),
        *["Fakta"],
        *words_shown(strategy.facts),
    ]
    source = STRATEGY.partition("Håll dig uppdaterad!")[0].replace("•", " ").replace("\n- ", "\n– ")
    assert kept == source.split()


def test_the_strategy_rendered_has_no_h1_four_h2_and_four_lists_of_three() -> None:
    page = markdown.to_html(parse_text(STRATEGY).body)
    assert "<h1" not in page
    assert len(re.findall("<h2>", page)) == 4
    lists = re.findall("<ul>(.*?)</ul>", page, re.DOTALL)
    assert [one.count("<li>") for one in lists] == [3, 3, 3, 3]
    assert re.findall("<(?!/)([a-z0-9]+)", page).count("ol") == 0


@pytest.mark.parametrize(
    "variant",
    [
        pytest.param(STRATEGY.replace("\n", "\r\n"), id="CRLF"),
        pytest.param(STRATEGY.replace("\n", "\r"), id="CR"),
        pytest.param("\ufeff" + STRATEGY, id="byte order mark"),
        pytest.param(STRATEGY.replace(" • ", "\t•\t"), id="tabs around bullets"),
        pytest.param(STRATEGY.replace(" • ", "    •   "), id="spaces around bullets"),
        pytest.param(STRATEGY.replace(" • ", "* "), id="stars"),
        pytest.param(STRATEGY.replace(" • ", "\uf0b7\t"), id="Word's own bullet"),
        pytest.param(STRATEGY.replace(" ", "\u00a0"), id="no-break spaces"),
        pytest.param(STRATEGY.replace("\n", "  \n"), id="spaces at line ends"),
        pytest.param(STRATEGY.replace("\n\n", "\n \t\n\u00a0\n\n"), id="white lines"),
        pytest.param("\n\n\n" + STRATEGY + "\n\n\n", id="empty lines around"),
        pytest.param(STRATEGY.replace("- Genom", "– Genom"), id="en dash"),
        pytest.param(STRATEGY.replace("- Genom", "—\tGenom"), id="em dash and tab"),
        pytest.param(STRATEGY.replace("\n\n", "\n"), id="no empty lines"),
        pytest.param(STRATEGY.replace("\nFakta\n", "\nFakta:\n"), id="facts with a colon"),
        pytest.param(STRATEGY.replace(" • ", "- "), id="hyphens for bullets"),
        pytest.param(re.sub("\n\n • ", "\n • ", STRATEGY), id="no gap between heading and list"),
        pytest.param(re.sub("\n • ", "\n\n • ", STRATEGY), id="gaps between points"),
    ],
)
def test_the_strategy_comes_out_the_same_however_it_was_saved(variant: str) -> None:
    assert written(parse_text(variant)) == written(parse_text(STRATEGY))


@pytest.mark.parametrize("width", [60, 72, 80])
def test_the_strategy_comes_out_the_same_when_a_mail_program_had_broken_its_lines(width: int) -> None:
    def wrap(line: str) -> str:
        return "\n".join(textwrap.wrap(line, width, subsequent_indent="   " if "•" in line else "")) or line

    wrapped = "\n".join(wrap(line) for line in STRATEGY.split("\n"))
    assert written(parse_text(wrapped)) == written(parse_text(STRATEGY))


def test_one_line_is_one_paragraph_where_no_empty_lines_stand() -> None:
    lines = ["Rubrik", "Ingressen säger det viktigaste om det som har hänt i regionen.", "Ett stycke.", "Ett till."]
    text = parse_text("\n".join(lines))
    assert (text.headline, text.lede) == tuple(lines[:2])
    assert blocks_of(text.body) == lines[2:]


def test_short_paragraphs_line_by_line_are_never_taken_for_one_broken_by_width() -> None:
    lines = [
        "Ny buss till Nynäshamn",
        "Från och med december går buss 848 var tionde minut i högtrafik hela vägen.",
        "Resenärerna har länge bett om tätare trafik, och nu får de den till slut.",
        "Den nya tidtabellen gäller från den 13 december och året ut.",
    ]
    text = parse_text("\n".join(lines))
    assert [text.headline, text.lede, *blocks_of(text.body)] == lines


def test_several_short_lines_with_a_hyphen_are_a_list() -> None:
    assert body_of("Vi behöver:", "- mjölk\n- ost\n- bröd").endswith("\n\n- mjölk\n- ost\n- bröd")


def test_short_points_with_gaps_between_are_a_list_unless_they_are_sentences() -> None:
    assert body_of("- mjölk", "- ost") == "- mjölk\n- ost"
    assert body_of("- Det går bra nu.", "- Det tycker vi också.") == "– Det går bra nu.\n\n– Det tycker vi också."


@pytest.mark.parametrize("dash", ["-", "–", "—"])
def test_one_line_with_a_dash_is_speech(dash: str) -> None:
    assert body_of(f"{dash} Nu bygger vi.") == "– Nu bygger vi."


def test_two_long_paragraphs_with_a_hyphen_are_two_of_speech() -> None:
    assert body_of(f"- {LONG}", f"- {LONG}") == f"– {LONG}\n\n– {LONG}"
    assert body_of(f"- {LONG}\n- {LONG}") == f"– {LONG}\n\n– {LONG}"


def test_short_speech_that_says_who_speaks_is_no_list() -> None:
    assert body_of("- Äntligen, säger Ana.\n- Ja, svarar Bo.") == "– Äntligen, säger Ana.\n\n– Ja, svarar Bo."


def test_speech_right_after_the_headline_is_no_lede() -> None:
    text = parse_text(f"Rubrik\n\n- {LONG}")
    assert (text.lede, text.body) == ("", f"– {LONG}")


@pytest.mark.parametrize("line", ["Det här är en mening.", "Så här gör du:", "Läs detta!", "För det första,"])
def test_a_line_that_ends_as_a_sentence_does_is_no_heading(line: str) -> None:
    assert body_of(line, "• ett\n• två") == f"{line}\n\n- ett\n- två"


def test_a_line_with_a_question_mark_above_a_list_is_a_heading() -> None:
    assert body_of("Vad händer nu?", "• ett\n• två") == "## Vad händer nu?\n\n- ett\n- två"


def test_a_long_line_above_a_list_is_no_heading() -> None:
    long = LONG.rstrip(".")
    assert body_of(long, "• ett\n• två").startswith(long)


def test_a_short_line_above_a_paragraph_is_a_paragraph() -> None:
    assert body_of("Bakgrund", LONG) == f"Bakgrund\n\n{LONG}"


def test_a_numbered_list_keeps_its_numbers() -> None:
    assert body_of("Gör så här:", "1. Öppna.\n2. Stäng.").endswith("1. Öppna.\n2. Stäng.")
    assert body_of("3. Den tredje\n4. Den fjärde") == "3. Den tredje\n4. Den fjärde"


def test_two_numbered_lists_in_a_row_stay_two() -> None:
    page = markdown.to_html(body_of("1. Öppna.\n2. Stäng.", "1. Lås.\n2. Gå."))
    assert re.findall("<(?:ol|li)[^>]*>", page) == ["<ol>", "<li>", "<li>"] * 2


@pytest.mark.parametrize("line", ["24. december är det jul.", "3. Den tredje", "7) Den sjunde"])
def test_a_number_that_stands_alone_is_a_word_like_others(line: str) -> None:
    assert words_shown(body_of(line)) == line.split()


def test_numbers_that_do_not_count_are_no_list() -> None:
    body = body_of("12. Tolv", "5. Fem")
    assert words_shown(body) == ["12.", "Tolv", "5.", "Fem"]


@pytest.mark.parametrize(
    "first", ["1. maj firas i hela länet", "– Vi bygger nytt", "- Vi bygger nytt", "* Nytt", "# Nytt [1]", "5) Nytt"]
)
def test_the_headline_is_the_first_line_as_it_stands(first: str) -> None:
    assert parse_text(f"{first}\n\nIngress.").headline == first


def test_points_right_after_the_headline_are_points() -> None:
    text = parse_text("Rubrik\n• ett\n• två")
    assert (text.headline, text.lede, text.body) == ("Rubrik", "", "- ett\n- två")


def test_a_headline_alone_is_enough() -> None:
    assert written(parse_text("Bara en rubrik\n")) == ("Bara en rubrik", "", "", "")


@pytest.mark.parametrize("nothing", ["", "\n\n", " \t\u00a0\r\n", "\ufeff", "\ufeff\n", "Prenumerera\n\nFler nyheter"])
def test_a_text_without_words_of_its_own_is_nothing_to_import(nothing: str) -> None:
    with pytest.raises(NothingToImport):
        parse_text(nothing)


@pytest.mark.parametrize("word", ["Fakta", "Fakta:", "FAKTA", "fakta :", "Faktaruta", "Faktaruta:", "Facts", "Fact:"])
def test_what_stands_under_facts_is_the_fact_box(word: str) -> None:
    text = parse_text(f"Rubrik\n\nIngress.\n\nBrödtext.\n\n{word}\n\nEtt.\n\n• två\n• tre")
    assert (text.body, text.facts) == ("Brödtext.", "Ett.\n\n- två\n- tre")


def test_facts_right_after_the_headline_are_no_lede() -> None:
    text = parse_text("Rubrik\n\nFakta\nEtt faktum.")
    assert (text.lede, text.body, text.facts) == ("", "", "Ett faktum.")


@pytest.mark.parametrize("line", ["Fakta talar för sig själva.", "Fakta är fakta", "Faktarutan"])
def test_a_paragraph_that_only_begins_with_facts_is_a_paragraph(line: str) -> None:
    assert body_of(LONG, line) == f"{LONG}\n\n{line}"


def test_furniture_is_left_out_at_the_end_only() -> None:
    assert body_of("Prenumerera", LONG, "Skriv ut", "Dela") == f"Prenumerera\n\n{LONG}"


def test_an_english_announcement_comes_out_as_well() -> None:
    text = parse_text(
        "New strategy adopted\n\nThe assembly has adopted it.\n\n- It is a good day,” says Ana.\n\n"
        "What happens next\n\n* Plans are made\n* Money is found\n\nFacts\n\nIt is free.\n\nSubscribe\n\nMore news",
        language="en",
    )
    assert text == ItemText(
        "New strategy adopted",
        "The assembly has adopted it.",
        "– It is a good day,” says Ana.\n\n## What happens next\n\n- Plans are made\n- Money is found",
        "It is free.",
        "en",
    )


def test_web_addresses_become_links_and_keep_their_look() -> None:
    body = body_of("Läs mer på https://www.regionstockholm.se/om_oss/?a=1&b=2. Eller ring.")
    assert body == "Läs mer på <https://www.regionstockholm.se/om_oss/?a=1&b=2>. Eller ring."
    assert '<a href="https://www.regionstockholm.se/om_oss/?a=1&amp;b=2">' in markdown.to_html(body)


@pytest.mark.parametrize(
    "line",
    [
        "# Inte en rubrik",
        "###### Inte heller",
        "#",
        "1.",
        "1. Inte en lista",
        "1) Inte en lista",
        "+ Inte en lista",
        "> Inte ett citat",
        "=== Inte en rubrik",
        "===",
        "---",
        "***",
        "___",
        "~~~",
        "```",
        "___ ord ___",
        "__fet__ och _kursiv_ och snake_case_namn",
        "**fet** och *kursiv* och 2*3*4",
        "`kod` och ``kod``",
        "[länk](https://example.org) och ![bild](/x.png) och [x]: https://example.org",
        "<b>fet</b> och <script>alert(1)</script> och a<b och 1 < 2",
        "<1@example.org> och <ana@example.org> och <https://example.org>",
        "&amp; &copy; &#65; &#x41; AT&T; R&D",
        "C:\\Users\\ana och \\* och \\",
        "a | b",
        "--- | ---",
        "Å, ä, ö, é, ß, €, 😀 och ½",
    ],
)
def test_signs_that_markdown_takes_for_its_own_are_shown_as_they_stand(line: str) -> None:
    assert words_shown(body_of(line)) == line.split()


def test_signs_in_headings_and_points_are_shown_as_they_stand() -> None:
    body = body_of("Om C #", "• # ett\n• 1. två\n• - tre\n• > fyra\n• [ ] fem *sex* #\n• 7.")
    assert " ".join(words_shown(body)) == "Om C # # ett 1. två - tre > fyra [ ] fem *sex* # 7."
    assert markdown.to_html(body).startswith("<h2>Om C #</h2>\n<ul>")


def _is_plain(line: str) -> bool:
    """Whether a line holds words and opens neither a point, speech nor the fact box, nor is furniture."""
    words = " ".join(line.split())
    opens_point = re.match(r"([•*·●▪◦‣\uf0b7–—-]|\d{1,3}[.)]) ", words)
    special = re.fullmatch(r"(fakta|faktaruta|facts?) ?:?|prenumerera.*|subscribe|share|print|dela.*", words, re.I)
    return bool(words) and not opens_point and not special and "://" not in words


printable = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs", "Zl", "Zp", "Co", "Cn")), max_size=120)
markdown_like = st.text(st.sampled_from("a1 .#*_`~[]()<>!&;\\|+-=:\"'/x@åÅ"), max_size=40)
lines = (printable | markdown_like).filter(_is_plain)


@given(st.lists(lines, min_size=1, max_size=5))
@example(["___ a ___"])
@example(["<1@a.se>"])
@example(["1."])
@example(["_a_ ‿_ °_"])
def test_every_word_of_any_text_is_shown_just_as_it_stands(paragraphs: list[str]) -> None:
    body = body_of(*paragraphs)
    assert words_shown(body) == " ".join(paragraphs).split()


@given(st.text(max_size=300) | st.text(st.sampled_from("ab \n\t-–•*1.2)Fakt:å"), max_size=200))
def test_no_text_at_all_makes_the_import_fail_or_its_headline_take_two_lines(source: str) -> None:
    try:
        text = parse_text(source)
    except NothingToImport:
        assert not [line for line in source.splitlines() if line.strip("\ufeff \t")] or len(source) < 80
    else:
        assert text.headline.strip()
        assert "\n" not in text.headline + text.lede
        assert "language" not in dict(find_problems(text))


def test_five_megabytes_are_read_within_seconds() -> None:
    text = parse_text("Rubrik\n\nIngress.\n\n" + (LONG + "\n\n") * 50_000)
    assert len(blocks_of(text.body)) == 50_000
    assert {field for field, _reason in find_problems(text)} == {"body"}
