"""Run an experiment from a command: progress, cost, and output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import typer

from gptkit.cli.log import is_follower, is_quiet
from gptkit.errors import ConfigError, Stopped
from gptkit.plan.cluster import Nodes, parse_cluster
from gptkit.plan.execution_config import ExecutionConfig
from gptkit.plan.experiment_config import ExperimentConfig
from gptkit.plan.options_file import to_toml

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from gptkit.experiment import Experiment, ScaleLadder
    from gptkit.results.schema import Results

T = TypeVar("T", bound="Experiment | ScaleLadder")


def run_and_show(
    config: ExperimentConfig,
    execution: ExecutionConfig,
    *,
    show: Callable[[Results, Console], Sequence[RenderableType]],
    print_config: bool,
    dry_run: bool,
    cluster: str | None,
    as_json: bool,
) -> None:
    """Run an experiment, or only print its config or its cost.

    Args:
        show: makes what is printed of the results, unless they are printed as JSON.
        cluster: nodes that the cost is estimated for, too.
    """
    nodes = nodes_to_plan(cluster, dry_run=dry_run)
    if is_follower() and (print_config or dry_run):
        return
    if print_config:
        typer.echo(to_toml(config, execution), nl=False)
        return
    if execution.resume and not execution.claim:
        from gptkit.engines.experiment_folder import find_folder

        find_folder(config.tokenizer_names, execution)  # before anything is loaded
    from gptkit.cli.progress import estimate_time, run_live, run_plain

    console, err, live = open_consoles()
    with err.status("Loading PyTorch, the text and the tokenizers") if live else nullcontext():
        from gptkit.engines.torchrun import dismiss
        from gptkit.experiment import Experiment
        from gptkit.files import to_json
        from gptkit.report.terminal import costs

    experiment = load(
        lambda: Experiment.from_configs(config, execution), err, live=live, alone=dry_run
    )
    with err.status("Making the plan") if live else nullcontext():
        experiment.untuned_plan()
        cost = experiment.cost(nodes) if dry_run else None
    if cost is not None:
        if as_json:
            typer.echo(to_json(cost), nl=False)
        else:
            for part in costs(cost):
                console.print(part)
        return
    try:
        left = estimate_time([experiment])
        result = run_live(experiment, err, left) if live else run_plain(experiment, left)
    except Stopped as stopped:
        say_stopped(stopped.folder, execution)
        raise typer.Exit(128 + stopped.number) from None
    dismiss(experiment.group)
    if as_json:
        typer.echo(to_json(result.data), nl=False)
    else:
        console.print(*show(result.data, console), sep="\n")
        console.print("For a page with curves and a map of the losses:")
        console.print(f"    gptkit report {result.folder} --open", markup=False, soft_wrap=True)


def nodes_to_plan(cluster: str | None, *, dry_run: bool) -> tuple[Nodes, ...]:
    """Read --cluster, which is for --dry-run only."""
    if cluster is None:
        return ()
    if not dry_run:
        raise ConfigError(
            "--cluster is for --dry-run, and trains nothing. To train on a cluster, give "
            "--engine ray, or --claim on each machine."
        )
    return parse_cluster(cluster)


def open_consoles() -> tuple[Console, Console, bool]:
    """Return consoles for stdout and stderr, and whether progress is drawn."""
    from rich.console import Console

    console, err = (Console(stderr=e, highlight=False, emoji=False) for e in (False, True))
    return console, err, sys.stdout.isatty() and sys.stderr.isatty() and not is_quiet()


def load(make: Callable[[], T], err: Console, *, live: bool, alone: bool) -> T:
    """Make an experiment, join the other processes of torchrun, and encode the text.

    All of them but the first take their part in the work here, and exit.

    Args:
        make: loads the text and the tokenizers.
        alone: whether not to join.
    """
    from gptkit.cli.progress import encode_shown

    with err.status("Loading the text and the tokenizers") if live else nullcontext():
        from gptkit.engines.process_memory import keep_freed_memory
        from gptkit.engines.torchrun import follow, join_group

        keep_freed_memory()
        experiment = make()
        if not alone:
            experiment.group = join_group(experiment.execution)
    if experiment.group.rank:
        follow(experiment.prepare().texts, experiment.group)
        raise typer.Exit
    encode_shown(experiment, err, live=live)
    return experiment


def say_stopped(folder: Path, execution: ExecutionConfig) -> None:
    """Say on stderr how to continue what is in a folder."""
    if folder.exists():
        with_this = "" if execution.claim else f" with --resume --name {folder.name}"
        message = (
            f"what is done is saved in {folder}; to continue, give the same command{with_this}"
        )
    else:
        message = "nothing was done"
    typer.echo(f"stopped; {message}", err=True)
