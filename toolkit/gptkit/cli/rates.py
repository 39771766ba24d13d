"""gptkit rates: whether a recipe's learning rates favour a tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gptkit.cli.options import Json, split_names


def rates(
    tokenizers: Annotated[
        str,
        typer.Option("--tokenizers", "-t", help="Tokenizers, separated by commas, as for compare."),
    ] = "char,bpe:1024,bpe:4096,gpt2",
    models: Annotated[
        str, typer.Option("--models", "-m", help="Recipes, separated by commas.")
    ] = "decoder,gpt2,qwen3",
    data: Annotated[
        list[str] | None,
        typer.Option(
            "--data",
            "-d",
            help="A text, as for compare; may be repeated. Its validation text is not touched.",
            show_default="tinyshakespeare",
        ),
    ] = None,
    factors: Annotated[
        str, typer.Option(help="Multiples of the recipe's learning rates.")
    ] = "0.5,0.71,1,1.41",
    seeds: Annotated[int, typer.Option(min=1, help="Number of seeds.")] = 3,
    budget: Annotated[
        str | None, typer.Option(help="Training text per arm.", show_default="600KB")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.md and results.json.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder that the runs are written to.")] = Path("runs"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Keep finished runs, and train only the others.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of arms to train at a time; they share the cores.",
            show_default="automatic",
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Train every tokenizer at the same grid of learning rates; show whom a shared rate favours."""
    from gptkit.bench.rates import study_rates
    from gptkit.cli.progress import run_plain
    from gptkit.errors import ConfigError
    from gptkit.files import to_json, write_json, write_text
    from gptkit.report.rates import markdown

    try:
        asked = [float(factor) for factor in split_names(factors)]
    except ValueError:
        raise ConfigError(f"factors {factors!r} are not numbers, as in 0.5,1,2.") from None
    study = study_rates(
        models=split_names(models),
        tokenizers=split_names(tokenizers),
        texts=data or ["tinyshakespeare"],
        factors=asked,
        seeds=seeds,
        budget=budget,
        out=runs,
        resume=resume,
        jobs=jobs,
        run=run_plain,
    )
    if out is not None:
        write_text(out / "report.md", markdown(study))
        write_json(out / "results.json", study)
    typer.echo(to_json(study) if as_json else markdown(study), nl=False)
