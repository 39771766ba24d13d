"""Calibration of added seeds: how often they decide a comparison without a difference."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib.metadata import version

import numpy as np

from gptkit.results.sequential import sequential_level
from gptkit.results.statistics import ALPHA, paired_difference
from gptkit.results.studies import SequentialCalibration

FIRST, MOST = 3, 12
BLOCKS, BLOCK_BYTES = 50, 2048
RESAMPLES = 500  # of the text; the p-values have no use for more
NOISES = {"from the seeds": (0.0, 0.005), "from the text": (0.005, 0.0), "both": (0.005, 0.005)}


def calibrate_sequential(
    *, trials: int, on_trial: Callable[[], None] = lambda: None
) -> SequentialCalibration:
    """Simulate comparisons without a difference, with noise of each kind; see `NOISES`.

    Noise is the standard deviation of the difference in bits per byte: from the text of the mean
    over the text, from the seeds of a single seed.
    """
    levels = [
        sequential_level(n, first=FIRST, most=MOST, n_pairs=1, alpha=ALPHA)
        for n in range(FIRST, MOST + 1)
    ]
    held, plain = {}, {}
    for name, (text, seeds) in NOISES.items():
        rng = np.random.default_rng(0)
        claims = naive = 0
        for _ in range(trials):
            p = _p_values(rng, text, seeds)
            claims += any(one < level for one, level in zip(p, levels, strict=True))
            naive += any(one < ALPHA for one in p)
            on_trial()
        held[name], plain[name] = claims / trials, naive / trials
    return SequentialCalibration(
        gptkit=version("gptkit"),
        trials=trials,
        first=FIRST,
        most=MOST,
        false_claims=held,
        without_levels=plain,
    )


def _p_values(rng: np.random.Generator, text: float, seeds: float) -> list[float]:
    """Return the verdict's p-value after each number of seeds."""
    by_block = rng.normal(size=BLOCKS) * text * math.sqrt(BLOCKS)
    by_seed = rng.normal(size=(MOST, 1)) * seeds
    # Each seed also differs from block to block.
    own = rng.normal(size=(MOST, BLOCKS)) * 0.1 * max(text, seeds) * math.sqrt(BLOCKS)
    bits = (by_block + by_seed + own - own.mean(axis=1, keepdims=True)) * BLOCK_BYTES
    lengths = np.full(BLOCKS, BLOCK_BYTES)
    found = []
    for n in range(FIRST, MOST + 1):
        p = paired_difference(bits[:n], lengths, resamples=RESAMPLES).p
        assert p is not None
        found.append(p)
    return found
