"""Write the command line that runs an experiment again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from gptkit.plan.experiment_config import RECIPE_FIELDS, ExperimentConfig, Options
from gptkit.plan.ladder import STAGES
from gptkit.plan.options_file import NOT_OF_LECTURE_LADDER
from gptkit.results.schema import Results


def command_line(results: Results) -> str | None:
    """Return the command; None for a text or recipes that were given as objects."""
    config = results.experiment
    if config.data is None or (isinstance(config.models, Mapping) and results.ladder is None):
        return None
    options = given_options(config)
    words = ["gptkit", "compare"]
    if results.ladder is not None:
        options.pop("models", None)
        if set(options) & set(NOT_OF_LECTURE_LADDER):
            return None
        words = ["gptkit", "lecture", "ladder"]
        if len(config.models) < len(STAGES):
            options["stages"] = tuple(config.models)
        if results.ladder != "cpu":
            options["preset"] = results.ladder
    return " ".join(map(quote, [*words, *option_words(options)]))


def option_words(options: Options) -> list[str]:
    """Write options as the words of a command line.

    >>> option_words({"tokenizers": ("char", "gpt2"), "context_bytes": 64, "tune": True})
    ['--tokenizers', 'char,gpt2', '--context-bytes', '64', '--tune']
    """
    words = []
    for name, value in options.items():
        words.append(f"--{name.replace('_', '-')}")
        words += [] if value is True else [spell(value)]
    return words


def quote(word: str) -> str:
    r"""Quote a word for a shell; control characters are escaped, as bash and zsh take them.

    >>> print(quote("to be"), quote("it's\n"))
    'to be' $'it\'s\U0000000a'
    """
    if word.isprintable():
        return shlex.quote(word)
    quoted = word.replace("\\", r"\\").replace("'", r"\'")
    shown = (c if c.isprintable() else rf"\U{ord(c):08x}" for c in quoted)
    return f"$'{''.join(shown)}'"


def given_options(config: ExperimentConfig) -> Options:
    """Return the options that differ from their defaults, and always the tokenizers.

    A budget, a context or a step that equals the recipes' own is left out.
    """
    untouched = ExperimentConfig(models=config.models, match=config.match).resolved(None)
    options: Options = {}
    for f in fields(ExperimentConfig):
        value = getattr(config, f.name)
        defaults = [f.default, *([getattr(untouched, f.name)] if f.name in RECIPE_FIELDS else [])]
        if f.name == "tokenizers" or value not in defaults:
            options[f.name] = value
    return options


def spell(value: Any) -> str:
    """Write a value as the command line takes it."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
