"""The commands and their one-line help; a command's module is imported when it is asked for."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

COMMANDS = {
    "compare": "Train the same models on the same text under each tokenizer, and compare bits per "
    "byte.",
    "scale": "Train a ladder of budgets or sizes, and say where the order of the tokenizers flips.",
    "inspect": "Measure tokenizers on a text before any training: compression, speed, and where "
    "they cut.",
    "encode": "Show a text's tokens: id, bytes and text of each.",
    "decode": "Turn ids back into text. A file or a pipe gets the exact bytes.",
    "sample": "Stream text that a trained run writes after a prompt.",
    "report": "Write report.html and report.md with a figure from the results in a folder.",
    "watch": "Show a running or finished experiment: each arm, its losses, and at the end the "
    "answer.",
    "track": "Tell trackers of an experiment's finished arms: curves, configs and results.",
    "export": "Write a trained run for other tools, after a check of its ids and its loss.",
    "score": "Score language models, other people's or runs, on a text in exact bits per byte.",
    "bytes": "Count the true bytes of each id in a text, and check a trainer's table of them.",
    "bench": "Measure gptkit's speed against baselines, in alternating runs.",
    "rates": "Train every tokenizer at the same grid of learning rates; show whom a shared rate "
    "favours.",
    "calibrate": "Check how often what gptkit claims holds, where the truth is known.",
    "stress": "Kill commands, damage files and draw texts at random, and show what survives.",
    "doctor": "Show the installation: versions, device, threads, cache, tokenizers, network.",
    "lecture": "Walk through the lecture that builds GPT from nothing, with any tokenizer.",
    "tokenizer": "Write a tokenizer of your own.",
}


class LateCommand(TyperCommand):
    """A command's name and help; the command itself takes over once there are words to parse."""

    def load(self) -> Any:
        """The command of `gptkit.cli.<name>`: its function of that name, or its Typer `app`."""
        module = import_module(f"gptkit.cli.{self.name}")
        app = getattr(module, "app", None)
        if app is None:
            app = typer.Typer(add_completion=False)
            app.command()(getattr(module, str(self.name)))
            return typer.main.get_command(app)
        return typer.main.get_group(app)

    def make_context(self, *args: Any, **extra: Any) -> Any:
        return self.load().make_context(*args, **extra)


class Commands(TyperGroup):
    """The group of all commands. To add one: a module beside this file, and a line above."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: LateCommand(name, help=line) for name, line in COMMANDS.items()}
