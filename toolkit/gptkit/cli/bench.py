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
            help="time-to-loss, compact, parallel, generate, encode, sweep or startup; or gpu.",
            show_default="all but gpu",
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

    if name == "gpu":
        _bench_gpu(out, as_json=as_json)
        return
    if name is not None:
        check_known("measurement", name, (*NAMES, "gpu"))
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


def _bench_gpu(out: Path | None, *, as_json: bool) -> None:
    from gptkit.bench.gpu import measure_gpu
    from gptkit.files import to_json, write_json, write_text
    from gptkit.report.gpu_speed import gpu_page

    found = measure_gpu(on_run=lambda what: log.info("measuring %s", what))
    if out is not None:
        write_text(out / "report.md", gpu_page(found))
        write_json(out / "results.json", found)
    typer.echo(to_json(found) if as_json else gpu_page(found), nl=False)
