"""MLflow: a run for each arm, in an MLflow experiment of the same name.

They are written to MLFLOW_TRACKING_URI, or else to `mlflow.db` in the experiment's folder. To look
at that: mlflow ui --backend-store-uri sqlite:///runs/<experiment>/mlflow.db
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

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

STATUS = {"finished": "FINISHED", "stopped": "KILLED", "failed": "FAILED"}
MOST_PARAMS = 100  # of one call


class MLflow:
    """Logs metrics whose step is the bytes of training text."""

    def begin(self, name: str, arms: Sequence[Arm], folder: Path) -> None:
        address = os.environ.get("MLFLOW_TRACKING_URI", f"sqlite:///{folder.resolve()}/mlflow.db")
        self._client = MlflowClient(tracking_uri=address)
        found = self._client.get_experiment_by_name(name)
        self._experiment = (
            self._client.create_experiment(name) if found is None else found.experiment_id
        )
        self._name = name
        self._runs: dict[str, str] = {}

    def hear(self, arm: Arm, event: Event) -> None:
        if isinstance(event, StepDone):
            self._log(arm, step_fields(arm, event))
        elif isinstance(event, Evaluated):
            self._log(arm, evaluation_fields(event))

    def end(self, results: Results | None, status: Status) -> None:
        for result in results.arms if results else []:
            if result.id in self._runs:
                self._send(self._runs[result.id], summary_fields(result), result.train.bytes)
        for run in self._runs.values():
            self._client.set_terminated(run, status=STATUS[status])

    def _log(self, arm: Arm, fields: Mapping[str, float]) -> None:
        if arm.id not in self._runs:
            run = self._client.create_run(
                self._experiment, run_name=arm.id, tags={**tags(arm), "experiment": self._name}
            ).info.run_id
            params = [Param(key, str(value)) for key, value in config_fields(arm).items()]
            self._client.log_batch(run, params=params[:MOST_PARAMS])
            self._runs[arm.id] = run
        self._send(self._runs[arm.id], fields, int(fields[X_AXIS]))

    def _send(self, run: str, fields: Mapping[str, float], step: int) -> None:
        now = int(time.time() * 1000)
        metrics = [Metric(name, float(value), now, step) for name, value in fields.items()]
        self._client.log_batch(run, metrics=metrics)


def make() -> MLflow:
    """Make the tracker; what MLflow and its database say of themselves is not shown."""
    for name in ("mlflow", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)
    return MLflow()
