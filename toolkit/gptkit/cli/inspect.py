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
        list[str] | None,
        typer.Option(
            "--data",
            "-d",
            help="A text, as for compare. Give it again for more texts: their tokens are counted "
            "beside the first one's.",
        ),
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
            [load_corpus(one) for one in data] if data else [load_corpus()],
            split_names(tokenizers),
            on_tokenizer=lambda spec: status.update(f"Measuring {spec}") if status else None,
        )
    if as_json:
        from gptkit.files import to_json

        typer.echo(to_json(found), nl=False)
        return

    from gptkit.plan.experiment_config import to_command_line
    from gptkit.report.inspection import (
        cut_table,
        frequent_table,
        measure_table,
        parts_table,
        texts_table,
    )
    from gptkit.report.table import to_rich

    console = Console(highlight=False, emoji=False)
    tables = [measure_table(found), frequent_table(found)]
    if found.parts:
        tables.insert(0, parts_table(found))
    if len(found.texts) > 1:
        tables.insert(0, texts_table(found))
    for table in tables:
        console.print(to_rich(table), *([""] if table.notes else []), sep="\n")
    console.print(cut_table(found))
    for row in found.tokenizers:
        if row.audit != "passes":
            warning = f"warning: {to_command_line(row.audit)}"
            console.print(warning, markup=False, style="yellow")
