"""gptkit watch: an experiment that runs, seen from another terminal."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from gptkit.report.running import Running

POLL_SECONDS = 0.5


def watch(
    experiment: Annotated[
        Path, typer.Argument(help="Folder of an experiment or a ladder, running or finished.")
    ],
    once: Annotated[
        bool, typer.Option("--once", help="Show the state once; so it is without a terminal.")
    ] = False,
) -> None:
    """Show a running or finished experiment: each arm, its losses, and at the end the answer."""
    from rich.console import Console
    from rich.live import Live

    from gptkit.errors import RunError
    from gptkit.events.log import FILE
    from gptkit.report.running import Running

    logs: dict[Path, Running] = {}

    def look() -> bool:
        """Read what is new; return whether everything has ended."""
        for file in [*experiment.glob(FILE), *sorted(experiment.glob(f"*/{FILE}"))]:
            logs.setdefault(file, Running()).read(file)
        return all(running.status is not None for running in logs.values())

    try:
        ended = look()
    except OSError as error:
        raise RunError(f"{experiment} cannot be read: {error}.") from error
    console = Console(highlight=False, emoji=False)
    if not logs:
        if not (experiment / "results.json").is_file():
            raise RunError(
                f"{experiment} has no {FILE}: it is no experiment, or one of an older version.\n"
                "Give the folder of an experiment, as in runs/char-vs-gpt2."
            )
        ended = True
    if once or not sys.stdout.isatty() or ended:
        if logs:
            console.print(_picture(logs))
    else:
        with Live(console=console, auto_refresh=False) as live:
            while not ended:
                live.update(_picture(logs), refresh=True)
                time.sleep(POLL_SECONDS)
                ended = look()
            live.update(_picture(logs), refresh=True)
    if ended:
        _answer(experiment, console)


def _picture(logs: dict[Path, Running]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    from gptkit.report.formatting import printable
    from gptkit.report.running import running_table
    from gptkit.report.table import to_rich

    parts: list[RenderableType] = []
    for running in logs.values():
        parts.append(Text(printable(running.summary(time.time())), style="bold"))
        if len(logs) == 1 or running.status is None:
            parts.append(to_rich(running_table(running)))
    return Group(*parts)


def _answer(experiment: Path, console: object) -> None:
    from rich.console import Console
    from rich.text import Text

    from gptkit.report.formatting import printable
    from gptkit.report.result import load_result
    from gptkit.report.scale_result import load_scale
    from gptkit.report.sentences import headline

    assert isinstance(console, Console)
    if (experiment / "scale.json").is_file():
        for says in load_scale(experiment).data.says.values():
            console.print(Text(printable(says), style="bold"))
    elif (experiment / "results.json").is_file():
        console.print(Text(headline(load_result(experiment).data), style="bold"))
