"""gptkit compare: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gptkit.cli.options import (
    Data,
    Device,
    DryRun,
    Jobs,
    Match,
    Name,
    Out,
    ResultsJson,
    Resume,
    Seeds,
    Tokenizers,
)

if TYPE_CHECKING:
    from gptkit.experiment import Experiment
    from gptkit.results.result import Result


def compare(
    tokenizers: Tokenizers = "char,gpt2",
    models: Annotated[
        str | None,
        typer.Option(
            "--models",
            "-m",
            help="Recipes: bigram, decoder, gpt2, qwen3, lecture, large, fast. "
            "fast favours small vocabularies: on 300 kB of technical text it takes 0.27 bits per "
            "byte off char+bytes and adds 0.04 to bpe:4096.",
            show_default="bigram,decoder",
        ),
    ] = None,
    recipe: Annotated[
        str,
        typer.Option(help="cpu, or gpu: the large decoder, 12MB in steps of 16 kB, context 256."),
    ] = "cpu",
    data: Data = None,
    match: Match = "bytes",
    budget: Annotated[
        str | None,
        typer.Option(
            help="Training text per arm, as in 2MB, steps, as in 600steps, or, matched by time, "
            "seconds, as in 60s.",
            show_default="600KB, or 20s",
        ),
    ] = None,
    seeds: Seeds = 1,
    tune: Annotated[
        bool, typer.Option("--tune", help="Choose learning rates by short trials first.")
    ] = False,
    context_bytes: Annotated[
        int | None, typer.Option(help="How far back a model sees.", show_default="160")
    ] = None,
    bytes_per_step: Annotated[
        int | None, typer.Option(help="Text per training step.", show_default="1024")
    ] = None,
    split: Annotated[
        str,
        typer.Option(
            help="The training share of the characters, or those of train, val and test, as in "
            "0.9,0.05,0.05: then the claim is from test."
        ),
    ] = "0.9",
    stride_bytes: Annotated[
        int | None,
        typer.Option(help="Between evaluation windows.", show_default="the context"),
    ] = None,
    lossy_ok: Annotated[
        bool,
        typer.Option(
            "--lossy-ok", help="Run tokenizers that lose bytes, charged for what they lose."
        ),
    ] = False,
    prompt: Annotated[
        str | None, typer.Option(help="What samples go on from.", show_default="a line break")
    ] = None,
    sample_bytes: Annotated[int, typer.Option(help="Text per sample.")] = 300,
    temperature: Annotated[float, typer.Option(help="Of the samples.")] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Sample from the k likeliest tokens.")] = None,
    out: Out = Path("runs"),
    name: Name = None,
    resume: Resume = False,
    device: Device = "auto",
    jobs: Jobs = None,
    dry_run: DryRun = False,
    as_json: ResultsJson = False,
) -> None:
    """Train the same models on the same text under each tokenizer, and compare bits per byte."""
    from gptkit.cli.experiment import carry_out, listed

    def make() -> Experiment:
        from gptkit.experiment import Experiment

        return Experiment(
            tokenizers=listed(tokenizers),
            data=data,
            match=match,
            seeds=seeds,
            tune=tune,
            split=_shares(split),
            stride_bytes=stride_bytes,
            lossy_ok=lossy_ok,
            prompt=prompt,
            sample_bytes=sample_bytes,
            temperature=temperature,
            top_k=top_k,
            out=out,
            name=name,
            resume=resume,
            device=device,
            jobs=jobs,
            **_by_recipe(
                recipe,
                match,
                models=None if models is None else listed(models),
                budget=budget,
                context_bytes=context_bytes,
                bytes_per_step=bytes_per_step,
            ),
        )

    carry_out(make, _print, dry_run=dry_run, as_json=as_json)


def _by_recipe(recipe: str, match: str, **asked: Any) -> dict[str, Any]:
    """What was asked, and the recipe's where it was not."""
    from gptkit.errors import ConfigError
    from gptkit.plan.recipes import PRESETS

    if recipe not in PRESETS:
        raise ConfigError(f"there is no recipe {recipe!r}.\nThere are: {', '.join(PRESETS)}.")
    preset = dict(PRESETS[recipe])
    if match == "time":
        preset.pop("budget", None)
    return preset | {name: value for name, value in asked.items() if value is not None}


def _shares(split: str) -> float | tuple[float, ...]:
    from gptkit.errors import ConfigError

    try:
        shares = tuple(map(float, split.split(",")))
    except ValueError:
        raise ConfigError(
            f"split {split!r} is not a share or shares, as in 0.9 or 0.9,0.05,0.05."
        ) from None
    return shares[0] if len(shares) == 1 else shares


def _print(result: Result) -> None:
    from rich.console import Console

    from gptkit.report.formatting import printable
    from gptkit.report.terminal import (
        loss_table,
        match_table,
        model_table,
        sample_table,
        span_table,
        vocabulary_table,
    )
    from gptkit.results.summary import headline, main_verdicts, verdict_note

    console = Console(highlight=False)
    data = result.to_dict()
    draw = (loss_table, model_table, vocabulary_table, match_table, span_table, sample_table)
    tables = (table(data) for table in draw)
    console.print(*(table for table in tables if table is not None), sep="\n")
    verdicts = main_verdicts(data)
    for verdict in verdicts:
        console.print(printable(verdict["says"]), markup=False)
    if more := len(result.verdict) - len(verdicts):
        console.print(f"… and {more} more pairs, in the report.")
    if note := verdict_note(data):
        console.print(note, style="dim")
    for warning in data["warnings"]:
        console.print(f"warning: {printable(warning)}", markup=False, style="yellow")
    console.print(headline(data), markup=False, style="bold")
    console.print(f"Written to {result.folder}", markup=False)
