"""gptkit encode: a text as a tokenizer cuts it."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gptkit.cli.options import Json, split_names
from gptkit.errors import ConfigError

if TYPE_CHECKING:
    from gptkit_tokenizers import Tokenizer

ROWS = 1000  # a table that nobody scrolls through takes minutes to lay out
STYLES = ("black on bright_cyan", "black on bright_yellow")


def encode(
    text: Annotated[str, typer.Argument(help="The text; - reads standard input.")],
    tokenizer: Annotated[
        str,
        typer.Option(
            "--tokenizer",
            "--tokenizers",
            "-t",
            help="Tokenizer: gpt2, char, byte, …; with --html several, separated by commas.",
        ),
    ] = "gpt2",
    data: Annotated[
        str | None,
        typer.Option("--data", "-d", help="The text that char takes its alphabet from."),
    ] = None,
    ids: Annotated[bool, typer.Option("--ids", help="Print only the ids.")] = False,
    as_html: Annotated[
        bool, typer.Option("--html", help="Write a page, tokens.html, to the folder of --out.")
    ] = False,
    out: Annotated[Path, typer.Option("--out", help="Folder of the page.")] = Path(),
    as_json: Json = False,
) -> None:
    """Show a text's tokens: id, bytes and text of each."""
    from gptkit.cli.text_input import read_text, tokenizer_for

    if as_html:
        _write_page(read_text(text), tokenizer, data, out / "tokens.html")
        return
    if "," in tokenizer and len(split_names(tokenizer)) > 1:
        raise ConfigError(
            f"tokenizer {tokenizer!r} names several. Give one, or --html for a page of all."
        )
    built = tokenizer_for(tokenizer, data)
    text = read_text(text)
    tokens = built.encode(text)
    n_bytes = len(text.encode())
    spelled = [built.token_bytes(t) for t in tokens]
    if as_json:
        document = {
            "tokenizer": built.name,
            "vocab_size": built.vocab_size,
            "ids": tokens,
            "bytes": [b.hex() for b in spelled],
            "pieces": [built.token_text(t) for t in tokens],
            "n_tokens": len(tokens),
            "n_bytes": n_bytes,
            "n_chars": len(text),
            "bytes_per_token": n_bytes / len(tokens) if tokens else None,
        }
        typer.echo(json.dumps(document))
        return
    if ids:
        typer.echo(" ".join(map(str, tokens)))
        return

    _draw(built, text, tokens, spelled)


def _write_page(text: str, tokenizers: str, data: str | None, file: Path) -> None:
    from gptkit.cli.text_input import tokenizer_for
    from gptkit.data.prepare import name_tokenizers
    from gptkit.files import write_text
    from gptkit.report.html.tokens import cut_text, tokens_page

    specs = name_tokenizers(split_names(tokenizers))
    if not specs:
        raise ConfigError("tokenizers is empty; give at least one.")
    cuts = [cut_text(name, tokenizer_for(str(spec), data), text) for name, spec in specs.items()]
    write_text(file, tokens_page(cuts))
    typer.echo(str(file))


def _draw(built: Tokenizer, text: str, tokens: list[int], spelled: list[bytes]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from gptkit.report.formatting import visible

    console = Console(highlight=False, emoji=False)
    styles = itertools.cycle(STYLES)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.add_column("id", justify="right", no_wrap=True)
    table.add_column("bytes", overflow="fold")
    table.add_column("text", overflow="fold")
    for token, token_bytes, style in zip(tokens[:ROWS], spelled, styles, strict=False):
        piece = Text(visible(built.token_text(token)), style=style)
        table.add_row(str(token), token_bytes.hex(" "), piece)
    if tokens:
        console.print(table)
    if len(tokens) > ROWS:
        console.print(f"… and {len(tokens) - ROWS:,} more tokens; --ids or --json give them all.")
    n_bytes = len(text.encode())
    rate = f", {n_bytes / len(tokens):.2f} bytes per token" if tokens else ""
    console.print(
        f"{_count(len(tokens), 'token')}, {_count(len(text), 'character')}, "
        f"{_count(n_bytes, 'byte')}{rate} ({built.name}, {built.vocab_size:,} ids)"
    )


def _count(n: int, thing: str) -> str:
    return f"{n:,} {thing}{'' if n == 1 else 's'}"
