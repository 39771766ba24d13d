"""gptkit compare: the main command."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gptkit.cli.config_options import with_config_options
from gptkit.cli.options import Cluster, ConfigFile, DryRun, Full, Preset, PrintConfig, ResultsJson
from gptkit.errors import check_known
from gptkit.plan.experiment_config import PRESETS, Options
from gptkit.plan.options_file import merge_options, read_options


@with_config_options()
def compare(
    given: Options,
    *,
    preset: Preset = "cpu",
    config: ConfigFile = None,
    print_config: PrintConfig = False,
    dry_run: DryRun = False,
    cluster: Cluster = None,
    full: Full = False,
    as_json: ResultsJson = False,
) -> None:
    """Train the same models on the same text under each tokenizer, and compare bits per byte."""
    from gptkit.cli.run_experiment import run_and_show

    check_known("preset", preset, PRESETS)
    file = {} if config is None else read_options(config)
    base = dict(PRESETS[preset])
    if (file | given).get("match") == "time":
        base.pop("budget", None)
    configs = merge_options(base, file, given)

    def show(results: Any, console: Any) -> Sequence[Any]:
        from gptkit.report import one_screen, terminal

        if full:
            return terminal.comparison(results)
        return [one_screen.comparison(results, console)]

    run_and_show(
        *configs,
        show=show,
        print_config=print_config,
        dry_run=dry_run,
        cluster=cluster,
        as_json=as_json,
    )
