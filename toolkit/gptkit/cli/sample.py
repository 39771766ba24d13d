"""gptkit sample: text from a trained run, as it is generated."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from gptkit.cli.options import Json


def sample(
    run: Annotated[Path, typer.Argument(help="An arm's folder, runs/<experiment>/<arm>.")],
    prompt: Annotated[
        str | None, typer.Option(help="Text to continue.", show_default="the run's own prompt")
    ] = None,
    n_bytes: Annotated[
        int, typer.Option("--bytes", min=1, help="Length of the text, in bytes.")
    ] = 500,
    temperature: Annotated[
        float, typer.Option(help="Sampling temperature; below 1 gives safer text.")
    ] = 1.0,
    top_k: Annotated[int | None, typer.Option(help="Sample from the k most likely tokens.")] = None,
    seed: Annotated[int, typer.Option(help="Seed for sampling.")] = 0,
    as_json: Json = False,
) -> None:
    """Stream text that a trained run writes after a prompt."""
    from gptkit.engines.run_folder import load_run
    from gptkit.eval.sampling import stream_text
    from gptkit.report.formatting import printable

    trained = load_run(run)
    if prompt is None:
        prompt = trained.result.samples[0].prompt
    pieces = stream_text(
        trained.model,
        trained.tokenizer,
        prompt,
        max_bytes=n_bytes,
        temperature=temperature,
        top_k=top_k,
        seed=seed,
    )
    if as_json:
        typer.echo(json.dumps({"run": str(run), "prompt": prompt, "text": "".join(pieces)}))
        return
    show = printable if sys.stdout.isatty() else str
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    first = next(pieces, "")  # a prompt that cannot be used must fail before anything is written
    sys.stdout.write(show(prompt) + show(first))
    for piece in pieces:
        sys.stdout.write(show(piece))
        sys.stdout.flush()
    sys.stdout.write("\n")
