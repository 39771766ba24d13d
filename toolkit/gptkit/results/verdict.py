"""Decide which tokenizer is better under each model, by how much, and how certainly."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

import numpy as np

from gptkit.results.byte_losses import (
    ByteLosses,
    block_bits,
    cut_blocks,
    find_stretches,
    shared_borders,
)
from gptkit.results.more import More, plan_more
from gptkit.results.schema import ArmResult, Interval, Stretches, Verdict
from gptkit.results.statistics import (
    ALPHA,
    Difference,
    block_bytes_for,
    holm,
    paired_difference,
)
from gptkit.results.summary import SMALLEST_CLAIM, group_by_model, mean_bits


class Seeded(Protocol):
    """Anything with a seed; arms are paired by it."""

    @property
    def seed(self) -> int: ...


A = TypeVar("A", bound=Seeded)


def judge(
    arms: Sequence[ArmResult],
    losses: Callable[[ArmResult], ByteLosses],
    *,
    level: float = ALPHA,
) -> list[Verdict]:
    """Make a verdict for each model and pair of tokenizers; p-values are corrected for all pairs.

    Args:
        losses: returns an arm's losses on each byte.
        level: a corrected p-value below it is significant.
    """
    pairs = []
    groups = group_by_model(arms)
    for model in dict.fromkeys(arm.model for arm in arms):
        ranked = sorted((g for g in groups if g[0].model == model), key=mean_bits)
        pairs += [(a, b, *compare_arms(a, b, losses)) for a, b in itertools.combinations(ranked, 2)]
    p_values = [difference.p for *_, difference, _ in pairs if difference.p is not None]
    corrected = iter(holm(p_values))
    return [
        _verdict(
            a,
            b,
            difference,
            stretches,
            None if difference.p is None else next(corrected),
            len(pairs),
            level,
        )
        for a, b, difference, stretches in pairs
    ]


def _verdict(
    a: Sequence[ArmResult],
    b: Sequence[ArmResult],
    difference: Difference,
    stretches: Stretches,
    p_holm: float | None,
    n_pairs: int,
    level: float,
) -> Verdict:
    name, other, model = a[0].tokenizer, b[0].tokenizer, a[0].model
    claim = describe(name, difference, p_holm=p_holm, n_seeds=len(a), n_pairs=n_pairs, level=level)
    significant = is_significant(difference, p_holm=p_holm, level=level)
    more = More()
    if significant is False and len(a) > 1:
        more = plan_more(difference, n_seeds=len(a), n_pairs=n_pairs)
        claim = "; ".join(filter(None, [claim, more.describe()]))
    return Verdict(
        a=name,
        b=other,
        model=model,
        delta_bits_per_byte=difference.mean,
        ci95=_interval(difference, difference.half_width),
        ci95_text=_interval(difference, difference.text),
        ci95_seeds=_interval(difference, difference.seeds),
        ci95_both=_interval(difference, difference.both),
        p_holm=p_holm,
        seeds=len(a),
        significant=significant,
        more_seeds=more.seeds,
        more_text=more.text,
        message=f"{name} vs {other} under {model}: {claim}",
        stretches=stretches,
    )


def compare_arms(
    a: Sequence[A], b: Sequence[A], losses: Callable[[A], ByteLosses], *, n: int = 3
) -> tuple[Difference, Stretches]:
    """Compare two tokenizers' arms by seed: the difference b - a, and its extreme stretches."""
    bits, ends = [], np.empty(0, dtype=np.int64)
    for i, (one, other) in enumerate(zip(a, b, strict=True)):
        assert one.seed == other.seed
        a_losses, b_losses = losses(one), losses(other)
        if not i:
            n_bytes = len(a_losses.text)
            ends = cut_blocks(shared_borders(a_losses, b_losses), block_bytes_for(n_bytes))
            a_nats, b_nats = np.zeros((2, n_bytes))
        bits.append(block_bits(b_losses, ends) - block_bits(a_losses, ends))
        a_nats += a_losses.nats / len(a)
        b_nats += b_losses.nats / len(b)
    difference = paired_difference(np.stack(bits), np.diff(ends, prepend=0))
    if a_losses.approximate or b_losses.approximate:
        return difference, Stretches(most=[], least=[])
    mean_a, mean_b = replace(a_losses, nats=a_nats), replace(b_losses, nats=b_nats)
    return difference, find_stretches(mean_a, mean_b, n=n)


def _interval(difference: Difference, half_width: float | None) -> Interval | None:
    if half_width is None:
        return None
    return (difference.mean - half_width, difference.mean + half_width)


def is_significant(
    difference: Difference, *, p_holm: float | None, level: float = ALPHA
) -> bool | None:
    """Return whether the difference is significant: its corrected p-value is below a level.

    None if that cannot be decided: there is one seed, and the text interval excludes zero.
    """
    if p_holm is not None:
        return p_holm < level
    if difference.seeds is not None or difference.text is None:
        return False
    return None if difference.mean > max(difference.text, SMALLEST_CLAIM) else False


def describe(
    a: str,
    difference: Difference,
    *,
    p_holm: float | None,
    n_seeds: int,
    n_pairs: int = 1,
    level: float = ALPHA,
) -> str:
    """Say in words that `a` is better, as far as that can be claimed.

    >>> d = Difference(mean=0.041, text=0.004, seeds=0.006, both=0.005, p=0.001)
    >>> describe("char", d, p_holm=0.003, n_seeds=5)
    'char is better by 0.041 ± 0.006 bits per byte'
    >>> describe("char", d, p_holm=0.07, n_seeds=5, n_pairs=70)
    'cannot be told apart at 5 seeds (0.041 ± 0.006 bits per byte, maybe chance among 70 pairs)'
    """
    if n_seeds == 1:
        doubt = "one seed: no interval across seeds"
        if is_significant(difference, p_holm=None) is False:
            return f"cannot be told apart ({difference.mean:.3f} bits per byte); {doubt}"
        return f"{a} is better by {difference.mean:.3f} bits per byte; {doubt}"
    half = difference.half_width
    if half is None or p_holm is None:
        return "cannot be told apart: the evaluation text is too short for an interval"
    decimals = 3 if half == 0 or half >= SMALLEST_CLAIM else math.ceil(-math.log10(half))
    claim = f"{difference.mean:.{decimals}f} ± {half:.{decimals}f} bits per byte"
    if not is_significant(difference, p_holm=p_holm, level=level):
        alone = difference.p is not None and is_significant(difference, p_holm=difference.p)
        among = f", maybe chance among {n_pairs} pairs" if alone and level == ALPHA else ""
        return f"cannot be told apart at {n_seeds} seeds ({claim}{among})"
    return f"{a} is better by {claim}"
