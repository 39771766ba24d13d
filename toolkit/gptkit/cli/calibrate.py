"""gptkit calibrate: check the verdict on differences that are known."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from gptkit.cli.options import Json


def calibrate(
    trials: Annotated[
        int, typer.Option(min=1, help="Number of trials for each kind of noise, and of copies.")
    ] = 2000,
    copies: Annotated[
        int, typer.Option(min=10, help="Number of trainings that differ only in the seed.")
    ] = 600,
    out: Annotated[Path | None, typer.Option(help="Folder for report.md and results.json.")] = None,
    as_json: Json = False,
) -> None:
    """Check how often the verdict's intervals contain a known difference, or report a false one."""
    from rich.console import Console
    from rich.progress import Progress

    from gptkit.bench.calibration import SETTINGS
    from gptkit.bench.calibration import calibrate as run
    from gptkit.files import to_json, write_json, write_text
    from gptkit.report.calibration import markdown

    console = Console(stderr=True, emoji=False)
    with Progress(console=console) if sys.stderr.isatty() else nullcontext() as progress:
        total = trials * len(SETTINGS) + copies
        task = progress.add_task("trials", total=total) if progress else None
        found = run(
            trials=trials,
            copies=copies,
            on_trial=lambda: progress.advance(task) if progress and task is not None else None,
        )
    if out is not None:
        write_text(out / "report.md", markdown(found))
        write_json(out / "results.json", found)
    typer.echo(to_json(found) if as_json else markdown(found), nl=False)
