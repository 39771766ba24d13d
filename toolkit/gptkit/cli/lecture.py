"""gptkit lecture: "Let's build GPT", lived through, one idea at a time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gptkit.cli.options import (
    Data,
    Device,
    DryRun,
    Jobs,
    Json,
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

app = typer.Typer(
    help="Walk through the lecture that builds GPT from nothing, under any tokenizer.",
    no_args_is_help=True,
)


@app.command()
def trick(as_json: Json = False) -> None:
    """Show the trick of attention: means as a matrix product, then as a masked softmax."""
    from rich.console import Console

    from gptkit.eval.attention_weights import batch, toy

    small, large = toy(), batch()
    if as_json:
        found = {
            "toy": {name: getattr(small, name).tolist() for name in ("a", "b", "c", "means")},
            "batch": {
                "shape": list(large.by_softmax.shape),
                "largest_difference": large.largest_difference,
                "weights": large.weights.tolist(),
            },
        }
        typer.echo(json.dumps(found))
        return

    from gptkit.report.lecture import batch_steps, toy_steps

    console = Console(highlight=False)
    console.print(toy_steps(small), batch_steps(large))
    console.print("A trained head's weights on your own text: gptkit lecture attention RUN TEXT")


@app.command()
def ladder(
    tokenizers: Tokenizers = "char",
    stages: Annotated[
        str | None,
        typer.Option(help="Some of them alone, separated by commas.", show_default="all"),
    ] = None,
    preset: Annotated[
        str,
        typer.Option(help="Of the stage scaled: the lecture's size for a gpu, small for a cpu."),
    ] = "cpu",
    data: Data = None,
    match: Match = "bytes",
    budget: Annotated[
        str | None,
        typer.Option(
            help="Text, steps or seconds for every stage.", show_default="each stage's own"
        ),
    ] = None,
    seeds: Seeds = 1,
    out: Out = Path("runs/ladder"),
    name: Name = None,
    resume: Resume = False,
    device: Device = "auto",
    jobs: Jobs = None,
    dry_run: DryRun = False,
    as_json: ResultsJson = False,
) -> None:
    """Train the lecture's stages, from the bigram to today's decoder; show what each adds."""
    from gptkit.cli.experiment import carry_out, listed

    def make() -> Experiment:
        from gptkit.experiment import Experiment
        from gptkit.plan.ladder import ladder

        return Experiment(
            tokenizers=listed(tokenizers),
            models=ladder(preset, stages=None if stages is None else listed(stages)),
            data=data,
            match=match,
            budget=budget,
            seeds=seeds,
            out=out,
            name=name,
            resume=resume,
            device=device,
            jobs=jobs,
        )

    carry_out(make, _show_ladder, dry_run=dry_run, as_json=as_json)


@app.command()
def attention(
    run: Annotated[Path, typer.Argument(help="An arm's folder, runs/<experiment>/<arm>.")],
    text: Annotated[str, typer.Argument(help="A line of text; - reads it from standard input.")],
    layer: Annotated[int, typer.Option(min=1, help="Which block's.")] = 1,
    head: Annotated[int, typer.Option(min=1, help="Which of its heads.")] = 1,
    as_json: Json = False,
) -> None:
    """Show what a head of a trained run attends to on a line of text, as a heat map."""
    import torch
    from rich.console import Console

    from gptkit.cli.text_input import read_text
    from gptkit.engines.run_folder import load_run
    from gptkit.errors import ConfigError
    from gptkit.eval.attention_weights import attention_weights
    from gptkit.report.lecture import attention_step, fitting

    trained = load_run(run)
    tokenizer, config = trained.tokenizer, trained.config.model
    text = read_text(text)
    ids = tokenizer.encode(text)
    if not ids:
        raise ConfigError(f"{tokenizer.name} makes no token of {text!r}. Give a line of text.")
    tokens = [_shown(tokenizer.token_bytes(token)) for token in ids]
    console = Console(highlight=False)
    kept = min(config.block_size, len(ids) if as_json else fitting(console.width, tokens))
    if kept < len(ids):
        why = "the model's window" if kept == config.block_size else "the terminal's width"
        typer.echo(f"note: of {len(ids)} tokens the last {kept} are shown: {why}", err=True)
    ids, tokens = ids[-kept:], tokens[-kept:]
    weights = attention_weights(trained.model, torch.tensor(ids))  # (L, H, T, T)
    for name, asked, there in zip(("layer", "head"), (layer, head), weights.shape, strict=False):
        if asked > there:
            raise ConfigError(f"there is no {name} {asked}: {run} has {there}, counted from 1.")
    shown = weights[layer - 1, head - 1]
    if as_json:
        found = {"run": str(run), "layer": layer, "head": head, "tokens": tokens}
        typer.echo(json.dumps(found | {"weights": shown.tolist()}))
        return
    where = f"layer {layer} of {weights.shape[0]}, head {head} of {weights.shape[1]}"
    learned = config.attention == "softmax"
    step = attention_step(shown, tokens, width=console.width, where=where, learned=learned)
    console.print(step)


def _shown(token: bytes) -> str:
    """A token's text, or its bytes where they are part of a character."""
    try:
        return token.decode()
    except UnicodeDecodeError:
        return token.hex()


def _show_ladder(result: Result) -> None:
    from rich.console import Console

    from gptkit.report.formatting import printable
    from gptkit.report.lecture import ladder_table
    from gptkit.report.terminal import sample_table
    from gptkit.results.ladder import SHOWN
    from gptkit.results.summary import headline

    console = Console(highlight=False)
    data = result.to_dict()
    console.print(ladder_table(data))
    console.print(sample_table(data, models=SHOWN))
    for warning in data["warnings"]:
        console.print(f"warning: {printable(warning)}", markup=False, style="yellow")
    console.print(headline(data), markup=False, style="bold")
    verdict = ", with the verdict at each stage" if result.verdict else ""
    console.print(
        f"Written to {result.folder}; gptkit report {result.folder} makes a page of it{verdict}.",
        markup=False,
    )
