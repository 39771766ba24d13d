"""Make tables of what `inspect_tokenizers` measured."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

from rich.table import Table as RichTable
from rich.text import Text

from gptkit.data.inspection import InspectedTokenizer, Inspection, TokenizerCost
from gptkit.report.by_text import parity_table
from gptkit.report.formatting import printable, visible
from gptkit.report.table import (
    Column,
    Row,
    Section,
    Table,
    escape_markdown,
    to_markdown,
    turned,
)


def _words_whole(row: InspectedTokenizer) -> str:
    share = row.measures.words_whole
    return "–" if share is None else f"{share:.1%}"


def _bytes_lost(row: InspectedTokenizer) -> str:
    share = row.lost_bytes / row.n_bytes
    return "<0.01%" if 0 < share < 0.0001 else f"{share:.2%}"


MEASURES: dict[str, Callable[[InspectedTokenizer], str]] = {
    "vocabulary": lambda row: f"{row.measures.vocab_size:,}",
    "ids the text uses": lambda row: f"{row.measures.vocab_used:,}",
    "bytes per token": lambda row: f"{row.measures.bytes_per_token:.3f}",
    "on held-out text": lambda row: f"{row.val_bytes_per_token:.3f}",
    "tokens": lambda row: f"{row.measures.tokens:,}",
    "characters per token": lambda row: f"{row.measures.chars_per_token:.2f}",
    "tokens per word": lambda row: f"{row.measures.tokens_per_word:.2f}",
    "single-byte tokens": lambda row: f"{row.measures.single_byte_share:.1%}",
    "words kept whole": _words_whole,
    "entropy, bits/byte": lambda row: f"{row.measures.entropy_bits_per_byte:.3f}",
    "Rényi efficiency": lambda row: f"{row.measures.renyi_efficiency:.3f}",
    "longest token": lambda row: visible(row.measures.longest[0].text, most=12),
    "encode, MB/s": lambda row: f"{row.measures.encode_mb_per_s:.1f}",
    "decode, MB/s": lambda row: f"{row.measures.decode_mb_per_s:.1f}",
    "round trip": lambda row: "exact" if row.audit == "passes" else "not exact",
    "bytes lost": _bytes_lost,
}
TOKEN_STYLES = ("black on bright_cyan", "black on bright_yellow")


def measure_table(found: Inspection) -> Table:
    """Make a table with a row per measure and a column per tokenizer."""
    rows: list[Row] = [
        [name, *(cell(row) for row in found.tokenizers)] for name, cell in MEASURES.items()
    ]
    lossy = any(row.lost_bytes for row in found.tokenizers)
    return Table(
        title=f"Tokenizers on {found.corpus.name}, {found.tokenizers[0].n_bytes:,} bytes",
        columns=[
            Column("", "left"),
            *(Column(row.tokenizer, fold=True) for row in found.tokenizers),
        ],
        sections=[Section(rows)],
        notes=[
            "Learned tokenizers saw only training text. Entropy is of the ids' "
            "frequencies: what a model without context reaches. Rényi efficiency has order 2.5, "
            "over the ids that the text uses. Tokens per word counts what stands between white "
            "space; kept whole are runs of letters and digits that no token's border cuts.",
            *(["Where bytes are lost, that is not known."] if lossy else []),
        ],
    )


def texts_table(found: Inspection) -> Table:
    """Make a table of the tokens of each text, and how many that is for one of the first text."""
    first = found.texts[0]
    specs = [row.tokenizer for row in found.tokenizers]
    rows: list[Row] = [["bytes", *(f"{text.bytes:,}" for text in found.texts)]]
    for spec in specs:
        counts = [text.tokens[spec] for text in found.texts]
        rows.append([spec, *(f"{n:,} ({n / first.tokens[spec]:.2f})" for n in counts)])
    by_tokenizer = Table(
        title="Tokens of each text, and relative to the first text",
        columns=[
            Column("", "left", fold=True),
            *(Column(text.name, fold=True) for text in found.texts),
        ],
        sections=[Section(rows)],
        notes=[
            f"The tables below are of {first.name}. Learned tokenizers saw only the training parts "
            "of all texts."
        ],
    )
    return by_tokenizer if len(specs) > len(found.texts) else turned(by_tokenizer)


def parts_table(found: Inspection) -> Table:
    """Make a table of what each option of the learned tokenizers does."""
    rows: list[Row] = [
        [
            part.tokenizer,
            part.part,
            f"{part.tokens:,}",
            f"{part.tokens_without:,}",
            f"{part.tokens / part.tokens_without - 1:+.1%}",
        ]
        for part in found.parts
    ]
    return Table(
        title="What each part does: tokens with it, and without it",
        columns=[
            Column("tokenizer", "left", fold=True),
            Column("part", "left"),
            Column("with"),
            Column("without"),
            Column("change"),
        ],
        sections=[Section(rows)],
        notes=["Without: a tokenizer of the same size, learned without this part."],
    )


def cost_table(costs: Mapping[str, TokenizerCost]) -> Table:
    """Make a table of seconds and memory."""
    rows: list[Row] = [
        [
            spec,
            f"{cost.load_seconds:.2f}",
            f"{cost.encode_seconds:.2f}",
            "–" if cost.peak_bytes is None else f"{cost.peak_bytes / 1e6:,.0f}",
        ]
        for spec, cost in costs.items()
    ]
    return Table(
        title="What they cost, each in its own process",
        columns=[
            Column("tokenizer", "left", fold=True),
            Column("load, s"),
            Column("encode, s"),
            Column("memory, MB"),
        ],
        sections=[Section(rows)],
        notes=["Memory is the most that the process had, with Python, NumPy and the text."],
    )


def inspection_page(found: Inspection, costs: Mapping[str, TokenizerCost], command: str) -> str:
    """Write the tables as a page in Markdown, with the command that makes it again."""
    *tables, measures = tables_of(found)
    lines = ["# Tokenizers, measured before any training"]
    for table in (*tables, turned(measures), cost_table(costs)):
        lines += ["", f"## {escape_markdown(table.title)}", "", *to_markdown(table)]
        lines += ["", *map(escape_markdown, table.notes)] if table.notes else []
    lines += ["", "## Run this again", "", f"    {command}"]
    return "\n".join(lines) + "\n"


def tables_of(found: Inspection) -> list[Table]:
    """Make the tables of the texts and of the options, where there are any, and of the measures."""
    tables = [measure_table(found)]
    if found.parts:
        tables.insert(0, parts_table(found))
    if len(found.texts) > 1:
        tables.insert(0, texts_table(found))
        tables.insert(1, parity_table(found.tokens))
    return tables


def frequent_table(found: Inspection) -> Table:
    """Make a table of each tokenizer's most frequent tokens and their shares."""
    rows: list[Row] = []
    for tokens in itertools.zip_longest(*(row.measures.frequent for row in found.tokenizers)):
        rows.append(
            [
                ""
                if token is None
                else f"{visible(token.text)} {token.count / row.measures.tokens:.1%}"
                for row, token in zip(found.tokenizers, tokens, strict=True)
            ]
        )
    return Table(
        title="The most frequent tokens, and their share of all",
        columns=[Column(row.tokenizer, "left", fold=True) for row in found.tokenizers],
        sections=[Section(rows)],
    )


def cut_table(found: Inspection) -> RichTable:
    """Make a table of the same text under each tokenizer, with bars and colours at borders."""
    table = RichTable(
        title="The same text, cut into tokens",
        title_justify="left",
        box=None,
        padding=(0, 1, 0, 0),
        show_header=False,
    )
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for row in found.tokenizers:
        pieces = [visible(piece) for piece in row.cut]
        styled = zip(pieces, itertools.cycle(TOKEN_STYLES), strict=False)
        cut = Text("│").join(Text(piece, style=style) for piece, style in styled)
        table.add_row(Text(printable(row.tokenizer), style="bold"), cut)
    return table
