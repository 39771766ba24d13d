"""Run an experiment from a command: progress, cost, and output."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gptkit.cli.log import is_follower, is_quiet
from gptkit.errors import Stopped
from gptkit.plan.execution_config import ExecutionConfig
from gptkit.plan.experiment_config import ExperimentConfig
from gptkit.plan.options_file import to_toml

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from gptkit.results.schema import Results


def run_and_show(
    config: ExperimentConfig,
    execution: ExecutionConfig,
    *,
    show: Callable[[Results, Console], Sequence[RenderableType]],
    print_config: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Run an experiment, or only print its config or its cost.

    Args:
        show: makes what is printed of the results, unless they are printed as JSON.
    """
    if is_follower() and (print_config or dry_run):
        return
    if print_config:
        typer.echo(to_toml(config, execution), nl=False)
        return
    if execution.resume and not execution.claim:
        from gptkit.engines.experiment_folder import find_folder

        find_folder(config.tokenizer_names, execution)  # before anything is loaded
    from rich.console import Console

    from gptkit.cli.progress import encode_shown, estimate_time, run_live, run_plain

    console, err = (
        Console(highlight=False, emoji=False),
        Console(stderr=True, highlight=False, emoji=False),
    )
    live = sys.stdout.isatty() and sys.stderr.isatty() and not is_quiet()
    with err.status("Loading PyTorch, the text and the tokenizers") if live else nullcontext():
        from gptkit.engines.process_memory import keep_freed_memory
        from gptkit.eval.group import ALONE
        from gptkit.experiment import Experiment
        from gptkit.files import to_json
        from gptkit.report.terminal import costs

        keep_freed_memory()
        experiment = Experiment.from_configs(config, execution)
        from gptkit.engines.torchrun import dismiss, follow, join_group

        group = ALONE if dry_run else join_group(execution.device)
    if group.rank:
        follow(experiment.prepare().texts, group)
        return
    experiment.group = group
    encode_shown(experiment, err, live=live)
    with err.status("Making the plan") if live else nullcontext():
        experiment.untuned_plan()
        cost = experiment.cost() if dry_run else None
    if cost is not None:
        if as_json:
            typer.echo(to_json(cost), nl=False)
        else:
            console.print(*costs(cost), sep="\n")
        return
    try:
        left = estimate_time([experiment])
        result = run_live(experiment, err, left) if live else run_plain(experiment, left)
    except Stopped as stopped:
        say_stopped(stopped.folder)
        raise typer.Exit(128 + stopped.number) from None
    dismiss(group)
    if as_json:
        typer.echo(to_json(result.data), nl=False)
    else:
        console.print(*show(result.data, console), sep="\n")
        console.print("For a page with curves and a map of the losses:")
        console.print(f"    gptkit report {result.folder} --open", markup=False, soft_wrap=True)


def say_stopped(folder: Path) -> None:
    """Say on stderr how to continue what is in a folder."""
    if folder.exists():
        message = (
            f"what is done is saved in {folder}; to continue, give the same command with "
            f"--resume --name {folder.name}"
        )
    else:
        message = "nothing was done"
    typer.echo(f"stopped; {message}", err=True)
