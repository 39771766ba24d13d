"""gptkit report: an experiment's results as a page to keep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    experiment: Annotated[Path, typer.Argument(help="An experiment's folder, runs/<experiment>.")],
    out: Annotated[
        Path | None, typer.Option("--out", help="Where to write; the experiment's own folder.")
    ] = None,
) -> None:
    """Write report.md, and results.json beside it, from an experiment's results."""
    from gptkit.files import write_json, write_text
    from gptkit.report.markdown import markdown
    from gptkit.result import load_result

    result = load_result(experiment).to_dict()
    folder = out or experiment
    write_text(folder / "report.md", markdown(result))
    write_json(folder / "results.json", result)
    typer.echo(str(folder / "report.md"))
