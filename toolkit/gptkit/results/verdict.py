"""Which tokenizer is better under each model, by how much, how surely, and where in the text."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import Any

import numpy as np

from gptkit.results.byte_losses import ByteLosses, block_bits, cut_blocks, shared_borders, stretches
from gptkit.results.statistics import (
    CONFIDENCE,
    Difference,
    block_bytes_for,
    holm,
    paired_difference,
)
from gptkit.results.summary import SMALLEST_CLAIM, claimed

Losses = Callable[[dict[str, Any]], ByteLosses]  # of an arm's entry in results.json


def verdict(entries: Sequence[dict[str, Any]], losses: Losses) -> list[dict[str, Any]]:
    """For each model, each pair of tokenizers: the difference, its interval, and in words.

    `delta_bits_per_byte` is b's mean over seeds less a's, where a is the better of the two;
    `ci95` is the widest of `ci95_text`, `ci95_seeds` and `ci95_both`; `p_holm` is corrected for
    all pairs.
    """
    pairs = []
    for model in dict.fromkeys(e["model"] for e in entries):
        arms: dict[str, list[dict[str, Any]]] = {}
        for e in entries:
            if e["model"] == model:
                arms.setdefault(e["tokenizer"], []).append(e)
        ranked = sorted(arms, key=lambda t: fmean(claimed(e)["bits_per_byte"] for e in arms[t]))
        pairs += [(model, arms[a], arms[b]) for a, b in itertools.combinations(ranked, 2)]
    compared = [(model, a, b, *compare_arms(a, b, losses)) for model, a, b in pairs]
    p_values = [d.p for *_, d, _ in compared if d.p is not None]
    corrected = iter(holm(p_values))
    verdicts = []
    for model, a, b, difference, where in compared:
        p_holm = next(corrected) if difference.p is not None else None
        a_name, b_name = a[0]["tokenizer"], b[0]["tokenizer"]
        verdicts.append(
            {
                "a": f"{a_name}-{model}",
                "b": f"{b_name}-{model}",
                "model": model,
                "delta_bits_per_byte": difference.mean,
                "ci95": _interval(difference, difference.half_width),
                "ci95_text": _interval(difference, difference.text),
                "ci95_seeds": _interval(difference, difference.seeds),
                "ci95_both": _interval(difference, difference.both),
                "p_holm": p_holm,
                "seeds": len(a),
                "told_apart": told_apart(difference, p_holm=p_holm),
                "says": f"{a_name} vs {b_name} under {model}: "
                + in_words(a_name, difference, p_holm=p_holm, n_seeds=len(a), n_pairs=len(pairs)),
                "spans": where,
            }
        )
    return verdicts


def compare_arms(
    a: Sequence[dict[str, Any]], b: Sequence[dict[str, Any]], losses: Losses, *, n: int = 3
) -> tuple[Difference, dict[str, list[dict[str, Any]]]]:
    """The difference b - a of two tokenizers' arms, paired by seed, and where in the text it is."""
    bits, ends = [], np.empty(0, dtype=np.int64)
    for seed, (one, other) in enumerate(zip(a, b, strict=True)):
        assert one["seed"] == other["seed"]
        a_losses, b_losses = losses(one), losses(other)
        if not seed:
            n_bytes = len(a_losses.text)
            ends = cut_blocks(shared_borders(a_losses, b_losses), block_bytes_for(n_bytes))
            a_nats, b_nats = np.zeros((2, n_bytes))
        bits.append(block_bits(b_losses, ends) - block_bits(a_losses, ends))
        a_nats += a_losses.nats / len(a)
        b_nats += b_losses.nats / len(b)
    difference = paired_difference(np.stack(bits), np.diff(ends, prepend=0))
    where = stretches(replace(a_losses, nats=a_nats), replace(b_losses, nats=b_nats), n=n)
    return difference, where


def _interval(difference: Difference, half_width: float | None) -> list[float] | None:
    if half_width is None:
        return None
    return [difference.mean - half_width, difference.mean + half_width]


def told_apart(difference: Difference, *, p_holm: float | None) -> bool | None:
    """Whether one is better; None if one seed cannot say, though over the text it is sure."""
    if p_holm is not None:
        return p_holm < 1 - CONFIDENCE
    if difference.seeds is not None or difference.text is None:
        return False
    return None if difference.mean > max(difference.text, SMALLEST_CLAIM) else False


def in_words(
    a: str, difference: Difference, *, p_holm: float | None, n_seeds: int, n_pairs: int = 1
) -> str:
    """The claim that `a` is better, as far as it can be made.

    >>> d = Difference(mean=0.041, text=0.004, seeds=0.006, both=0.005, p=0.001)
    >>> in_words("char", d, p_holm=0.003, n_seeds=5)
    'char is better by 0.041 ± 0.006 bits per byte'
    >>> in_words("char", d, p_holm=0.07, n_seeds=5, n_pairs=70)
    'cannot be told apart at 5 seeds (0.041 ± 0.006 bits per byte, not enough among 70 pairs)'
    """
    if n_seeds == 1:
        doubt = "one seed: no interval across seeds"
        if told_apart(difference, p_holm=None) is False:
            return f"cannot be told apart ({difference.mean:.3f} bits per byte); {doubt}"
        return f"{a} is better by {difference.mean:.3f} bits per byte; {doubt}"
    half = difference.half_width
    if half is None or p_holm is None:
        return "cannot be told apart: the evaluation text is too short for an interval"
    decimals = 3 if half == 0 or half >= SMALLEST_CLAIM else math.ceil(-math.log10(half))
    claim = f"{difference.mean:.{decimals}f} ± {half:.{decimals}f} bits per byte"
    if not told_apart(difference, p_holm=p_holm):
        alone = difference.p is not None and told_apart(difference, p_holm=difference.p)
        among = f", not enough among {n_pairs} pairs" if alone else ""
        return f"cannot be told apart at {n_seeds} seeds ({claim}{among})"
    return f"{a} is better by {claim}"
