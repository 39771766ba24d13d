"""gptkit stress: kill commands, mutate files, and encode random texts, and see what survives."""

from __future__ import annotations

import shlex
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gptkit.cli.options import Json
from gptkit.errors import check_known

if TYPE_CHECKING:
    from gptkit.results.stress_schema import Durability

NAMES = ("kills", "files", "texts")
COUNTS = {"kills": 200, "files": 10_000, "texts": 1_000_000}


def stress(
    name: Annotated[
        str,
        typer.Argument(
            help="kills: commands are killed and run again. files: mutated files are read. "
            "texts: random texts are encoded and decoded."
        ),
    ],
    count: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Number of kills, of files of each kind, or of texts for each tokenizer.",
            show_default="200; files 10000; texts 1000000",
        ),
    ] = None,
    only: Annotated[
        str | None,
        typer.Option(
            help="Only this command, this kind of file, or this tokenizer.", show_default="all"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of all that is drawn.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Folder for report.md and results.json.")] = None,
    as_json: Json = False,
) -> None:
    """Kill commands, damage files and draw texts at random, and show what survives."""
    from rich.console import Console
    from rich.progress import Progress

    from gptkit.files import to_json, write_json, write_text
    from gptkit.report.durability import durability_page

    check_known("stress", name, NAMES)
    n = count or COUNTS[name]
    console = Console(stderr=True, emoji=False)
    with (
        tempfile.TemporaryDirectory(prefix="gptkit-stress-") as folder,
        Progress(console=console) if sys.stderr.isatty() else nullcontext() as progress,
    ):
        task = progress.add_task(name, total=None) if progress else None

        def on_done() -> None:
            if progress and task is not None:
                progress.advance(task)

        found = _run(name, n, only, seed, Path(folder), on_done)
    page = durability_page(found)
    if out is not None:
        write_text(out / "report.md", page)
        write_json(out / "results.json", found)
    typer.echo(to_json(found) if as_json else page, nl=False)


def _run(
    name: str, n: int, only: str | None, seed: int, folder: Path, on_done: Callable[[], None]
) -> Durability:
    from importlib.metadata import version

    from gptkit.results.stress_schema import Durability

    parts: dict[str, list[Any]] = {"kills": [], "files": [], "texts": []}
    if name == "kills":
        from gptkit.bench.kills import measure_kills

        parts[name] = measure_kills(folder, kills=n, only=only, seed=seed, on_kill=on_done)
    elif name == "files":
        from gptkit.bench.hostile_files import measure_files

        parts[name] = measure_files(folder, files=n, only=only, seed=seed, on_file=on_done)
    else:
        from gptkit.bench.random_texts import measure_texts

        parts[name] = measure_texts(texts=n, only=only, seed=seed)
    again = f"gptkit stress {name} --count {n}" + (f" --only {shlex.quote(only)}" if only else "")
    return Durability(
        gptkit=version("gptkit"),
        command=again,
        kills=parts["kills"],
        files=parts["files"],
        texts=parts["texts"],
    )
