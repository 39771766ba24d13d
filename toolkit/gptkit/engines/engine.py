"""What runs an experiment's arms, wherever that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gptkit.engines.arm import Job
from gptkit.events import OnEvent
from gptkit.results.schema import ArmResult


class Engine(Protocol):
    """Trains arms. It is made with the encoded corpus, which jobs do not carry."""

    def run(self, jobs: Sequence[Job], on_event: OnEvent) -> dict[str, ArmResult]:
        """Train each arm and record it in its folder; the results by the arms' ids.

        Args:
            on_event: called in this process, with each arm's events in their order.
        """
        ...
