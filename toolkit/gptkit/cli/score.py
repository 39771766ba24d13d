"""gptkit score: language models on a text."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

from gptkit.cli.options import Json
from gptkit.errors import ConfigError


def score(
    models: Annotated[
        list[str],
        typer.Argument(
            help="Folders of models in Hugging Face's layout, of exports or of runs, or "
            "hf:OWNER/NAME. NAME=… gives one a name.",
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            "--data",
            "-d",
            help="The text, as for compare; all of it is scored.",
            show_default="an export's own validation text",
        ),
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(
            help="The most context, in tokens.", show_default="the model's, at most 2048", min=1
        ),
    ] = None,
    stride_bytes: Annotated[
        int | None,
        typer.Option(
            help="How far windows advance, in bytes of text.",
            show_default="disjoint windows",
            min=1,
        ),
    ] = None,
    lossy_ok: Annotated[
        bool,
        typer.Option(
            "--lossy-ok", help="Score a model whose tokenizer loses bytes; add the cost of those."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Score language models, other people's or runs, on a text in exact bits per byte."""
    from rich.console import Console

    err = Console(stderr=True, highlight=False, emoji=False)
    with err.status("Loading PyTorch") if sys.stderr.isatty() else nullcontext() as status:
        from gptkit.cli.quiet_transformers import quiet_transformers
        from gptkit.data.corpus import load_text
        from gptkit.export.score import score_models

        named = _names(models)
        text_name, text = (data, load_text(data)) if data else _own_text(list(named.values()))
        quiet_transformers()
        scores = score_models(
            named,
            text,
            text_name=text_name,
            context=context,
            stride_bytes=stride_bytes,
            lossy_ok=lossy_ok,
            on_model=lambda name: status.update(f"Scoring {name}") if status else None,
        )
    if as_json:
        from gptkit.files import to_json

        typer.echo(to_json(scores), nl=False)
        return
    from gptkit.report.formatting import printable
    from gptkit.report.scores import score_table
    from gptkit.report.table import to_rich

    console = Console(highlight=False, emoji=False)
    console.print(to_rich(score_table(scores)))
    for verdict in scores.verdicts:
        console.print(printable(verdict.message), markup=False)


def _names(models: list[str]) -> dict[str, str]:
    """Return the places of the models by name: the given one, or the end of the path."""
    named: dict[str, str] = {}
    for model in models:
        name, equals, place = model.partition("=")
        if not equals or Path(model).exists():
            hub = model.startswith("hf:")
            name, place = model if hub else "/".join(Path(model).absolute().parts[-2:]), model
        if name in named:
            raise ConfigError(f"two models are named {name}. Name one of them: NAME={place}.")
        named[name] = place
    return named


def _own_text(places: list[str]) -> tuple[str, str]:
    """Return the validation text of exports, if all have the same."""
    from gptkit.export.score import read_export

    records = {place: read_export(Path(place).expanduser()) for place in places}
    for place, record in records.items():
        if record is None and not place.startswith("hf:") and not Path(place).exists():
            raise ConfigError(f"there is no folder {place}.")
        if record is None:
            raise ConfigError(
                f'{place} is no export, so it has no text of its own to score.\nGive data="TEXT".'
            )
    if len({record.val_sha256 for record in records.values() if record}) != 1:
        raise ConfigError('these exports have different validation texts.\nGive data="TEXT".')
    path = Path(places[0]).expanduser() / "val.jsonl"
    try:
        return str(path), json.loads(path.read_bytes())["text"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}.\nGive data='TEXT'.") from error
