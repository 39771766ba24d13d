"""Weights & Biases: a run for each arm, grouped by the experiment.

Without WANDB_MODE in the environment the runs are written to the experiment's folder, to be sent
later with `wandb sync`; with WANDB_MODE=online they are sent at once.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import wandb

from gptkit.config import Arm
from gptkit.events import Evaluated, Event, StepDone
from gptkit.events.log import Status
from gptkit.results.schema import Results
from gptkit.trackers.fields import (
    X_AXIS,
    config_fields,
    evaluation_fields,
    step_fields,
    summary_fields,
    tags,
)


class WeightsAndBiases:
    """Logs steps and evaluations, with the bytes of training text as their x-axis."""

    def begin(self, name: str, arms: Sequence[Arm], folder: Path) -> None:
        self._name, self._folder = name, folder
        self._runs: dict[str, Any] = {}

    def hear(self, arm: Arm, event: Event) -> None:
        if isinstance(event, StepDone):
            self._run(arm).log(step_fields(arm, event))
        elif isinstance(event, Evaluated):
            self._run(arm).log(evaluation_fields(event))

    def end(self, results: Results | None, status: Status) -> None:
        for result in results.arms if results else []:
            if result.id in self._runs:
                self._runs[result.id].summary.update(summary_fields(result))
        for run in self._runs.values():
            run.finish(exit_code=0 if status == "finished" else 1)

    def _run(self, arm: Arm) -> Any:
        if arm.id not in self._runs:
            run = wandb.init(
                project=os.environ.get("WANDB_PROJECT", "gptkit"),
                group=self._name,
                name=arm.id,
                tags=[f"{key}={value}"[:64] for key, value in tags(arm).items()],
                dir=self._folder,
                config=config_fields(arm),
                mode=os.environ.get("WANDB_MODE", "offline"),  # type: ignore[arg-type]
                reinit="create_new",  # arms of several processes interleave
                settings=wandb.Settings(
                    silent=True,
                    console="off",
                    disable_git=True,
                    save_code=False,
                    x_disable_stats=True,
                ),
            )
            for kind in ("train/*", "val/*"):
                run.define_metric(kind, step_metric=X_AXIS)
            self._runs[arm.id] = run
        return self._runs[arm.id]


def make() -> WeightsAndBiases:
    """Make the tracker; it reports no errors to anybody."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    return WeightsAndBiases()
