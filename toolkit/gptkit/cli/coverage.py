"""gptkit coverage: prove the verdict on differences that are known."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from gptkit.cli.options import Json


def coverage(
    trials: Annotated[
        int, typer.Option(min=1, help="Of each kind of noise, and of groups of copies.")
    ] = 2000,
    copies: Annotated[
        int, typer.Option(min=10, help="Of one tokenizer, trained with other seeds.")
    ] = 600,
    out: Annotated[
        Path | None, typer.Option(help="A folder for report.md and results.json.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Prove the verdict: how often its intervals hold a known difference, or claim one falsely."""
    import json

    from rich.console import Console
    from rich.progress import Progress

    from gptkit.bench.calibration import SETTINGS, prove
    from gptkit.files import write_json, write_text
    from gptkit.report.calibration import markdown

    console = Console(stderr=True)
    with Progress(console=console) if sys.stderr.isatty() else nullcontext() as progress:
        total = trials * len(SETTINGS) + copies
        task = progress.add_task("trials", total=total) if progress else None
        proof = prove(
            trials=trials,
            copies=copies,
            on_trial=lambda: progress.advance(task) if progress and task is not None else None,
        )
    if out is not None:
        write_text(out / "report.md", markdown(proof))
        write_json(out / "results.json", proof)
    typer.echo(json.dumps(proof) if as_json else markdown(proof))
