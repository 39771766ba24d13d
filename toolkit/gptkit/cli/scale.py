"""gptkit scale: at which budget does the ranking flip, and can that be known?"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Annotated, Any

import typer

from gptkit.cli.config_options import is_given, with_config_options
from gptkit.cli.log import is_follower, log
from gptkit.cli.options import Cluster, ConfigFile, DryRun, PrintConfig
from gptkit.plan.experiment_config import Options
from gptkit.plan.options_file import NOT_OF_SCALE, merge_options, read_options, to_toml


@with_config_options(
    without=NOT_OF_SCALE,
    defaults={"models": "decoder", "seeds": "3", "evaluations": "1"},
    shown={"budget": "the recipe's, 600KB; of the top rung"},
)
def scale(
    given: Options,
    *,
    ctx: typer.Context,
    rungs: Annotated[int, typer.Option(help="Number of rungs, from 3 to 12.")] = 4,
    factor: Annotated[float, typer.Option(help="From each rung to the next.")] = 2.0,
    axis: Annotated[
        str,
        typer.Option(help="What grows: bytes of text, params (the model's width), or both."),
    ] = "bytes",
    extrapolate: Annotated[
        float,
        typer.Option(help="How far crossovers are looked for, in times of the largest rung."),
    ] = 10.0,
    config: ConfigFile = None,
    print_config: PrintConfig = False,
    dry_run: DryRun = False,
    cluster: Cluster = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print scale.json, or what --dry-run estimates.")
    ] = False,
) -> None:
    """Train a ladder of budgets or sizes, and say where the order of the tokenizers flips."""
    from gptkit.cli.run_experiment import nodes_to_plan
    from gptkit.plan.scale import SCALE_DEFAULTS, ScaleConfig, rung_configs

    nodes = nodes_to_plan(cluster, dry_run=dry_run)
    own: Options = {"rungs": rungs, "factor": factor, "axis": axis, "extrapolate": extrapolate}
    file = {} if config is None else read_options(config, ScaleConfig)
    of_file = {name: file.pop(name) for name in own if name in file}
    steps = ScaleConfig(**of_file | {n: value for n, value in own.items() if is_given(ctx, n)})
    configs = merge_options(SCALE_DEFAULTS, file, given)
    if is_follower() and (print_config or dry_run):
        return
    if print_config:
        typer.echo(to_toml(*configs, steps), nl=False)
        return
    experiment, execution = configs
    if execution.resume and not execution.claim:
        from gptkit.engines.experiment_folder import find_folder

        find_folder(experiment.tokenizer_names, execution)
    rung_configs(experiment, steps)
    _run(steps, configs, dry_run=dry_run, nodes=nodes, as_json=as_json)


def _run(steps: Any, configs: Any, *, dry_run: bool, nodes: Any, as_json: bool) -> None:
    from rich.text import Text

    from gptkit.cli.progress import estimate_time, run_live, run_plain
    from gptkit.cli.run_experiment import load, open_consoles, say_stopped

    console, err, live = open_consoles()
    with err.status("Loading PyTorch, the text and the tokenizers") if live else nullcontext():
        from gptkit.engines.torchrun import dismiss
        from gptkit.errors import Stopped
        from gptkit.experiment import ScaleLadder
        from gptkit.files import to_json
        from gptkit.plan.experiment_config import to_command_line
        from gptkit.report.cluster import cluster_table
        from gptkit.report.formatting import printable
        from gptkit.report.scale import cost_table, pair_table, rung_table
        from gptkit.report.scale_strip import strip_table
        from gptkit.report.table import to_rich

    _, execution = configs
    ladder = load(lambda: ScaleLadder.from_configs(steps, *configs), err, live=live, alone=dry_run)
    if dry_run:
        costs = ladder.cost(nodes)
        if as_json:
            typer.echo(to_json(costs), nl=False)
        else:
            console.print(to_rich(cost_table(costs)))
            if nodes:
                console.print(to_rich(cluster_table([*costs.values()])))
        return

    left = estimate_time([*ladder.experiments().values()])

    def run_rung(name: str, experiment: Any) -> Any:
        log.info("rung %s", name)
        return run_live(experiment, err, left) if live else run_plain(experiment, left)

    try:
        result = ladder.run(run_rung=run_rung)
    except Stopped as stopped:
        say_stopped(stopped.folder.parent, execution)
        raise typer.Exit(128 + stopped.number) from None
    dismiss(ladder.group)
    if as_json:
        typer.echo(to_json(result.data), nl=False)
        return
    for says in result.data.says.values():
        console.print(Text(printable(says), style="bold"), "", sep="\n")
    for table in (f(result.data) for f in (rung_table, pair_table, strip_table)):
        console.print(to_rich(table))
    for pair in result.data.crossovers:
        if pair.text is not None:
            console.print(Text(printable(f"{pair.text}, {pair.model}: {pair.says}")))
    for warning in result.data.warnings:
        console.print(Text(f"warning: {printable(to_command_line(warning))}", style="yellow"))
    console.print("For a page with figures:")
    console.print(f"    gptkit report {result.folder} --open", markup=False, soft_wrap=True)
