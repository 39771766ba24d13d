"""TensorBoard: a folder of event files for each arm, in the experiment's `tensorboard/`.

To look at them: tensorboard --logdir runs/<experiment>/tensorboard
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from tensorboardX import SummaryWriter

from gptkit.config import Arm
from gptkit.events import ArmDone, Evaluated, Event, StepDone
from gptkit.events.log import Status
from gptkit.results.schema import Results
from gptkit.trackers.fields import (
    X_AXIS,
    config_fields,
    evaluation_fields,
    step_fields,
    summary_fields,
)


class TensorBoard:
    """Writes scalars against the bytes of training text, which is TensorBoard's step."""

    def begin(self, name: str, arms: Sequence[Arm], folder: Path) -> None:
        self._folder = folder / "tensorboard"
        self._writers: dict[str, SummaryWriter] = {}

    def hear(self, arm: Arm, event: Event) -> None:
        if isinstance(event, StepDone):
            self._add(arm, step_fields(arm, event), anew=event.step == 1)
        elif isinstance(event, Evaluated):
            self._add(arm, evaluation_fields(event))
            self._writers[arm.id].flush()
        elif isinstance(event, ArmDone) and arm.id in self._writers:
            self._writers[arm.id].flush()

    def end(self, results: Results | None, status: Status) -> None:
        for result in results.arms if results else []:
            if (writer := self._writers.get(result.id)) is not None:
                for name, value in summary_fields(result).items():
                    writer.add_scalar(f"summary/{name}", value, result.train.bytes)
        for writer in self._writers.values():
            writer.close()

    def _add(self, arm: Arm, fields: Mapping[str, float], *, anew: bool = False) -> None:
        """Add scalars.

        Args:
            anew: whether the arm starts, so that what an earlier command wrote of it is replaced.
        """
        if arm.id not in self._writers:
            place = self._folder / arm.id
            for file in place.glob("events.out.tfevents.*") if anew else ():
                file.unlink()
            writer = self._writers[arm.id] = SummaryWriter(logdir=str(place))
            writer.add_text("config", json.dumps(config_fields(arm), indent=1))
        for name, value in fields.items():
            if name != X_AXIS:
                self._writers[arm.id].add_scalar(name, value, int(fields[X_AXIS]))


def make() -> TensorBoard:
    """Make the tracker."""
    return TensorBoard()
