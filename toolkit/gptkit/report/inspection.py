"""Make tables of what `inspect_tokenizers` measured."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from rich.table import Table as RichTable
from rich.text import Text

from gptkit.data.inspection import CountedText, InspectedTokenizer, Inspection
from gptkit.report.formatting import printable, visible
from gptkit.report.table import Column, Row, Section, Table


def _words_whole(row: InspectedTokenizer) -> str:
    share = row.measures.words_whole
    return "–" if share is None else f"{share:.1%}"


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
    "bytes lost": lambda row: f"{row.lost_bytes / row.n_bytes:.2%}",
}
TOKEN_STYLES = ("black on bright_cyan", "black on bright_yellow")


def measure_table(found: Inspection) -> Table:
    """Make a table with a row per measure and a column per tokenizer."""
    rows: list[Row] = [
        [name, *(cell(row) for row in found.tokenizers)] for name, cell in MEASURES.items()
    ]
    return Table(
        title=f"Tokenizers on {found.corpus.name}, {found.tokenizers[0].n_bytes:,} bytes",
        columns=[
            Column("", "left"),
            *(Column(row.tokenizer, fold=True) for row in found.tokenizers),
        ],
        sections=[Section(rows)],
        notes=[
            "Learned tokenizers saw only the training part of this text. Entropy is of the ids' "
            "frequencies: what a model without context reaches. Rényi efficiency has order 2.5, "
            "over the ids that the text uses. Words kept whole are not known where bytes are lost."
        ],
    )


def texts_table(found: Inspection) -> Table:
    """Make a table of the tokens of each text, and how many that is for one of the first text."""
    first = found.texts[0]
    specs = [row.tokenizer for row in found.tokenizers]
    rows: list[Row] = [
        [
            text.name,
            f"{text.bytes:,}",
            *(f"{text.tokens[spec]:,} ({_ratio(text, first, spec)})" for spec in specs),
        ]
        for text in found.texts
    ]
    return Table(
        title="Tokens of each text, and relative to the first text",
        columns=[
            Column("text", "left", fold=True),
            Column("bytes"),
            *(Column(spec, fold=True) for spec in specs),
        ],
        sections=[Section(rows)],
        notes=[
            f"The tables below are of {first.name}. Learned tokenizers saw only its training part."
        ],
    )


def _ratio(text: CountedText, first: CountedText, spec: str) -> str:
    return f"{text.tokens[spec] / first.tokens[spec]:.2f}"


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
    )


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
