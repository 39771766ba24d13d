"""Plan what would decide a comparison that is not decided: more seeds, or more validation text."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy import special

from gptkit.results.statistics import ALPHA, CONFIDENCE, Difference, add_errors, t_quantile

MAX_MORE_SEEDS = 200
MAX_MORE_TEXT = 100.0


@dataclass(frozen=True, kw_only=True)
class More:
    """What a comparison still needs: more seeds, or times the validation text, or neither."""

    seeds: int | None = None
    text: float | None = None

    def describe(self) -> str:
        """Say it in words; "" for nothing.

        >>> More(seeds=4).describe()
        'about 4 more seeds would decide a difference of this size'
        """
        size = "would decide a difference of this size"
        if self.seeds is not None:
            return f"about {self.seeds} more {'seed' if self.seeds == 1 else 'seeds'} {size}"
        if self.text is not None:
            return f"more seeds cannot decide it, but about {self.text:.1f} times this text {size}"
        return ""


def plan_more(difference: Difference, *, n_seeds: int, n_pairs: int = 1) -> More:
    """Return what would make the difference that was seen significant, if it is the true one.

    With more seeds, the error from the seeds falls as their number's square root, and the error
    from the text stays. If that alone is too large, only more text helps: its error falls as the
    square root of the length.

    Args:
        n_pairs: pairs for whose number p-values are corrected.
    """
    if difference.text is None or difference.seeds is None or difference.mean <= 0:
        return More()
    tail = 1 - ALPHA / n_pairs / 2
    text = difference.text / float(special.ndtri((1 + CONFIDENCE) / 2))
    needed = text * float(special.ndtri(tail)) / difference.mean
    if needed >= 1:
        times = needed**2
        return More(text=times) if times <= MAX_MORE_TEXT else More()
    degrees = n_seeds - 1
    deviation = difference.seeds / t_quantile((1 + CONFIDENCE) / 2, degrees)
    deviation *= math.sqrt(n_seeds)  # of one seed
    for n in range(n_seeds + 1, n_seeds + MAX_MORE_SEEDS + 1):
        seeds = deviation / math.sqrt(n), float(n - 1)
        both = add_errors((text, math.inf), seeds)
        widths = [error * t_quantile(tail, df) for error, df in (seeds, both)]
        if max(widths) < difference.mean:
            return More(seeds=n - n_seeds)
    return More()
