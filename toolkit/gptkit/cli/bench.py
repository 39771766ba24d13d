"""gptkit bench: how fast, as ratios against named baselines."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gptkit.cli.options import Json


def bench(
    name: Annotated[
        str | None,
        typer.Argument(
            help="time-to-loss, compact, parallel, generate, encode, sweep or startup.",
            show_default="all",
        ),
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Of baseline and ours, in turns.")] = 5,
    out: Annotated[Path | None, typer.Option(help="A folder for the report of all.")] = None,
    ablations: Annotated[
        bool, typer.Option("--ablations", help="Also train without each choice of the recipe.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure gptkit's speed against baselines, in turns on this machine."""
    import json

    from gptkit.bench import NAMES, measure
    from gptkit.bench.measure import machine, tightest
    from gptkit.errors import ConfigError
    from gptkit.files import write_json, write_text
    from gptkit.report.speed import markdown

    if name is not None and name not in NAMES:
        raise ConfigError(f"there is no measurement {name!r}.\nThere are: {', '.join(NAMES)}.")
    measured = []
    for each in NAMES if name is None else (name,):
        typer.echo(f"measuring {each}, {rounds} rounds", err=True)
        measured += [m.to_dict() for m in measure(each, rounds=rounds)]
    result = {"machine": machine(), "rounds": rounds, "measurements": measured}
    if ablations:
        from gptkit.bench.ablations import measure as without_each

        typer.echo("training without each choice of the recipe", err=True)
        result["ablations"] = without_each()
    if out is not None:
        write_text(out / "report.md", markdown(result))
        write_json(out / "results.json", result)
    if not as_json:
        typer.echo(markdown(result))
    elif name is None:
        typer.echo(json.dumps(result))
    else:
        typer.echo(json.dumps({**tightest(measured), "name": name, "parts": measured}))
