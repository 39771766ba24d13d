"""Train an experiment together with other commands that share its folder, on any machine."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence

from gptkit.engines.claims import claimed_by
from gptkit.engines.engine import Engine
from gptkit.engines.job import Job
from gptkit.events import OnEvent
from gptkit.results.schema import ArmResult

log = logging.getLogger("gptkit")

POLL_SECONDS = 1.0  # between two looks at arms that others train


class SharedEngine:
    """Trains the arms that nobody holds, and waits for those of others.

    An arm whose holder dies, or is stopped, is free again and goes on from its checkpoint.

    Args:
        engine: trains arms here; it leaves out shared jobs that another command has claimed.
    """

    def __init__(self, engine: Engine, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.engine, self._sleep = engine, sleep

    def run(self, jobs: Sequence[Job], on_event: OnEvent) -> dict[str, ArmResult]:
        """Return the results of all arms, when all are finished."""
        results: dict[str, ArmResult] = {}
        told = False
        while left := [job for job in jobs if job.arm.id not in results]:
            free = [job for job in left if claimed_by(job.folder) is None]
            found = self.engine.run(free, on_event) if free else {}
            results |= found
            if not found:
                if not told:
                    names = ", ".join(job.arm.id for job in left)
                    log.info("waiting for other commands, which train %s", names)
                    told = True
                self._sleep(POLL_SECONDS)
        return results
