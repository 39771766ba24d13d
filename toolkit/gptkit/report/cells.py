"""Markdown's tables, and what has to be escaped in them."""

from __future__ import annotations

from collections.abc import Sequence

from gptkit.report.formatting import printable


def table_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def table_head(columns: Sequence[str], *, names: int) -> list[str]:
    """The heading of a table, its first `names` columns of text, the others of numbers."""
    return [table_row(columns), table_row(["---"] * names + ["---:"] * (len(columns) - names))]


def cell(text: str) -> str:
    """A text as a cell, or in a line: escaped, on one line."""
    return printable(text).replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")
