"""What commands that run an experiment share: progress, the cost, and where results go."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import typer

from gptkit.errors import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable

    from gptkit.experiment import Experiment
    from gptkit.results.result import Result


def listed(names: str) -> list[str]:
    return [name.strip() for name in names.split(",") if name.strip()]


def carry_out(
    make: Callable[[], Experiment],
    show: Callable[[Result], None],
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Make an experiment and run it, or say what it would cost; show its result, or print JSON."""
    from rich.console import Console

    from gptkit.cli.progress import encode_shown, run_live, run_plain

    err = Console(stderr=True, highlight=False)
    live = sys.stdout.isatty() and sys.stderr.isatty()
    with err.status("Loading PyTorch, the text and the tokenizers") if live else nullcontext():
        experiment = make()
    encode_shown(experiment, err, live=live)
    with err.status("Making the plan") if live else nullcontext():
        experiment.plan()
        cost = experiment.cost() if dry_run else None
    if cost is not None:
        _print_cost(cost, as_json=as_json)
        return
    try:
        result = run_live(experiment, err) if live else run_plain(experiment)
    except Stopped as stopped:
        kept = stopped.folder
        says = f"finished arms are in {kept}; to go on, add --resume --name {kept.name}"
        typer.echo(f"stopped; {says if kept.exists() else 'no arm was finished'}", err=True)
        raise typer.Exit(130) from None
    if as_json:
        typer.echo(json.dumps(result.to_dict()))
    else:
        show(result)


def _print_cost(cost: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(cost))
        return
    from rich.console import Console

    from gptkit.report.terminal import cost_note, cost_table

    console = Console(highlight=False)
    console.print(cost_table(cost))
    console.print(cost_note(cost), markup=False)
