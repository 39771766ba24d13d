"""gptkit bytes: the byte accounting of other people's trainers, checked."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gptkit.cli.options import Json


def bytes(
    tokenizer: Annotated[str, typer.Argument(help="The tokenizer: a spec, as for compare.")],
    data: Annotated[
        str, typer.Option("--data", "-d", help="The text, as for compare; all of it is counted.")
    ],
    check: Annotated[
        Path | None,
        typer.Option(
            help="A table with the bytes of each id to check: .npy, .safetensors, or .pt with "
            "tensors alone. The exit code is 1 if it is wrong on this text."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder to write token_bytes.npy to, the bytes of each id, and "
            "text_token_bytes.npy, those of each token of the text."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Count the true bytes of each id in a text, and check a trainer's table of them."""
    from rich.console import Console

    from gptkit.cli.text_input import tokenizer_for
    from gptkit.data.corpus import load_text
    from gptkit.export.byte_accounting import account_bytes

    text = load_text(data)
    found = account_bytes(tokenizer_for(tokenizer, data), text, text_name=data, check=check)
    if out is not None:
        _write(out, token_bytes=found.token_bytes, text_token_bytes=found.text_token_bytes)
    if as_json:
        from gptkit.files import to_json

        typer.echo(to_json(found.summary), nl=False)
    else:
        from gptkit.report.byte_accounting import account_table, check_sentences, check_tables
        from gptkit.report.formatting import printable
        from gptkit.report.table import to_rich

        console = Console(highlight=False, emoji=False)
        wrong = found.summary.check
        for table in (account_table(found.summary), *(check_tables(wrong) if wrong else [])):
            console.print(to_rich(table))
        for says in check_sentences(found.summary):
            console.print(printable(says), markup=False)
    if found.summary.check and found.summary.check.causes:
        raise typer.Exit(1)


def _write(out: Path, **arrays: object) -> None:
    import io

    import numpy as np

    from gptkit.errors import ConfigError
    from gptkit.files import write_bytes

    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.save(buffer, np.asarray(array), allow_pickle=False)
        try:
            write_bytes(out / f"{name}.npy", buffer.getvalue())
        except OSError as error:
            raise ConfigError(f"{out} cannot be written: {error.strerror}.") from error
