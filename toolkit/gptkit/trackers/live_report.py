"""The live report: report.html is written again at each evaluation, and reads itself again."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from pathlib import Path

from gptkit.config import Arm
from gptkit.errors import RunError
from gptkit.events import Event, StepDone
from gptkit.events.log import Ended, Happened, PlannedArm, Started, Status
from gptkit.files import write_text
from gptkit.report.html.experiment import experiment_page
from gptkit.report.html.running import running_page
from gptkit.report.running import Running
from gptkit.results.byte_losses import read_arm_losses
from gptkit.results.schema import Results

log = logging.getLogger("gptkit")


class LiveReport:
    """Writes report.html while an experiment runs, and the whole page at its end."""

    def __init__(self, folder: Path, name: str, arms: Sequence[Arm]) -> None:
        self._folder = folder
        self._failed = False
        self._running = Running()
        planned = [PlannedArm.of(arm) for arm in arms]
        self._running.add(Started(time=time.time(), name=name, arms=planned))
        self._write(running_page(self._running))

    def hear(self, arm: Arm, event: Event) -> None:
        """Take an event; all but steps are written at once."""
        self._running.add(Happened(time=time.time(), arm=arm.id, event=event))
        if not isinstance(event, StepDone):
            self._write(running_page(self._running))

    def end(self, results: Results | None, status: Status) -> None:
        """Write the whole page; without results, one that no longer reads itself again."""
        self._running.add(Ended(time=time.time(), status=status))
        if results is None:
            self._write(running_page(self._running, ended=True))
            return
        try:
            page = experiment_page(results, lambda arm: read_arm_losses(self._folder, arm))
        except RunError as error:
            log.warning("note: report.html has no loss map: %s", error)
            page = experiment_page(results, None)
        self._write(page)

    def _write(self, page: str) -> None:
        try:
            write_text(self._folder / "report.html", page)
        except OSError as error:
            if not self._failed:
                log.warning("note: report.html is not written: %s", error.strerror)
            self._failed = True
