"""Time two ways to do the same work in turns, so that noise of the machine affects both."""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

from gptkit.results.studies import MeasuredRow, SpeedMachine


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One comparison.

    Attributes:
        what, against: the work as we do it, and as the baseline does.
        goal: the ratio to be reached, baseline over ours.
        rounds: for each, what the baseline took and what ours took, for the same work.
        unit: of both, less being better.
    """

    name: str
    what: str
    against: str
    goal: float
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
        """The baseline's median divided by ours; above 1, ours is better."""
        return self.baseline / self.ours

    def to_row(self) -> MeasuredRow:
        """Return the comparison as it is recorded; ours is None in a round that missed its goal."""
        ratios = [baseline / ours for baseline, ours in self.rounds]
        return MeasuredRow(
            name=self.name,
            what=self.what,
            against=self.against,
            unit=self.unit,
            goal=self.goal,
            baseline=self.baseline,
            ours=self.ours,
            ratio=self.ratio,
            lowest=min(ratios),
            highest=max(ratios),
            rounds=[(b, o if math.isfinite(o) else None) for b, o in self.rounds],
        )


def alternate(
    baseline: Callable[[], object], ours: Callable[[], object], *, rounds: int
) -> tuple[tuple[float, float], ...]:
    """Return the seconds of both in every round, after one unmeasured run of each."""
    baseline()
    ours()
    return tuple((seconds(baseline), seconds(ours)) for _ in range(rounds))


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def tightest(rows: Sequence[MeasuredRow]) -> MeasuredRow:
    """Return the row that is nearest to its goal, or furthest below it."""
    return min(rows, key=lambda row: row.ratio / row.goal)


def machine() -> SpeedMachine:
    """Describe the machine that the measurements depend on."""
    import torch

    return SpeedMachine(
        processor=platform.machine(),
        cores=os.cpu_count(),
        threads=torch.get_num_threads(),
        python=platform.python_version(),
        torch=str(torch.__version__),
    )
