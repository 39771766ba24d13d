"""gptkit calibrate: check what gptkit claims, where the truth is known."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Any

import typer

from gptkit.cli.options import Json
from gptkit.errors import ConfigError, check_known

NAMES = ("verdict", "scale", "until", "published")


def calibrate(
    name: Annotated[
        str,
        typer.Argument(
            help="verdict: its intervals and false claims. scale: crossovers and predictions of "
            "ladders. until: false claims with added seeds. published: published scaling laws, "
            "fitted again."
        ),
    ] = "verdict",
    trials: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of trials of each kind; for scale ladders, for published resamples.",
            show_default="2000; scale 216; until 1000; published 100",
        ),
    ] = None,
    copies: Annotated[
        int | None,
        typer.Option(
            min=5,
            help="Number of trainings that differ only in the seed; for scale, at each rung.",
            show_default="600; scale 16",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="For published: the folder with chinchilla-isoflops.csv and "
            "tao2024-vocabulary.csv."
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.md and results.json.")] = None,
    as_json: Json = False,
) -> None:
    """Check how often what gptkit claims holds, where the truth is known."""
    from rich.console import Console
    from rich.progress import Progress

    from gptkit.files import to_json, write_json, write_text
    from gptkit.report.studies import study_page

    check_known("calibration", name, NAMES)
    if name == "published" and data is None:
        raise ConfigError('published needs the folder of the data: data="FOLDER".')
    if name != "published" and data is not None:
        raise ConfigError(f"{name} reads no data; only published does. Leave --data out.")
    if name not in ("verdict", "scale") and copies is not None:
        raise ConfigError(f"{name} has no copies; only verdict and scale do. Leave --copies out.")
    console = Console(stderr=True, emoji=False)
    with Progress(console=console) if sys.stderr.isatty() else nullcontext() as progress:
        task = progress.add_task("trials", total=None) if progress else None

        def on_trial() -> None:
            if progress and task is not None:
                progress.advance(task)

        found = _run(name, trials, copies, data, on_trial)
    page = study_page(found)
    if out is not None:
        write_text(out / "report.md", page)
        write_json(out / "results.json", found)
    typer.echo(to_json(found) if as_json else page, nl=False)


def _run(
    name: str,
    trials: int | None,
    copies: int | None,
    data: Path | None,
    on_trial: Callable[[], None],
) -> Any:
    if name == "scale":
        from gptkit.bench.scale_calibration import calibrate_scale

        return calibrate_scale(ladders=trials or 216, pool=copies or 16, on_done=on_trial)
    if name == "until":
        from gptkit.bench.sequential_calibration import calibrate_sequential

        return calibrate_sequential(trials=trials or 1000, on_trial=on_trial)
    if name == "published":
        from gptkit.bench.published_laws import published_laws

        assert data is not None
        return published_laws(data, draws=trials or 100, on_draw=on_trial)
    from gptkit.bench.calibration import calibrate as calibrate_verdict

    return calibrate_verdict(trials=trials or 2000, copies=copies or 600, on_trial=on_trial)
