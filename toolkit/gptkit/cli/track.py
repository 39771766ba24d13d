"""gptkit track: a finished experiment told to a tracker."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gptkit.cli.options import split_names


def track(
    experiment: Annotated[
        Path, typer.Argument(help="Folder of an experiment, as in runs/char-vs-gpt2.")
    ],
    to: Annotated[
        str,
        typer.Option("--to", help="Trackers: tensorboard, wandb, mlflow, trackio; with commas."),
    ],
) -> None:
    """Tell trackers of an experiment's finished arms: curves, configs and results."""
    from gptkit.errors import ConfigError
    from gptkit.trackers.replay import replay
    from gptkit.trackers.tracker import find_trackers

    makers = find_trackers(split_names(to))
    if not makers:
        raise ConfigError("--to is empty; give at least one tracker.")
    for name, make in makers.items():
        n = replay(experiment, name, make)
        typer.echo(f"{name} has {n} {'arm' if n == 1 else 'arms'} of {experiment}")
