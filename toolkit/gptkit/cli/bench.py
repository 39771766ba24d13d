"""gptkit bench: how fast, as ratios against named baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gptkit.cli.log import log
from gptkit.cli.options import Json


def bench(
    name: Annotated[
        str | None,
        typer.Argument(
            help="time-to-loss, compact, parallel, generate, encode, sweep, startup, gpu or "
            "cluster.",
            show_default="all but gpu and cluster",
        ),
    ] = None,
    rounds: Annotated[
        int, typer.Option(min=1, help="Number of rounds; each measures the baseline and ours.")
    ] = 5,
    out: Annotated[Path | None, typer.Option(help="Folder for report.md and results.json.")] = None,
    ablations: Annotated[
        bool, typer.Option("--ablations", help="Also train `fast` without each of its choices.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure gptkit's speed against baselines, in alternating runs."""
    from gptkit.bench import NAMES, measure
    from gptkit.bench.measure import machine, tightest
    from gptkit.engines.process_memory import keep_freed_memory
    from gptkit.errors import check_known
    from gptkit.files import to_json, write_json, write_text
    from gptkit.report.speed import markdown
    from gptkit.results.studies import Speed

    if name in ("gpu", "cluster"):
        _bench_study(name, rounds, out, as_json=as_json)
        return
    if name is not None:
        check_known("measurement", name, (*NAMES, "gpu", "cluster"))
    keep_freed_memory()
    rows = []
    for each in NAMES if name is None else (name,):
        log.info("measuring %s, %d rounds", each, rounds)
        rows += [measurement.to_row() for measurement in measure(each, rounds=rounds)]
    found = None
    if ablations:
        from gptkit.bench.ablations import measure_ablations

        log.info("training without each choice of the recipe")
        found = measure_ablations()
    result = Speed(machine=machine(), rounds=rounds, measurements=rows, ablations=found)
    if out is not None:
        write_text(out / "report.md", markdown(result))
        write_json(out / "results.json", result)
    if not as_json:
        typer.echo(markdown(result), nl=False)
    elif name is None:
        typer.echo(to_json(result), nl=False)
    else:
        typer.echo(to_json({"name": name, "tightest": tightest(rows), "parts": rows}), nl=False)


def _bench_study(name: str, rounds: int, out: Path | None, *, as_json: bool) -> None:
    from gptkit.files import to_json, write_json, write_text
    from gptkit.report.studies import study_page
    from gptkit.results.studies import Study

    def say(what: str) -> None:
        log.info("measuring %s", what)

    found: Study
    if name == "gpu":
        from gptkit.bench.gpu import measure_gpu

        found = measure_gpu(on_run=say)
    else:
        from gptkit.bench.cluster import measure_cluster

        found = measure_cluster(rounds=rounds, on_run=say)
    if out is not None:
        write_text(out / "report.md", study_page(found))
        write_json(out / "results.json", found)
    typer.echo(to_json(found) if as_json else study_page(found), nl=False)
