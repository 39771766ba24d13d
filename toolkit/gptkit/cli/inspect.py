"""gptkit inspect: tokenizers measured on a text, before anything is trained."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gptkit.cli.options import Json, split_names
from gptkit.errors import ConfigError

if TYPE_CHECKING:
    from gptkit.data.corpus import Corpus
    from gptkit.data.inspection import Inspection, TokenizerCost
    from gptkit_tokenizers import Tokenizer


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
            help="A text, as for compare. More texts, with commas between them or in another -d: "
            "tokenizers learn from all of them, and the tokens of each are counted.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write inspection.json and inspection.md to this folder, with seconds and memory, "
            "each tokenizer measured in its own process."
        ),
    ] = None,
    as_html: Annotated[
        bool,
        typer.Option(
            "--html", help="Write a page, inspection.html, to the folder of --out, or to this one."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure tokenizers on a text before any training: compression, speed, and where they cut."""
    from rich.console import Console

    err = Console(stderr=True, highlight=False, emoji=False)
    with err.status("Reading the text") if sys.stderr.isatty() else nullcontext() as status:
        from gptkit.data.corpus import load_texts
        from gptkit.data.inspection import inspect_tokenizers
        from gptkit.data.prepare import name_tokenizers

        specs = name_tokenizers(split_names(tokenizers))
        if not specs:
            raise ConfigError("tokenizers is empty; give at least one.")
        if out is not None and out.exists() and not out.is_dir():
            raise ConfigError(f"{out} is a file. Give a folder, or a name that is free.")
        given: list[str | None] = [*data] if data else [None]
        corpora = [corpus for spec in given for corpus in load_texts(spec)]
        found = inspect_tokenizers(
            corpora,
            specs,
            on_tokenizer=lambda name: status.update(f"Measuring {name}") if status else None,
        )
        if out is not None:
            from gptkit.bench.tokenizer_cost import measure_costs
            from gptkit.report.command import quote

            if status:
                status.update("Measuring seconds and memory")
            costs = measure_costs(specs, data[0] if data else None)
            texts = [word for one in data or [] for word in ("-d", one)]
            words = ["gptkit", "inspect", "-t", tokenizers, *texts, "--out", str(out)]
            command = " ".join(map(quote, words))
            _write(out, found, costs, command)
        page = None
        if as_html:
            page = (out or Path()) / "inspection.html"
            _write_page(page, found, corpora, specs)
    if as_json:
        from gptkit.data.inspection import to_document
        from gptkit.files import to_json

        typer.echo(to_json(to_document(found)), nl=False)
    else:
        _show(found)
        if page is not None:
            typer.echo(str(page))


def _write_page(
    file: Path, found: Inspection, corpora: Sequence[Corpus], specs: Mapping[str, str | Tokenizer]
) -> None:
    from gptkit.data.encoding import build_tokenizer
    from gptkit.data.inspection import PASSAGE_CHARS, inspected_text, joined_corpus, passage
    from gptkit.files import write_text
    from gptkit.report.html.tokens import cut_text, inspection_page

    text = passage(inspected_text(corpora[0]), PASSAGE_CHARS)
    corpus = joined_corpus(corpora)
    cuts = [
        cut_text(name, build_tokenizer(corpus, spec) if isinstance(spec, str) else spec, text)
        for name, spec in specs.items()
    ]
    write_text(file, inspection_page(found, cuts))


def _write(out: Path, found: Inspection, costs: dict[str, TokenizerCost], command: str) -> None:
    from gptkit.data.inspection import to_document
    from gptkit.files import to_json, write_text
    from gptkit.report.inspection import inspection_page

    document = {"inspection": to_document(found), "costs": costs, "command": command}
    write_text(out / "inspection.json", to_json(document))
    write_text(out / "inspection.md", inspection_page(found, costs, command))


def _show(found: Inspection) -> None:
    from rich.console import Console

    from gptkit.plan.experiment_config import to_command_line
    from gptkit.report.inspection import cut_table, frequent_table, tables_of
    from gptkit.report.table import to_rich

    console = Console(highlight=False, emoji=False)
    for table in (*tables_of(found), frequent_table(found)):
        console.print(to_rich(table))
    console.print(cut_table(found))
    for row in found.tokenizers:
        if row.audit != "passes":
            warning = f"warning: {to_command_line(row.audit)}"
            console.print(warning, markup=False, style="yellow")
