"""The contract of engines, which run an experiment's arms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gptkit.engines.job import Job
from gptkit.events import OnEvent
from gptkit.results.schema import ArmResult


class Engine(Protocol):
    """Trains arms. An engine is made with the encoded corpus; jobs do not hold it."""

    def run(self, jobs: Sequence[Job], on_event: OnEvent) -> dict[str, ArmResult]:
        """Train each arm, record it in its folder, and return the results by the arms' ids.

        Args:
            on_event: called in this process, with each arm's events in order.
        """
        ...
