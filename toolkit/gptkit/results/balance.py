"""Find which quantities came out equal across an experiment's arms."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gptkit.results.schema import ArmResult, Match

EQUAL_RATIO = 1.01  # quantities are equal if largest / smallest is at most this

QUANTITIES: dict[str, Callable[[ArmResult], float]] = {
    "train_bytes": lambda arm: arm.train.bytes,
    "train_tokens": lambda arm: arm.train.tokens,
    "steps": lambda arm: arm.steps,
    "bytes_per_step": lambda arm: arm.train.bytes / arm.steps,
    "context_bytes": lambda arm: arm.context_bytes,
    "block_size": lambda arm: arm.block_size,
    "body_params": lambda arm: arm.params.body,
    "total_params": lambda arm: arm.params.total,
    "train_flops": lambda arm: arm.train.flops,
    "seconds": lambda arm: arm.train.seconds,
}


def compare_quantities(by: str, notes: Sequence[str], arms: Sequence[ArmResult]) -> Match:
    """Find the quantities that agree within 1 % across the arms of every model.

    Seconds count as equal only if the arms were matched by time.

    Args:
        by: the quantity by which the arms were matched.
        notes: remarks about the matching for the reader.
    """
    max_over_min: dict[str, dict[str, float | None]] = {}
    for model in sorted({arm.model for arm in arms}):
        group = [arm for arm in arms if arm.model == model]
        max_over_min[model] = {
            name: _max_over_min([of(arm) for arm in group]) for name, of in QUANTITIES.items()
        }
    equal = [
        name
        for name in QUANTITIES
        if (name != "seconds" or by == "time")
        and all(is_equal(ratios[name]) for ratios in max_over_min.values())
    ]
    return Match(
        by=by,
        notes=list(notes),
        equal=equal,
        unequal=[name for name in QUANTITIES if name not in equal],
        max_over_min=max_over_min,
    )


def is_equal(max_over_min: float | None) -> bool:
    """Return whether quantities agree within 1 %. None (the smallest is 0) is not equal."""
    return max_over_min is not None and max_over_min <= EQUAL_RATIO


def _max_over_min(values: Sequence[float]) -> float | None:
    low, high = min(values), max(values)
    if low == high:
        return 1.0
    return high / low if low else None
