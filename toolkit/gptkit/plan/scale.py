"""A ladder of budgets, of sizes, or of both: the experiment of each rung."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

from gptkit.config import ModelConfig, Recipe
from gptkit.errors import ConfigError, check_known, check_types
from gptkit.plan.budget import read_budget, steps_of
from gptkit.plan.experiment_config import ExperimentConfig, Options, common_value

Axis = Literal["bytes", "params", "both"]
AXES: tuple[Axis, ...] = get_args(Axis)
SCALE_DEFAULTS: Options = {"models": ("decoder",), "seeds": 3, "evaluations": 1}
MIN_RUNGS, MAX_RUNGS = 3, 12
MAX_EPOCHS = 4.0  # of the training text; more repetition bends the curves
FREE_EXTRAPOLATION = 10.0
MAX_EXTRAPOLATION = 1000.0


@dataclass(frozen=True, kw_only=True)
class ScaleConfig:
    """The rungs of a ladder.

    Attributes:
        rungs: how many.
        factor: from each rung to the next, of the training text or of the body's parameters.
        axis: what grows: the training text ("bytes"), the size of the body at one budget
            ("params"), or both by the same factor.
        extrapolate: how far beyond the largest rung crossovers are looked for, in times of it.
    """

    rungs: int = 4
    factor: float = 2.0
    axis: Axis = "bytes"
    extrapolate: float = FREE_EXTRAPOLATION

    def __post_init__(self) -> None:
        check_known("axis", self.axis, AXES)
        check_types(self)
        if not MIN_RUNGS <= self.rungs <= MAX_RUNGS:
            raise ConfigError(
                f"rungs is {self.rungs}; it must be from {MIN_RUNGS} to {MAX_RUNGS}: the top "
                "one is predicted from the others."
            )
        if not 1.2 <= self.factor <= 100:
            raise ConfigError(f"factor is {self.factor:g}; it must be from 1.2 to 100.")
        if not 1 <= self.extrapolate <= MAX_EXTRAPOLATION:
            raise ConfigError(
                f"extrapolate is {self.extrapolate:g}; it must be from 1 to "
                f"{MAX_EXTRAPOLATION:g} times the largest rung."
            )


def rung_configs(config: ExperimentConfig, scale: ScaleConfig) -> dict[str, ExperimentConfig]:
    """Return the experiments of the rungs by folder name, the smallest first.

    Args:
        config: the top rung's.

    Raises:
        ConfigError: the config has one tokenizer or is matched by time, its recipes have different
            budgets, or a rung is too small or like the one below it.
    """
    if len(config.tokenizers) < 2:
        raise ConfigError("a ladder compares tokenizers: give at least two.")
    if config.match == "time":
        raise ConfigError(
            "a ladder of budgets is not matched by time.\nMatch by bytes, tokens or flops."
        )
    if config.until is not None:
        raise ConfigError("a ladder needs equally many seeds at each rung: leave out `until`.")
    recipes = config.recipes()
    per_step = common_value(recipes.values(), "bytes_per_step")
    budget = common_value(recipes.values(), "budget")
    if per_step is None or budget is None:
        raise ConfigError(
            "the models have budgets of their own.\nGive one budget for all, as in budget='600KB'."
        )
    amount, unit = read_budget(budget)
    top_bytes = amount if unit == "bytes" else amount * per_step
    shrinks = [scale.factor ** (i - scale.rungs + 1) for i in range(scale.rungs)]
    configs: dict[str, ExperimentConfig] = {}
    smaller: dict[str, int] = {}  # of the rung below: its steps, and its models' widths
    for number, share in enumerate(shrinks, 1):
        text = round(top_bytes * (share if scale.axis != "params" else 1.0))
        if text < per_step:
            raise ConfigError(
                f"rung {number} of {scale.rungs} would read {text:,} bytes, less than one step of "
                f"{per_step:,}.\nGive a larger budget, fewer rungs or a smaller factor."
            )
        models = config.models
        if scale.axis != "bytes" and share < 1:
            models = {name: _narrowed(name, recipe, share) for name, recipe in recipes.items()}
        name = f"{number}-{size_name(text)}"
        configs[name] = replace(config, models=models, budget=f"{text}B")
        sizes = _grown(configs[name], scale.axis)
        if same := [what for what, size in sizes.items() if size == smaller.get(what)]:
            raise ConfigError(
                f"rungs {number - 1} and {number} of {scale.rungs} would have the same "
                f"{same[0]}, {sizes[same[0]]:,}.\nGive fewer rungs or another factor."
            )
        smaller = sizes
    return configs


def _grown(config: ExperimentConfig, axis: Axis) -> dict[str, int]:
    """Return what must grow from rung to rung: the steps, and the width of each model."""
    sizes = {}
    for name, recipe in config.recipes().items():
        if axis != "params":
            sizes["steps"] = steps_of(recipe.budget, bytes_per_step=recipe.bytes_per_step)
        if axis != "bytes":
            sizes[f"width of {name}"] = recipe.model.n_embd
    return sizes


def size_name(n_bytes: int) -> str:
    """Write a number of bytes for the name of a folder.

    >>> size_name(37_500), size_name(9_600_000), size_name(951_210)
    ('37.5kB', '9.6MB', '951.21kB')
    """
    for size, unit in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if n_bytes >= size:
            return f"{n_bytes / size:g}{unit}"
    return f"{n_bytes}B"


def _narrowed(name: str, recipe: Recipe, share: float) -> Recipe:
    """Return a recipe whose body has about this share of the parameters: they grow as width²."""
    model = recipe.model
    if model.architecture == "bigram":
        raise ConfigError(
            f"{name} has one size, so it has no place on a ladder of sizes.\nLeave it out, or give "
            "axis='bytes'."
        )
    unit = model.n_head * 2  # every head needs an even number of channels
    width = max(unit, round(model.n_embd * math.sqrt(share) / unit) * unit)
    hidden = model.n_hidden
    if hidden is not None:
        hidden = max(1, round(hidden * width / model.n_embd))
    narrow: ModelConfig = replace(model, n_embd=width, n_hidden=hidden)
    return replace(recipe, model=narrow)


def check_epochs(config: ExperimentConfig, train_bytes: int) -> None:
    """Refuse a top rung that reads the training text more than `MAX_EPOCHS` times.

    Repeated text teaches less (Muennighoff et al., "Scaling data-constrained language models",
    2023), so beyond a few epochs a budget is not what the smaller rungs' budgets are.
    """
    for name, recipe in config.recipes().items():
        amount, unit = read_budget(recipe.budget)
        wanted = amount if unit == "bytes" else amount * recipe.bytes_per_step
        if wanted > MAX_EPOCHS * train_bytes:
            raise ConfigError(
                f"the top rung of {name} reads {wanted:,.0f} bytes, {wanted / train_bytes:.1f} "
                f"times the {train_bytes:,} bytes of training text. Beyond {MAX_EPOCHS:g} times, "
                "rungs cannot be compared.\nGive more text, or a smaller budget: "
                f"budget='{MAX_EPOCHS * train_bytes // 1000:.0f}KB'."
            )
