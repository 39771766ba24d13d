"""Add seeds until a comparison is decided, without claiming too much.

Looking at the results after each seed and stopping when they are significant finds a difference
too often where there is none. A group-sequential test holds the error rate: each look has a level
of its own, so that all looks together claim a false difference with probability α. The levels spend
α by the function of Lan and DeMets ("Discrete sequential boundaries for clinical trials", 1983)
that is close to O'Brien and Fleming's: each side spends 2 - 2 Φ(z / √t), where t is the share of
the seeds that are trained. `gptkit calibrate until` measures the error rate.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import special

PATHS = 400_000  # simulated comparisons without a difference


@lru_cache
def look_levels(first: int, most: int, *, alpha: float) -> tuple[float, ...]:
    """Return the level of the look after each seed: a t-test's p-value below it decides.

    The tables for such looks are for a normal statistic, and let a t-test with few seeds claim a
    false difference in 5.6 % of comparisons instead of 5 %. So the levels are measured, on
    simulated comparisons without a difference.

    Args:
        first: the number of seeds at the first look, at least 2.
        most: the number at the last one.
        alpha: of all looks together.

    >>> [round(level, 3) for level in look_levels(2, 4, alpha=0.05)]
    [0.003, 0.017, 0.038]
    """
    seeds = np.arange(first, most + 1)
    return levels_of(_p_values(seeds), seeds / most, alpha=alpha)


def levels_of(p: np.ndarray, shares: np.ndarray, *, alpha: float) -> tuple[float, ...]:
    """Return the level of each look from p-values (N, looks) of comparisons without a difference.

    Args:
        shares: (looks,), of the seeds that are trained.
    """
    edge = -special.ndtri(alpha / 4)
    undecided = np.ones(len(p), dtype=bool)
    levels = []
    for look, total in enumerate(4 * special.ndtr(-edge / np.sqrt(shares))):
        left = np.sort(p[undecided, look])
        claims = int(total * len(p)) - int((~undecided).sum())
        levels.append(float(left[max(0, claims)]))
        undecided &= p[:, look] >= levels[-1]
    return tuple(levels)


def _p_values(seeds: np.ndarray) -> np.ndarray:
    """Return the p-values (N, looks) of t-tests on the first seeds of simulated comparisons."""
    drawn = np.random.default_rng(0).normal(size=(PATHS, int(seeds[-1])))
    sums, squares = drawn.cumsum(axis=1), (drawn**2).cumsum(axis=1)
    means = sums[:, seeds - 1] / seeds
    variances = (squares[:, seeds - 1] - seeds * means**2) / (seeds - 1)
    return np.asarray(2 * special.stdtr(seeds - 1, -np.abs(means) / np.sqrt(variances / seeds)))


def sequential_level(n_seeds: int, *, first: int, most: int, n_pairs: int, alpha: float) -> float:
    """Return the level for corrected p-values after `n_seeds` seeds, with a look at each seed.

    Of m pairs, each has the levels for α / m, and m times that is the level for p-values that are
    multiplied by m. It holds for Holm's p-values, too: a level grows faster than its α.
    """
    level = look_levels(first, most, alpha=alpha / n_pairs)[n_seeds - first]
    return min(alpha, n_pairs * level)
