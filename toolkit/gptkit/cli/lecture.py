"""gptkit lecture: "Let's build GPT", lived through, one idea at a time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from gptkit.cli.config_options import with_config_options
from gptkit.cli.log import log
from gptkit.cli.options import (
    Cluster,
    ConfigFile,
    DryRun,
    Full,
    Json,
    Preset,
    PrintConfig,
    ResultsJson,
    split_names,
)
from gptkit.plan.experiment_config import Options
from gptkit.plan.options_file import NOT_OF_LECTURE_LADDER, merge_options, read_options

LADDER_DEFAULTS: Options = {"tokenizers": ("char",), "out": "runs/ladder"}

app = typer.Typer(
    help="Walk through the lecture that builds GPT from nothing, with any tokenizer.",
    no_args_is_help=True,
)


@app.command()
def trick(as_json: Json = False) -> None:
    """Show the trick of attention: means as a matrix product, then as a masked softmax."""
    from rich.console import Console

    from gptkit.models.averaging_trick import batch, toy

    small, large = toy(), batch()
    example = [getattr(small, name).tolist() for name in ("a", "b", "c", "means")]
    shape, weights = list(large.by_softmax.shape), large.weights.tolist()
    if as_json:
        found = {
            "toy": dict(zip(("a", "b", "c", "means"), example, strict=True)),
            "batch": {
                "shape": shape,
                "largest_difference": large.largest_difference,
                "weights": weights,
            },
        }
        typer.echo(json.dumps(found))
        return

    from gptkit.report.lecture import batch_steps, toy_steps

    console = Console(highlight=False, emoji=False)
    console.print(toy_steps(*example), batch_steps(shape, large.largest_difference, weights))
    console.print("A trained head's weights on your own text: gptkit lecture attention RUN TEXT")


@app.command()
@with_config_options(
    without=NOT_OF_LECTURE_LADDER,
    defaults={"tokenizers": "char", "out": "runs/ladder"},
    shown={"budget": "each stage's own"},
)
def ladder(
    given: Options,
    *,
    stages: Annotated[
        str | None,
        typer.Option(help="Some stages only, separated by commas.", show_default="all"),
    ] = None,
    preset: Preset = "cpu",
    config: ConfigFile = None,
    print_config: PrintConfig = False,
    dry_run: DryRun = False,
    cluster: Cluster = None,
    full: Full = False,
    as_json: ResultsJson = False,
) -> None:
    """Train the lecture's stages, from the bigram to today's decoder, and show what each adds.

    With --preset gpu the stage "scaled" has the lecture's own size; else it is small.
    """
    from gptkit.cli.run_experiment import run_and_show
    from gptkit.plan.ladder import ladder as ladder_recipes

    recipes = ladder_recipes(preset, stages=None if stages is None else split_names(stages))
    file = {} if config is None else read_options(config)
    configs = merge_options(LADDER_DEFAULTS, file, given, {"models": recipes})

    def show(results: Any, console: Any) -> Sequence[Any]:
        from gptkit.report import one_screen, terminal

        return terminal.walk(results) if full else [one_screen.walk(results, console)]

    run_and_show(
        *configs,
        show=show,
        print_config=print_config,
        dry_run=dry_run,
        cluster=cluster,
        as_json=as_json,
    )


@app.command()
def attention(
    run: Annotated[Path, typer.Argument(help="An arm's folder, runs/<experiment>/<arm>.")],
    text: Annotated[str, typer.Argument(help="A line of text; - reads it from standard input.")],
    layer: Annotated[int, typer.Option(min=1, help="Block, counted from 1.")] = 1,
    head: Annotated[int, typer.Option(min=1, help="Head of the block, counted from 1.")] = 1,
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
    tokenizer, arm = trained.tokenizer, trained.config
    block_size = arm.schedule.block_size
    text = read_text(text)
    ids = tokenizer.encode(text)
    if not ids:
        raise ConfigError(f"{tokenizer.name} makes no token of {text!r}. Give a line of text.")
    tokens = [_shown(tokenizer.token_bytes(token)) for token in ids]
    console = Console(highlight=False, emoji=False)
    kept = min(block_size, len(ids) if as_json else fitting(console.width, tokens))
    if kept < len(ids):
        why = "the model's window" if kept == block_size else "the terminal's width"
        log.warning("note: only the last %d of %d tokens are shown: %s", kept, len(ids), why)
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
    learned = arm.model.attention == "softmax"
    step = attention_step(shown.tolist(), tokens, width=console.width, where=where, learned=learned)
    console.print(step)


def _shown(token: bytes) -> str:
    """Return a token's text, or its bytes if they are part of a character."""
    try:
        return token.decode()
    except UnicodeDecodeError:
        return token.hex()
