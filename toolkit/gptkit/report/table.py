"""One table, three renderers: columns, rows and notes, shown by rich, Markdown or HTML.

Each number is formatted once, where a table is built.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import TYPE_CHECKING, Generic, Literal, TypeVar

from gptkit.report.formatting import printable

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
    from rich.table import Table as RichTable
    from rich.text import Text

T = TypeVar("T")
MIN_FOLDED_CHARS = 8


@dataclass(frozen=True)
class Cell:
    """A text; it may be marked as the best in its column, or as less important.

    Attributes:
        value: the number that the text shows, in full; a page sorts by it.
    """

    text: str
    style: Literal["best", "dim"] | None = None
    value: float | None = None


@dataclass(frozen=True)
class Column:
    """A heading; a line break in it is kept where there is little room.

    Attributes:
        align: numbers stand on the right, names on the left.
        fold: whether its cells may be broken over lines.
        ratio: share of the terminal's width that is left over; None to be as wide as its cells.
        needed: whether a row says nothing without it.
    """

    title: str
    align: Literal["left", "right"] = "right"
    fold: bool = False
    ratio: int | None = None
    needed: bool = False

    @property
    def heading(self) -> str:
        """The heading on one line."""
        return self.title.replace("\n", "")


Row = Sequence["str | Cell"]


@dataclass(frozen=True)
class Section:
    """Rows under a heading of their own; "" for none."""

    rows: list[Row]
    title: str = ""


@dataclass(frozen=True)
class Table:
    """A table of texts.

    Attributes:
        title: one line; "" for none.
        notes: sentences below it.
        dense: whether its columns stand close, as those of a wide table must.
    """

    title: str
    columns: list[Column]
    sections: list[Section]
    notes: list[str] = field(default_factory=list)
    dense: bool = False

    @property
    def rows(self) -> list[Row]:
        return [row for section in self.sections for row in section.rows]


def turned(table: Table) -> Table:
    """Return a table of one section with its rows as columns."""
    first, *others = table.columns
    names, *columns = zip(*([*row] for row in table.rows), strict=True)
    return replace(
        table,
        columns=[first, *(Column(str(name), fold=True) for name in names)],
        sections=[Section([[c.heading, *cells] for c, cells in zip(others, columns, strict=True)])],
    )


@dataclass(frozen=True)
class Spec(Generic[T]):
    """A column with how its cells are made of an item: one line adds a column to a table.

    Attributes:
        shown: whether the column is there, given all items.
    """

    column: Column
    cell: Callable[[T], str | Cell]
    shown: Callable[[Sequence[T]], bool] = lambda items: True


def number_cell(value: float, form: str) -> Cell:
    """Make a cell that is sorted by its number."""
    return Cell(f"{value:{form}}", value=value)


def build_rows(specs: Sequence[Spec[T]], items: Sequence[T]) -> tuple[list[Column], list[Row]]:
    """Return the columns that are shown for these items, and a row for each item."""
    used = [spec for spec in specs if spec.shown(items)]
    return [spec.column for spec in used], [[spec.cell(item) for spec in used] for item in items]


def to_rich(table: Table) -> RenderableType:
    """Render the table for a terminal, with an empty line at its end.

    Its title and notes use the whole width.
    """
    from rich.console import Group
    from rich.text import Text

    title = [Text(printable(table.title), style="italic")] if table.title else []
    notes = [Text(printable(" ".join(table.notes)), style="dim italic")] if table.notes else []
    return Group(*title, FittedTable(table), *notes, *([Text()] if notes else []))


class FittedTable:
    """A table that uses the terminal's width.

    Headings are on one line if they fit. Columns for which there is no room are named below the
    table, because a number that is cut is wrong: the last ones first, and none that is needed. If
    that is not enough, each row is a list.
    """

    def __init__(self, table: Table) -> None:
        self.table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.measure import Measurement
        from rich.text import Text

        roomy = options.update_width(10_000)  # a measurement is never wider than its options

        def fits(table: RichTable) -> bool:
            return Measurement.get(console, roomy, table).maximum <= options.max_width

        columns = self.table.columns
        wide = _rich_table(self.table, one_line=True)
        if fits(wide):
            yield wide
            return
        kept = [*range(len(columns))]
        spare = [at for at in kept[1:] if not columns[at].needed]
        while not (fitting := fits(_rich_table(_part(self.table, kept), folded=True))) and spare:
            kept.remove(spare.pop())
        if len(columns) > 1 and (len(kept) == 1 or not fitting):
            yield from _stacked(self.table)
            return
        yield _rich_table(_part(self.table, kept))
        if left := [column.heading for at, column in enumerate(columns) if at not in kept]:
            yield Text(f"There is no room for: {', '.join(left)}.", style="dim italic")


def _part(table: Table, kept: Sequence[int]) -> Table:
    """Return the table with some of its columns, by index."""
    return replace(
        table,
        columns=[table.columns[at] for at in kept],
        sections=[
            replace(
                section, rows=[[row[at] for at in kept if at < len(row)] for row in section.rows]
            )
            for section in table.sections
        ],
    )


def _stacked(table: Table) -> Iterator[Text]:
    """Write each row as lines: its name, then each heading with its cell."""
    from rich.text import Text

    headings = [column.heading.strip() for column in table.columns]
    for section in table.sections:
        if section.title:
            yield Text(printable(section.title), style="dim")
        for row in section.rows:
            name, *cells = (cell.text if isinstance(cell, Cell) else cell for cell in row)
            yield Text(printable(name), style="bold")
            for heading, cell in zip(headings[1:], cells, strict=False):
                if cell:
                    yield Text(printable(f"  {heading} {cell}" if heading else f"  {cell}"))
    yield Text()


def _rich_table(table: Table, *, one_line: bool = False, folded: bool = False) -> RichTable:
    """Make rich's table.

    Args:
        one_line: whether headings are on one line.
        folded: whether columns that may be folded are as narrow as they can be.
    """
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    styles = {"best": "bold green", "dim": "dim", None: ""}

    def show(cell: str | Cell) -> Text:
        cell = Cell(cell) if isinstance(cell, str) else cell
        return Text(printable(cell.text), style=styles[cell.style])

    rich = RichTable(
        box=box.SIMPLE_HEAD,
        padding=0 if table.dense and not one_line else (0, 1, 0, 0),
        show_header=any(column.title for column in table.columns),
        expand=any(column.ratio for column in table.columns),
    )
    for column in table.columns:
        rich.add_column(
            Text(printable(column.heading if one_line else column.title)),
            justify=column.align,
            no_wrap=not column.fold,
            overflow="fold",
            ratio=column.ratio,
            min_width=MIN_FOLDED_CHARS if column.fold and column.ratio is None else None,
            max_width=MIN_FOLDED_CHARS if folded and (column.fold or column.ratio) else None,
        )
    for section in table.sections:
        rich.add_section()
        if section.title:
            rich.add_row(Text(printable(section.title), style="dim"))
        for row in section.rows:
            rich.add_row(*map(show, row))
    return rich


def to_markdown(table: Table) -> list[str]:
    """Render the table as lines of Markdown, without its title."""
    lines = [
        _markdown_row(escape_markdown(column.heading) for column in table.columns),
        _markdown_row("---" if c.align == "left" else "---:" for c in table.columns),
    ]
    for section in table.sections:
        if section.title:
            blank = [""] * (len(table.columns) - 1)
            lines.append(_markdown_row([f"*{escape_markdown(section.title)}*", *blank]))
        for row in section.rows:
            filled = [*map(_markdown_cell, row), *[""] * (len(table.columns) - len(row))]
            lines.append(_markdown_row(filled))
    return lines


def to_html(table: Table, *, sortable: bool = False) -> str:
    """Render the table as an HTML element; all text is escaped.

    Args:
        sortable: whether a page's script lets a reader sort it.
    """
    head = "".join(
        f'<th scope="col"{_align(c)}>{escape_html(c.heading)}</th>' for c in table.columns
    )
    body = ""
    for section in table.sections:
        rows = "".join(f"<tr>{_html_cells(table.columns, row)}</tr>" for row in section.rows)
        if section.title:
            span = len(table.columns)
            title = escape_html(section.title)
            rows = f'<tr><th colspan="{span}" scope="rowgroup">{title}</th></tr>{rows}'
        body += f"<tbody>{rows}</tbody>"
    caption = f"<caption>{escape_html(table.title)}</caption>" if table.title else ""
    notes = "".join(f"<p>{escape_html(note)}</p>" for note in table.notes)
    kind = ' class="sortable"' if sortable else ""
    return f"<table{kind}>{caption}<thead><tr>{head}</tr></thead>{body}</table>{notes}"


def escape_markdown(text: str) -> str:
    """Escape a text for a Markdown cell, and put it on one line."""
    # An underscore within a word is one.
    text = re.sub(r"([\\|*`\[\]]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", printable(text))
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")


def _markdown_row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown_cell(cell: str | Cell) -> str:
    cell = Cell(cell) if isinstance(cell, str) else cell
    text = escape_markdown(cell.text)
    return f"**{text}**" if cell.style == "best" and text else text


def escape_html(text: str) -> str:
    """Escape a text for HTML, with its control characters visible."""
    return escape(printable(text))


def _align(column: Column) -> str:
    return "" if column.align == "left" else ' class="number"'


def _html_cells(columns: Sequence[Column], row: Row) -> str:
    """Write the cells of a row; the first one is its heading."""
    shown = ""
    for at, (column, cell) in enumerate(zip(columns, row, strict=False)):
        cell = Cell(cell) if isinstance(cell, str) else cell
        kinds = [*(["number"] if column.align == "right" else []), *([cell.style or ""])]
        kind = " ".join(filter(None, kinds))
        tag, scope = ("th", ' scope="row"') if at == 0 else ("td", "")
        attributes = scope + (f' class="{kind}"' if kind else "")
        if cell.value is not None:
            attributes += f' data-value="{cell.value!r}"'
        shown += f"<{tag}{attributes}>{escape_html(cell.text)}</{tag}>"
    return shown
