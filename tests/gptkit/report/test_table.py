"""One table in three renderers: the same figures, and nothing that escapes its cell."""

import html
import io
import re
from dataclasses import replace as with_fields
from html.parser import HTMLParser

import pytest
from factories import make_arm, make_results, make_verdict
from markdown_it import MarkdownIt
from msgspec.structs import replace
from rich.console import Console

from gptkit.plan.experiment_config import ExperimentConfig
from gptkit.plan.ladder import ladder
from gptkit.report.formatting import printable
from gptkit.report.html.fragments import result_fragment
from gptkit.report.ladder import bits_table, stage_table
from gptkit.report.loss_table import loss_table
from gptkit.report.table import (
    Cell,
    Column,
    Section,
    Spec,
    Table,
    build_rows,
    escape_markdown,
    to_html,
    to_markdown,
    to_rich,
)
from gptkit.report.tables import (
    match_table,
    model_table,
    seed_table,
    tuning_table,
    vocabulary_table,
)
from gptkit.results.robustness import assess_robustness
from gptkit.results.schema import Trial, Tuning

NUMBER = re.compile(r"[-+×]?\d[\d,.]*[kMGTP%]?")


def numbers(text):
    return NUMBER.findall(text)


class Grid(HTMLParser):
    """The texts of an HTML table, its tags, and the attributes with their values."""

    def __init__(self, html):
        super().__init__()
        self.cells, self.tags, self.attributes = [], [], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag in ("caption", "th", "td", "p"):
            self.cells.append("")

    def handle_data(self, data):
        if self.cells:
            self.cells[-1] += data


def markdown_cells(line):
    """The cells of a row, split where a Markdown reader splits it, escapes undone."""
    assert line.startswith("| ")
    assert line.endswith(" |")
    assert "\n" not in line
    cells = [""]
    escaped = False
    for c in line[2:-2]:
        if c == "|" and not escaped:
            cells.append("")
        else:
            cells[-1] += c
        escaped = c == "\\" and not escaped
    return [re.sub(r"\\([\\|])", r"\1", cell.strip()) for cell in cells]


def rendered(table, width=400):
    console = Console(width=width, record=True, file=io.StringIO())
    console.print(to_rich(table))
    return console.export_text()


def table_of(*cells, **changes):
    columns = [Column(f"c{i}", "left") for i in range(len(cells))]
    return with_fields(Table("", columns, [Section([list(cells)])]), **changes)


HOSTILE = [
    "a|b",
    "a\\|b",
    "a\\",
    "<b>bold</b>",
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)',
    "one\ntwo",
    "one\r\ntwo",
    "\x1b[31mred\x07",
    "a\u202eb",
]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_markdown_keeps_a_text_in_its_cell(text):
    heading, ruler, *rows = to_markdown(table_of("left", text, "right"))
    assert len(markdown_cells(heading)) == len(markdown_cells(ruler)) == 3
    (row,) = rows
    left, middle, right = markdown_cells(row)
    assert (left, right) == ("left", "right")
    assert "<" not in row
    assert not re.search(r"[\x00-\x1f\x7f\x80-\x9f\u202e]", row)
    words = re.findall(r"\w+", text)
    assert all(word in middle for word in words)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_markdown_escapes_headings_and_the_titles_of_sections(text):
    table = Table("", [Column(text, "left"), Column("n")], [Section([["x", "1"]], text)])
    lines = to_markdown(table)
    assert len(lines) == 4
    for line in lines:
        assert len(markdown_cells(line)) == 2
        assert "<" not in line
        assert "\x1b" not in line


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_html_keeps_a_text_in_its_cell(text):
    table = Table(text, [Column(text), Column(text)], [Section([["left", text]], text)], [text])
    html = to_html(table)
    grid = Grid(html)
    assert grid.tags == [
        *("table", "caption", "thead", "tr", "th", "th", "tbody"),
        *("tr", "th", "tr", "th", "td", "p"),
    ]
    assert {name for name, _ in grid.attributes} == {"scope", "colspan", "class"}
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\x80-\x9f\u202e]", html)
    shown = printable(text)
    heading = shown.replace("\n", "")  # a line break in it is the terminal's alone
    assert grid.cells == [shown, heading, heading, shown, "left", shown, shown]


@pytest.mark.parametrize("text", ["\x1b[31mred\x07", "a\u202eb", "\x9b2J"], ids=ascii)
def test_a_terminal_is_not_driven(text):
    shown = rendered(Table(text, [Column(text)], [Section([[text]], text)], [text]))
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\x80-\x9f\u202e]", shown)


def test_a_terminal_does_not_read_markup_in_a_cell():
    assert "[bold]x[/bold]" in rendered(table_of("[bold]x[/bold]"))


def test_markdown_escapes_exactly_what_it_must():
    assert escape_markdown("a|b <c>\nd\\e ·") == "a\\|b &lt;c> d\\\\e ·"


def test_a_best_cell_is_marked_in_each_renderer():
    table = table_of(Cell("2.406", "best"), Cell("2.506"), Cell("", "best"))
    assert to_markdown(table)[-1] == "| **2.406** | 2.506 |  |"
    table_of_two = table_of(Cell("2.406", "best"), Cell("2.506", "best"))
    html = to_html(table_of_two)
    assert '<th scope="row" class="best">2.406</th>' in html
    assert '<td class="best">2.506</td>' in html
    console = Console(width=80, force_terminal=True, color_system="standard")
    with console.capture() as capture:
        console.print(to_rich(table))
    assert "\x1b[1;32m2.406" in capture.get()


def test_a_short_row_is_filled_in_markdown():
    columns = [Column("a", "left"), Column("b"), Column("c")]
    table = Table("", columns, [Section([["x", "1"]]), Section([["y"]], "more")])
    assert to_markdown(table) == [
        "| a | b | c |",
        "| --- | ---: | ---: |",
        "| x | 1 |  |",
        "| *more* |  |  |",
        "| y |  |  |",
    ]


def test_a_heading_of_two_lines_is_one_line_outside_the_terminal():
    table = Table("", [Column("bits/\nbyte"), Column("best \nstep")], [Section([["1", "2"]])])
    assert to_markdown(table)[0] == "| bits/byte | best step |"
    assert Grid(to_html(table)).cells[:2] == ["bits/byte", "best step"]
    assert rendered(table, 24).split()[:3] == ["bits/byte", "best", "step"]
    assert rendered(table, 17).split()[:4] == ["bits/", "best", "byte", "step"]


def test_a_column_without_room_is_named_below_the_table():
    columns = [Column("name", "left", fold=True), Column("one"), Column("epochs")]
    table = Table("", columns, [Section([["a name of many letters", "1234567", "0.61"]])])
    assert "0.61" in rendered(table, 30)
    narrow = rendered(table, 22)
    assert "1234567" in narrow
    assert "0.6" not in narrow
    assert "There is no room for:" in narrow
    assert "epochs." in narrow


def test_a_column_is_left_out_where_it_does_not_apply():
    specs = [
        Spec(Column("name"), str),
        Spec(Column("odd"), lambda n: str(n % 2), shown=lambda items: any(n % 2 for n in items)),
    ]
    columns, rows = build_rows(specs, [2, 3])
    assert ([c.title for c in columns], rows) == (["name", "odd"], [["2", "0"], ["3", "1"]])
    columns, rows = build_rows(specs, [2, 4])
    assert ([c.title for c in columns], rows) == (["name"], [["2"], ["4"]])


def full_results():
    """Results that fill every table: three tokenizers, two models, two seeds, tuning."""
    sizes = {"char": 65, "bpe:512": 512, "gpt2": 50_257}
    arms = [
        make_arm(t, model, 2.5 + 0.1 * i + 0.013 * seed, seed=seed, vocab_size=size)
        for model in ("decoder", "fast")
        for i, (t, size) in enumerate(sizes.items())
        for seed in (0, 1)
    ]
    trials = [
        Trial(factor=f, bits_per_byte=2.4 + f, part=p, learning_rate=0.01 * f)
        for f, p in ((0.5, 1.0), (2.0, 0.25))
    ]
    verdict = [make_verdict("char", "gpt2", model, significant=True) for model in ("decoder",)]
    results = make_results(*arms, verdict=verdict)
    ratios = results.match.max_over_min["decoder"] | {"total_params": 30.96, "seconds": None}
    return replace(
        results,
        corpus=replace(results.corpus, entropy_bits_per_byte=2.25),
        match=replace(results.match, max_over_min={"decoder": ratios, "fast": ratios}),
        robustness=assess_robustness(arms, verdict),
        tuning=[Tuning(tokenizer="char", model="decoder", factor=0.5, trials=trials)],
    )


def ladder_results():
    stages = ("bigram", "average", "norm")
    arms = [
        make_arm(t, stage, 2.9 - 0.2 * i, seed=seed)
        for i, stage in enumerate(stages)
        for t in ("char", "gpt2")
        for seed in (0, 1)
    ]
    experiment = ExperimentConfig(
        tokenizers=("char", "gpt2"), models=ladder(stages=stages), data="tinyshakespeare", seeds=2
    )
    return replace(make_results(), arms=arms, ladder="cpu", experiment=experiment)


TABLES = {
    "losses": lambda: loss_table(full_results()),
    "match": lambda: match_table(full_results()),
    "models": lambda: model_table(full_results()),
    "vocabulary": lambda: vocabulary_table(full_results()),
    "seeds": lambda: seed_table(full_results()),
    "tuning": lambda: tuning_table(full_results()),
    "ladder": lambda: bits_table(ladder_results()),
    "stages": lambda: stage_table(ladder_results(), "char"),
}


@pytest.mark.parametrize("name", TABLES)
def test_each_number_is_the_same_in_all_renderers(name):
    table = with_fields(TABLES[name](), title="", notes=[])
    has_headings = any(column.title for column in table.columns)
    headings = [column.heading for column in table.columns] if has_headings else []
    expected = [n for heading in headings for n in numbers(heading)]
    for section in table.sections:
        expected += numbers(section.title)
        for row in section.rows:
            cells = (cell.text if isinstance(cell, Cell) else cell for cell in row)
            expected += [n for cell in cells for n in numbers(cell)]
    assert len(expected) > 3
    html = [n for cell in Grid(to_html(table)).cells for n in numbers(cell)]
    markdown = [
        n
        for line in to_markdown(table)
        for cell in markdown_cells(line)
        for n in numbers(cell.replace("*", ""))
    ]
    assert numbers(rendered(table)) == expected
    assert markdown == expected
    assert html == expected


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("width", [80, 120])
def test_no_number_is_cut_at_the_width_of_a_terminal(name, width):
    table = TABLES[name]()
    text = rendered(table, width)
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for row in table.rows:
        for cell in row[1:]:
            shown = cell.text if isinstance(cell, Cell) else cell
            assert all(number in text for number in numbers(shown))


def test_the_fragment_for_notebooks_escapes_a_hostile_tokenizer():
    evil = "<script>alert(1)</script>"
    results = make_results(make_arm(evil, bits=2.5), make_arm("char", bits=2.6))
    html = result_fragment(results)
    assert "script" not in Grid(html).tags
    assert "&lt;script&gt;alert(1)&lt;/script&gt; models tinyshakespeare" in html


@pytest.mark.parametrize("text", ["docs/**/*.md", "__init__", "`x` [a](b)", "a*b_c_d*", "<b>&amp;"])
def test_markdown_renders_a_text_as_it_is_written(text):
    rendered = MarkdownIt("commonmark").render(f"**{escape_markdown(text)} is best.**")
    assert rendered == f"<p><strong>{html.escape(text)} is best.</strong></p>\n"


def test_a_needed_column_stays_and_then_rows_become_lists():
    table = Table(
        title="",
        columns=[
            Column("tokenizer", "left", fold=True),
            Column("parameters"),
            Column("bits/byte", needed=True),
        ],
        sections=[Section([["bpe:300", "1,234,567", "2.345"]], "decoder")],
    )
    assert "1,234,567" in rendered(table, 40)
    narrow = rendered(table, 24)
    assert "bpe:300" in narrow
    assert "2.345" in narrow
    assert "1,234" not in narrow
    stacked = rendered(table, 20).split("\n")
    assert [line.rstrip() for line in stacked[:4]] == [
        "decoder",
        "bpe:300",
        "  parameters",
        "1,234,567",
    ]
    assert "  bits/byte 2.345" in stacked[4]


@pytest.mark.parametrize("notes", [[], ["A note."]])
def test_a_table_on_the_terminal_ends_with_one_empty_line(notes):
    console = Console(width=40)
    with console.capture() as shown:
        console.print(to_rich(Table("", [Column("a")], [Section([["1"]])], notes=notes)))
    *_, before, last = shown.get().splitlines()
    assert (before.strip() != "", last.strip()) == (True, "")
