"""Compute what a perturbation of the text costs, with an interval over the text and the seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gptkit.results.byte_losses import ByteLosses
from gptkit.results.schema import Interval
from gptkit.results.statistics import add_errors, block_bytes_for, half_width_of


def cost_of_perturbation(
    clean: Sequence[ByteLosses],
    changed: Sequence[ByteLosses],
    *,
    ends: np.ndarray,
    changed_ends: np.ndarray,
) -> tuple[float, Interval | None]:
    """Return the bits per byte of the changed text less those of the clean one.

    The interval is mean ± t · standard error. The error has two parts: that of a difference of two
    ratios over blocks of lines, linearised (Cochran, "Sampling techniques", 1977, section 6.4), and
    that of the mean over seeds; both together by Satterthwaite's rule.

    Args:
        clean, changed: of each seed.
        ends, changed_ends: the byte at which each line ends, in both texts.

    Returns:
        The difference, and its 95 % interval; None with a single block and a single seed.
    """
    last = _block_ends(ends)
    per_seed, parts = [], []
    for one, other in zip(clean, changed, strict=True):
        influence = np.zeros(len(last))
        value = 0.0
        for losses, at, sign in ((one, ends[last], -1), (other, changed_ends[last], 1)):
            bits = np.diff(np.cumsum(losses.nats, dtype=np.float64)[at - 1], prepend=0.0)
            bits /= math.log(2)
            lengths = np.diff(at, prepend=0)
            rate = bits.sum() / lengths.sum()
            value += sign * rate
            influence += sign * (bits - rate * lengths) / lengths.sum()
        per_seed.append(value)
        parts.append(influence)
    n_seeds, n_blocks = len(per_seed), len(last)
    errors = []
    if n_blocks > 1:
        squares = float((np.mean(parts, axis=0) ** 2).sum())
        errors.append((math.sqrt(squares * n_blocks / (n_blocks - 1)), float(n_blocks - 1)))
    if n_seeds > 1:
        errors.append((float(np.std(per_seed, ddof=1)) / math.sqrt(n_seeds), float(n_seeds - 1)))
    mean = float(np.mean(per_seed))
    if not errors:
        return mean, None
    error, degrees = errors[0] if len(errors) == 1 else add_errors(*errors)
    half = half_width_of(error, degrees)
    return mean, (mean - half, mean + half)


def _block_ends(ends: np.ndarray) -> np.ndarray:
    """Return the index of the last line of each block of about equal length, in bytes."""
    size = block_bytes_for(int(ends[-1]))
    wanted = np.append(np.arange(size, ends[-1], size), ends[-1])
    return np.unique(np.searchsorted(ends, wanted))
