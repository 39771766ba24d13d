"""What `inspect_tokenizers` found -> rich renderables; prints nothing."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from gptkit.report.formatting import printable, visible

MEASURES: dict[str, Callable[[dict[str, Any]], str]] = {
    "vocabulary": lambda row: f"{row['vocab_size']:,}",
    "ids the text uses": lambda row: f"{row['vocab_used']:,}",
    "bytes per token": lambda row: f"{row['bytes_per_token']:.3f}",
    "on held-out text": lambda row: f"{row['val_bytes_per_token']:.3f}",
    "tokens per word": lambda row: f"{row['tokens_per_word']:.2f}",
    "single-byte tokens": lambda row: f"{row['single_byte_share']:.1%}",
    "words kept whole": lambda row: f"{row['words_whole']:.1%}",
    "entropy, bits/byte": lambda row: f"{row['entropy_bits_per_byte']:.3f}",
    "Rényi efficiency": lambda row: f"{row['renyi_efficiency']:.3f}",
    "longest token": lambda row: visible(row["longest"][0]["text"], most=12),
    "encode, MB/s": lambda row: f"{row['encode_mb_per_s']:.1f}",
    "decode, MB/s": lambda row: f"{row['decode_mb_per_s']:.1f}",
    "round trip": lambda row: "exact" if row["audit"] == "passes" else "not exact",
    "bytes lost": lambda row: f"{row['lost_bytes'] / row['train_bytes']:.2%}",
}
STYLES = ("black on bright_cyan", "black on bright_yellow")


def measure_table(found: dict[str, Any]) -> Table:
    """A row per measure, a column per tokenizer."""
    corpus = found["corpus"]
    table = Table(
        title=Text(
            f"Tokenizers on {printable(corpus['name'])}'s training text, "
            f"{corpus['train_bytes']:,} bytes"
        ),
        caption="Entropy is of the ids' frequencies: what a model without context reaches. "
        "Rényi efficiency: order 2.5, over the ids that the text uses.",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        caption_justify="left",
    )
    table.add_column("", no_wrap=True)
    for row in found["tokenizers"]:
        table.add_column(Text(printable(row["tokenizer"])), justify="right", overflow="fold")
    for name, cell in MEASURES.items():
        table.add_row(name, *(Text(cell(row)) for row in found["tokenizers"]))
    return table


def frequent_table(found: dict[str, Any]) -> Table:
    """The most frequent tokens of each tokenizer, with their share of all its tokens."""
    table = Table(
        title="The most frequent tokens, and their share of all",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    rows = found["tokenizers"]
    for row in rows:
        table.add_column(Text(printable(row["tokenizer"])), overflow="fold")
    for tokens in itertools.zip_longest(*(row["frequent"] for row in rows)):
        cells = [
            ""
            if token is None
            else f"{visible(token['text'])} {token['count'] / row['tokens']:.1%}"
            for row, token in zip(rows, tokens, strict=True)
        ]
        table.add_row(*map(Text, cells))
    return table


def cut_table(found: dict[str, Any]) -> Table:
    """The same stretch of text under each tokenizer, one under the other, borders as bars."""
    table = Table(title="The same text, cut", box=None, padding=(0, 1, 0, 0), show_header=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for row in found["tokenizers"]:
        pieces = [visible(piece) for piece in row["cut"]]
        styled = zip(pieces, itertools.cycle(STYLES), strict=False)
        cut = Text("│").join(Text(piece, style=style) for piece, style in styled)
        table.add_row(Text(printable(row["tokenizer"]), style="bold"), cut)
    return table
