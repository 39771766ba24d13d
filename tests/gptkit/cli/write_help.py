"""Write what `--help` prints for each command to `help/`, beside this file.

    python tests/gptkit/cli/write_help.py

`test_help.py` compares these files with what the commands print. Run this after a change of the
options that is meant, or with another version of typer or rich, and read the difference.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import typer.rich_utils
from typer.testing import CliRunner

from gptkit.cli import app
from gptkit.cli.commands import LateCommand

FOLDER = Path(__file__).parent / "help"
PLAIN = {"COLUMNS": "80", "TERM": "dumb", "NO_COLOR": "1", "FORCE_COLOR": None}


def commands() -> Iterator[tuple[str, ...]]:
    """The words after `gptkit` of every command, of groups too, and first of none."""

    def below(command: typer.core.TyperCommand, words: tuple[str, ...]) -> Iterator[tuple]:
        yield words
        command = command.load() if isinstance(command, LateCommand) else command
        for name, inner in sorted(getattr(command, "commands", {}).items()):
            yield from below(inner, (*words, name))

    yield from below(typer.main.get_command(app), ())


def help_texts() -> dict[str, str]:
    """The help of each command at 80 columns, without colour, by the name of its file."""
    texts = {}
    with patch.object(typer.rich_utils, "FORCE_TERMINAL", None):
        for words in commands():
            done = CliRunner().invoke(
                app, [*words, "--help"], prog_name="gptkit", env=PLAIN, catch_exceptions=False
            )
            name = "-".join(words) or "gptkit"
            lines = (line.rstrip() for line in done.stdout.strip().splitlines())
            texts[f"{name}.txt"] = "\n".join(lines) + "\n"
    return texts


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.txt"):
        old.unlink()
    for name, text in help_texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
