"""Two ways to do the same work, timed in turns, so that a machine's moods fall on both."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One comparison.

    Attributes:
        what, against: the work as we do it, and as the baseline does.
        reach: the ratio to be reached, baseline over ours.
        rounds: for each, what the baseline took and what ours took, for the same work.
        unit: of both, less being better.
    """

    name: str
    what: str
    against: str
    reach: float
    rounds: tuple[tuple[float, float], ...]
    unit: str = "s"

    @property
    def baseline(self) -> float:
        return median(baseline for baseline, _ in self.rounds)

    @property
    def ours(self) -> float:
        return median(ours for _, ours in self.rounds)

    @property
    def ratio(self) -> float:
        """How many times sooner ours is done: of the medians."""
        return self.baseline / self.ours

    def to_dict(self) -> dict[str, Any]:
        """In `unit`; a ratio above 1 means that ours is the better."""
        ratios = [baseline / ours for baseline, ours in self.rounds]
        return {
            "name": self.name,
            "what": self.what,
            "against": self.against,
            "unit": self.unit,
            "reach": self.reach,
            "baseline": self.baseline,
            "ours": self.ours,
            "ratio": self.ratio,
            "lowest": min(ratios),
            "highest": max(ratios),
            "rounds": [list(pair) for pair in self.rounds],
        }


def alternate(
    baseline: Callable[[], object], ours: Callable[[], object], *, rounds: int
) -> tuple[tuple[float, float], ...]:
    """Seconds of each in every round, after one unmeasured run of both."""
    baseline()
    ours()
    return tuple((seconds(baseline), seconds(ours)) for _ in range(rounds))


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def tightest(measured: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Of several measurements the one nearest to what it must reach, or furthest below it."""
    return min(measured, key=lambda m: m["ratio"] / m["reach"])


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    import torch

    return {
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
