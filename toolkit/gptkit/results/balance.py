"""What turned out equal across an experiment's arms, and what did not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from gptkit.plan.matching import Plan

LEVEL = 1.01  # the largest of quantities called equal, over the smallest

QUANTITIES: dict[str, Callable[[dict[str, Any]], float]] = {
    "train_bytes": lambda arm: arm["train"]["bytes"],
    "train_tokens": lambda arm: arm["train"]["tokens"],
    "steps": lambda arm: arm["steps"],
    "bytes_per_step": lambda arm: arm["train"]["bytes"] / arm["steps"],
    "context_bytes": lambda arm: arm["context_bytes"],
    "block_size": lambda arm: arm["block_size"],
    "body_params": lambda arm: arm["params"]["body"],
    "total_params": lambda arm: arm["params"]["total"],
    "train_flops": lambda arm: arm["train"]["flops"],
    "seconds": lambda arm: arm["train"]["seconds"],
}


def what_is_equal(plan: Plan, entries: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """`match` of results.json: of each quantity, whether the arms of every model agree within 1 %.

    `equal_by_model` has what is equal under each; `equal`, under all. `spread` has, by model, the
    largest over the smallest, null where the smallest is 0. Seconds are called equal only where
    they were matched, not where they happen to be.
    """
    models = sorted(entries, key=lambda arm: arm["model"])
    spread: dict[str, dict[str, float | None]] = {}
    for model, group in groupby(models, key=lambda arm: arm["model"]):
        arms = list(group)
        spread[model] = {name: _ratio([of(arm) for arm in arms]) for name, of in QUANTITIES.items()}
    by_model = {
        model: [
            name
            for name, ratio in ratios.items()
            if ratio is not None and ratio <= LEVEL and (name != "seconds" or plan.by == "time")
        ]
        for model, ratios in spread.items()
    }
    equal = [name for name in QUANTITIES if all(name in names for names in by_model.values())]
    return {
        "by": plan.by,
        "notes": list(plan.notes),
        "equal": equal,
        "unequal": [name for name in QUANTITIES if name not in equal],
        "equal_by_model": by_model,
        "spread": spread,
    }


def _ratio(values: Sequence[float]) -> float | None:
    low, high = min(values), max(values)
    if low == high:
        return 1.0
    return high / low if low else None
