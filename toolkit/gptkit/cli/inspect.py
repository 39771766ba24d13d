"""gptkit inspect: tokenizers measured on a text, before anything is trained."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from typing import Annotated

import typer

from gptkit.cli.options import Json, split_names


def inspect(
    tokenizers: Annotated[
        str,
        typer.Option("--tokenizers", "-t", help="Tokenizers, separated by commas, as for compare."),
    ] = "char,gpt2",
    data: Annotated[
        str | None, typer.Option("--data", "-d", help="A text, as for compare.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure tokenizers on a text before any training: compression, speed, and where they cut."""
    from rich.console import Console

    err = Console(stderr=True, highlight=False, emoji=False)
    live = sys.stderr.isatty()
    with err.status("Reading the text") if live else nullcontext() as status:
        from gptkit.data.corpus import load_corpus
        from gptkit.data.inspection import inspect_tokenizers

        found = inspect_tokenizers(
            load_corpus(data),
            split_names(tokenizers),
            on_tokenizer=lambda spec: status.update(f"Measuring {spec}") if status else None,
        )
    if as_json:
        from gptkit.files import to_json

        typer.echo(to_json(found), nl=False)
        return

    from gptkit.plan.experiment_config import to_command_line
    from gptkit.report.inspection import cut_table, frequent_table, measure_table
    from gptkit.report.table import to_rich

    console = Console(highlight=False, emoji=False)
    tables = (to_rich(measure_table(found)), to_rich(frequent_table(found)), cut_table(found))
    console.print(*tables, sep="\n")
    for row in found.tokenizers:
        if row.audit != "passes":
            warning = f"warning: {to_command_line(row.audit)}"
            console.print(warning, markup=False, style="yellow")
