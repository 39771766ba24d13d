"""gptkit inspect: tokenizers measured on a text, before anything is trained."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from typing import Annotated

import typer

from gptkit.cli.options import Json


def inspect(
    tokenizers: Annotated[
        str, typer.Option("--tokenizers", "-t", help="Specs, separated by commas.")
    ] = "char,gpt2",
    data: Annotated[
        str | None, typer.Option("--data", "-d", help="The corpus, as compare takes it.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Measure tokenizers on a text before training: compression, use, speed, and their cuts."""
    from rich.console import Console

    err = Console(stderr=True, highlight=False)
    live = sys.stderr.isatty()
    with err.status("Reading the text") if live else nullcontext() as status:
        from gptkit.cli.experiment import listed
        from gptkit.data.corpus import load_corpus
        from gptkit.data.inspection import inspect_tokenizers

        found = inspect_tokenizers(
            load_corpus(data),
            listed(tokenizers),
            on_tokenizer=lambda spec: status.update(f"Measuring {spec}") if status else None,
        )
    if as_json:
        typer.echo(json.dumps(found))
        return

    from gptkit.report.inspection import cut_table, frequent_table, measure_table

    console = Console(highlight=False)
    console.print(measure_table(found), frequent_table(found), cut_table(found), sep="\n")
    for row in found["tokenizers"]:
        if row["audit"] != "passes":
            console.print(f"warning: {row['audit']}", markup=False, style="yellow")
