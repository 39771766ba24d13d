"""gptkit decode: ids back to text."""

from __future__ import annotations

import re
import sys
from typing import Annotated

import typer

from gptkit.cli.options import Json
from gptkit.errors import ConfigError

MAX_SHOWN_CHARS = 40


def decode(
    ids: Annotated[list[str], typer.Argument(help="The ids; - reads them from standard input.")],
    tokenizer: Annotated[
        str,
        typer.Option("--tokenizer", "--tokenizers", "-t", help="Tokenizer: gpt2, char, byte, …"),
    ] = "gpt2",
    data: Annotated[
        str | None,
        typer.Option("--data", "-d", help="The text that char takes its alphabet from."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Turn ids back into text. A file or a pipe gets the exact bytes."""
    import json

    from gptkit.cli.text_input import read_text, tokenizer_for

    text = read_text("-") if ids == ["-"] else " ".join(ids)
    tokens = [_read_id(word) for word in re.split(r"[\s,\[\]]+", text) if word]
    built = tokenizer_for(tokenizer, data)
    spelled = built.decode_bytes(tokens)
    if as_json:
        text = spelled.decode(errors="replace")
        typer.echo(json.dumps({"tokenizer": built.name, "text": text, "bytes": spelled.hex()}))
    elif sys.stdout.isatty():
        from gptkit.report.formatting import printable

        typer.echo(printable(spelled.decode(errors="replace")))
    else:
        sys.stdout.buffer.write(spelled)
        sys.stdout.buffer.flush()


def _read_id(word: str) -> int:
    if not re.fullmatch(r"[0-9]{1,18}", word):
        shown = word if len(word) <= MAX_SHOWN_CHARS else f"{word[:MAX_SHOWN_CHARS]}…"
        raise ConfigError(
            f"{shown!r} is not an id. Give whole numbers, as in: gptkit decode 15496 11 995 0"
        )
    return int(word)
