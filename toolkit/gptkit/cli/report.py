"""gptkit report: an experiment's results as a page to keep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    experiment: Annotated[Path, typer.Argument(help="An experiment's folder, runs/<experiment>.")],
    beside: Annotated[
        list[Path] | None,
        typer.Option(
            "--with", help="Another experiment's, drawn into the same figure; may be repeated."
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write; the experiment's own folder.")
    ] = None,
) -> None:
    """Write report.md, and results.json beside it, from an experiment's results.

    With a figure for the lecture's ladder, bits per byte by stage, and for three tokenizers
    or more, against vocabulary size.
    """
    from gptkit.files import write_bytes, write_json, write_text
    from gptkit.report.markdown import markdown
    from gptkit.report.plots import figure_of, plot
    from gptkit.results.result import load_result

    results = [load_result(path).to_dict() for path in (experiment, *(beside or []))]
    folder = out or experiment
    figure = figure_of(results[0])
    if figure is not None:
        drawn = plot(results)
        if drawn is None:
            figure = None
            typer.echo("note: no figure without matplotlib: pip install matplotlib", err=True)
        else:
            write_bytes(folder / figure, drawn)
    page = markdown(results[0], beside=results[1:], figure=figure)
    write_text(folder / "report.md", page)
    for i, result in enumerate(results):
        write_json(folder / f"results{f'-{i + 1}' if i else ''}.json", result)
    typer.echo(str(folder / "report.md"))
