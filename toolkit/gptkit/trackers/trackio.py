"""trackio: a run for each arm, in the project `gptkit`, grouped by the experiment.

They are written to TRACKIO_DIR, or else to trackio's own folder. To look at them: trackio show
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path

import trackio

from gptkit.config import Arm
from gptkit.events import ArmDone, Evaluated, Event, StepDone
from gptkit.events.log import Status
from gptkit.results.schema import Results
from gptkit.trackers.fields import config_fields, evaluation_fields, step_fields

PROJECT = "gptkit"


class Trackio:
    """Keeps each arm's records until it is done: trackio has one open run at a time."""

    def begin(self, name: str, arms: Sequence[Arm], folder: Path) -> None:
        self._name = name
        self._arms = {arm.id: arm for arm in arms}
        self._records: dict[str, list[dict[str, float]]] = {}

    def hear(self, arm: Arm, event: Event) -> None:
        records = self._records.setdefault(arm.id, [])
        if isinstance(event, StepDone):
            records.append(step_fields(arm, event))
        elif isinstance(event, Evaluated):
            records.append(evaluation_fields(event))
        elif isinstance(event, ArmDone):
            self._write(arm.id)

    def end(self, results: Results | None, status: Status) -> None:
        for name in list(self._records):
            self._write(name)

    def _write(self, name: str) -> None:
        records = self._records.pop(name, [])
        if not records:
            return
        with contextlib.redirect_stdout(io.StringIO()):  # it greets on stdout
            run = trackio.init(
                project=PROJECT,
                name=f"{self._name}/{name}",
                group=self._name,
                config=config_fields(self._arms[name]),
                resume="never",
                embed=False,
                auto_log_gpu=False,
                auto_log_cpu=False,
            )
            for step, record in enumerate(records):
                run.log(record, step)
            run.finish()


def make() -> Trackio:
    """Make the tracker."""
    return Trackio()
