"""The options of an experiment, each declared once.

A field's metadata has its help text and how the command line spells it. The options of
`gptkit compare`, the keys of a TOML file and the "run this again" line of a report all come from
here.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeAlias

from gptkit.config import Recipe, check_folders, split_shares
from gptkit.errors import ConfigError, check_known, check_types
from gptkit.plan.budget import DEFAULT_TIME_BUDGET, seconds_of, steps_of
from gptkit.plan.execution_config import ExecutionConfig, check_folder_name
from gptkit.plan.option import option
from gptkit.plan.recipes import RECIPES

Options: TypeAlias = dict[str, Any]  # by field, as a command line or a TOML file gives them

MATCH_NAMES = ("bytes", "tokens", "flops", "params", "time")
PERTURBATION_NAMES = ("typos", "case", "spaces", "unicode", "digits")
UNTIL = ("decided",)
MAX_SEEDS = 1000
MAX_SEQUENTIAL_SEEDS = 100  # with a look after each
MAX_COUNT = 10_000_000_000  # bytes, of a context or a step
COUNTS = (
    *("seeds", "max_seeds", "context_bytes", "bytes_per_step", "evaluations", "sample_bytes"),
    *("stride_bytes", "top_k"),
)
RECIPE_FIELDS = ("budget", "context_bytes", "bytes_per_step", "evaluations")  # None: the recipe's


@dataclass(frozen=True, kw_only=True)
class ExperimentConfig:
    """What to compare: tokenizers x models x seeds on one corpus.

    Attributes:
        tokenizers: specs for `get_tokenizer`, or names of objects that are given.
        models: names of recipes in `gptkit.plan.recipes.RECIPES`, or recipes by name.
        data: a corpus for `load_corpus`; None for tinyshakespeare, or python-docs if it cannot be
            downloaded.
        budget: training text per arm ("600KB") or steps ("300steps"); matched by time, seconds
            ("20s"). None for each recipe's own.
        split: the training share of the characters, the rest being val; or the shares of train,
            val and test. With a test text, val chooses each arm's weights and test gives the
            reported loss.
        prompt: text that samples continue; None for a line break or, if the text has none or a
            tokenizer drops it, the text's first character or word.
    """

    tokenizers: tuple[str, ...] = option(
        ("char", "gpt2"),
        "Tokenizers, separated by commas: char, byte, gpt2, bpe:1024, unigram:N, wordpiece:N, a "
        "file or folder, hf:OWNER/NAME, a plug-in. NAME=SPEC names one.",
        short="-t",
    )
    models: tuple[str, ...] | dict[str, Recipe] = option(
        ("bigram", "decoder"),
        "Recipes, separated by commas: bigram, decoder, gpt2, qwen3, lecture, large, fast. fast "
        "favours small vocabularies: on 300 kB of technical text it takes 0.30 bits per byte off "
        "char+bytes and adds 0.05 to bpe:4096.",
        short="-m",
    )
    data: str | None = option(
        None,
        "Text: tinyshakespeare, python-docs, a file, folder or glob, hf:NAME, or markov:ORDER. "
        "Several with commas between them, or texts:FOLDER, are trained on together and scored "
        "each by itself.",
        shown="tinyshakespeare; python-docs if it cannot be downloaded",
        short="-d",
    )
    match: str = option(
        "bytes", "What is made equal across tokenizers: bytes, tokens, flops, params or time."
    )
    budget: str | None = option(
        None,
        "Training per arm: text as in 2MB, steps as in 600steps, or with --match time seconds as "
        "in 60s.",
        shown="the recipe's, 600KB; 20s with --match time",
    )
    seeds: int = option(1, "Number of seeds; 5 give a verdict with intervals.")
    until: str | None = option(
        None,
        "decided: add seeds until the best tokenizer is known, at an error rate of 5 %.",
        shown="all seeds are trained",
    )
    max_seeds: int = option(12, "The most seeds that --until adds up to.")
    tune: bool = option(False, "First choose learning rates by short trials.", flag=True)
    context_bytes: int | None = option(
        None, "How far back a model sees, in bytes of text.", shown="the recipe's, 160"
    )
    bytes_per_step: int | None = option(
        None, "Training text per step, in bytes.", shown="the recipe's, 1024"
    )
    evaluations: int | None = option(
        None, "Number of evaluations of val during a training.", shown="the recipe's, 4"
    )
    split: float | tuple[float, ...] = option(
        0.9,
        "Training share of the characters, the rest being val; or the shares of train, val and "
        "test, as in 0.9,0.05,0.05. With a test text, the reported loss is from it.",
    )
    stride_bytes: int | None = option(
        None, "Distance between evaluation windows, in bytes.", shown="the context"
    )
    lossy_ok: bool = option(
        False, "Run tokenizers that lose bytes too; their loss includes what they lose.", flag=True
    )
    marginal: bool = option(
        False,
        "Also estimate the loss over all tokenizations: what the canonical one costs.",
        flag=True,
    )
    perturb: tuple[str, ...] = option(
        (),
        "Also score the models on a perturbed text: typos, case, spaces, unicode, digits, "
        "separated by commas.",
        shown="none",
    )
    prompt: str | None = option(None, "Text that samples continue.", shown="a line break")
    sample_bytes: int = option(300, "Length of a sample, in bytes.")
    temperature: float = option(1.0, "Sampling temperature.")
    top_k: int | None = option(None, "Sample from the k likeliest tokens.", shown="all")

    def __post_init__(self) -> None:
        check_types(self, but=("tokenizers", "models", *COUNTS))
        for name in ("tokenizers", "models", "perturb"):
            given = getattr(self, name)
            if isinstance(given, str) or not isinstance(given, Sequence | Mapping):
                raise ConfigError(
                    f"{name} is {given!r}; it must be a list or a dictionary of names."
                )
            if not isinstance(given, Mapping):
                object.__setattr__(self, name, tuple(given))
        if not isinstance(self.split, float):
            object.__setattr__(self, "split", split_shares(self.split))
        _check_names("tokenizers", self.tokenizers)
        _check_names("tokenizers", self.tokenizer_names)
        _check_names("models", self.models)
        for model in self.models:
            if not isinstance(self.models, Mapping):
                check_known("model", model, RECIPES)
            else:
                check_folder_name("model", model)
                if not isinstance(recipe := self.models[model], Recipe):
                    raise ConfigError(
                        f"model {model} is a {type(recipe).__name__}; it must be a Recipe."
                    )
        for name, text in (("data", self.data), ("prompt", self.prompt)):
            check_utf8(name, text)
        for tokenizer in self.tokenizers:
            check_utf8("tokenizers", tokenizer)
        check_folders(self.tokenizer_names, self.models)
        check_known("way to match", self.match, MATCH_NAMES)
        self._check_until()
        for kind in self.perturb:
            check_known("perturbation", kind, PERTURBATION_NAMES)
        split_shares(self.split)
        for name in COUNTS:
            value = getattr(self, name)
            most = MAX_SEEDS if name in ("seeds", "max_seeds") else MAX_COUNT
            if value is None and self.__dataclass_fields__[name].default is None:
                continue
            if type(value) is not int or not 1 <= value <= most:
                raise ConfigError(
                    f"{name} is {value}; it must be a whole number from 1 to {most:,}."
                )
        for recipe in self.recipes().values():
            if self.stride_bytes is not None and self.stride_bytes > recipe.context_bytes:
                raise ConfigError(
                    f"stride_bytes is {self.stride_bytes}, more than context_bytes "
                    f"{recipe.context_bytes}: text between the windows would not be scored."
                )
            if self.seconds() is None:
                steps_of(recipe.budget, bytes_per_step=recipe.bytes_per_step)
        if not 0 < self.temperature < math.inf:
            raise ConfigError(f"temperature is {self.temperature}; it must be positive and finite.")
        if self.prompt == "":
            raise ConfigError("the prompt is empty; a sample needs a character to continue.")

    def _check_until(self) -> None:
        if self.until is None:
            if self.max_seeds != ExperimentConfig.max_seeds:
                raise ConfigError(
                    f"max_seeds is {self.max_seeds}, but only until='decided' adds seeds. Give "
                    "that too, or seeds."
                )
            return
        check_known("way to stop", self.until, UNTIL)
        if len(self.tokenizers) < 2:
            raise ConfigError("there is nothing to decide: give at least two tokenizers.")
        if not self.first_seeds < self.max_seeds <= MAX_SEQUENTIAL_SEEDS:
            raise ConfigError(
                f"max_seeds is {self.max_seeds}; with until='decided' it must be above the first "
                f"{self.first_seeds} seeds, and at most {MAX_SEQUENTIAL_SEEDS}."
            )

    @property
    def first_seeds(self) -> int:
        """How many seeds are trained before the first look: all, unless `until` is given."""
        return self.seeds if self.until is None else max(2, self.seeds)

    @property
    def most_seeds(self) -> int:
        """How many seeds may be trained."""
        return self.seeds if self.until is None else self.max_seeds

    @property
    def n_pairs(self) -> int:
        """How many verdicts there are: pairs of tokenizers, under each model."""
        n = len(self.tokenizers)
        return len(self.models) * n * (n - 1) // 2

    @property
    def tokenizer_names(self) -> tuple[str, ...]:
        """The tokenizers' names in tables: their aliases, or their whole specs."""
        from gptkit_tokenizers.spec import spec_name

        return tuple(map(spec_name, self.tokenizers))

    def recipes(self) -> dict[str, Recipe]:
        """Return the recipes by name; text fields that the user gave replace the recipes' own."""
        named = self.models
        if not isinstance(named, Mapping):
            named = {name: RECIPES[name]() for name in named}
        given = {name: getattr(self, name) for name in RECIPE_FIELDS}
        if self.match == "time":
            del given["budget"]
        given = {name: value for name, value in given.items() if value is not None}
        return {name: replace(recipe, **given) for name, recipe in named.items()}

    def seconds(self) -> float | None:
        """Return the seconds of training per arm if matched by time, else None."""
        return seconds_of(self.budget or DEFAULT_TIME_BUDGET) if self.match == "time" else None

    def resolved(self, data: str | None) -> ExperimentConfig:
        """Fill in the corpus's name, and the text fields on which the recipes agree."""
        common = {name: common_value(self.recipes().values(), name) for name in RECIPE_FIELDS}
        if self.match == "time":
            common["budget"] = self.budget or DEFAULT_TIME_BUDGET
        return replace(self, data=data, **common)


PRESETS: dict[str, Options] = {
    "cpu": {},
    "gpu": {
        "models": ("bigram", "large"),
        "budget": "12MB",
        "context_bytes": 256,
        "bytes_per_step": 16_384,
    },
}
"""Fields of ExperimentConfig for a machine, where they differ from its defaults."""


def common_value(recipes: Iterable[Recipe], name: str) -> Any:
    """Return the value of a field that all recipes have, or None if they differ.

    >>> common_value([RECIPES["bigram"](), RECIPES["decoder"]()], "budget")
    '600KB'
    """
    values = {getattr(recipe, name) for recipe in recipes}
    return values.pop() if len(values) == 1 else None


def split_options(options: Mapping[str, Any]) -> tuple[ExperimentConfig, ExecutionConfig]:
    """Make both configs from one set of options.

    Raises:
        ConfigError: an option is unknown, or its value cannot be used.
    """
    what = {f.name for f in fields(ExperimentConfig)}
    how = {f.name for f in fields(ExecutionConfig)}
    for name in options:
        check_known("option", name, what | how)
    return (
        ExperimentConfig(**{k: v for k, v in options.items() if k in what}),
        ExecutionConfig(**{k: v for k, v in options.items() if k in how}),
    )


def find_unknown(given: Any, config: Any) -> str | None:
    """Return the first key of `given` that is no field of the config made from it, or None.

    msgspec ignores such keys in dataclasses.
    """
    if is_dataclass(config) and isinstance(given, Mapping):
        names = {f.name for f in fields(config)}
        if unknown := [key for key in given if key not in names]:
            return str(unknown[0])
        pairs = [(value, getattr(config, name)) for name, value in given.items()]
    elif isinstance(config, Mapping) and isinstance(given, Mapping):
        pairs = [(value, config[name]) for name, value in given.items()]
    else:
        pairs = []
    return next((key for pair in pairs if (key := find_unknown(*pair))), None)


def check_utf8(option: str, text: str | None) -> None:
    """Raise a ConfigError for a text that is not UTF-8, such as the name of an old file."""
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        raise ConfigError(
            f"{option} is {text!r}, which is not UTF-8, so it cannot be recorded.\nRename the file."
        ) from None


def to_command_line(message: str) -> str:
    """Rewrite the Python arguments in a message as the command line spells them.

    >>> to_command_line('Give seeds=5, prompt="TEXT" or lossy_ok=True.')
    'Give --seeds 5, --prompt TEXT or --lossy-ok.'
    >>> to_command_line("Give match='time' or tune=False.")
    'Give --match time or no --tune.'
    """
    own = [f.name for config in (ExperimentConfig, ExecutionConfig) for f in fields(config)]
    names = "|".join([*own, "context", "to"])

    def spell(match: re.Match[str]) -> str:
        flag, value = f"--{match[1].replace('_', '-')}", match[2].strip("\"'")
        if value in ("True", "False"):
            return flag if value == "True" else f"no {flag}"
        return f"{flag} {value}"

    values = r"""True|False|[0-9]+|"[^"\n]*"|'[^'\n]*'"""
    return re.sub(rf"\b({names})=({values})", spell, message)


def _check_names(name: str, values: Sequence[str] | Mapping[str, Any]) -> None:
    if not values:
        raise ConfigError(f"{name} is empty; give at least one.")
    if odd := [value for value in values if not isinstance(value, str)]:
        raise ConfigError(
            f"{name} has a {type(odd[0]).__name__} where a name belongs.\n"
            "Give objects by name, as in {'mine': recipe}."
        )
    if len(set(values)) < len(values):
        raise ConfigError(f"{name} has a name twice: {', '.join(values)}.")
