"""All that hear an experiment's events: its log, the live report, trackers, and who asked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gptkit.config import Arm
from gptkit.events import Event, OnEvent, ignore
from gptkit.events.log import EventLog, Status
from gptkit.plan.execution_config import ExecutionConfig
from gptkit.results.schema import Results
from gptkit.trackers.guarded import GuardedTracker
from gptkit.trackers.live_report import LiveReport
from gptkit.trackers.notebook import NotebookProgress, in_notebook
from gptkit.trackers.tracker import find_trackers


class Subscribers:
    """Passes each event on to everybody.

    Args:
        folder: the experiment's folder.
        arms: all arms of the experiment.
        on_event: hears them first.
    """

    def __init__(
        self, folder: Path, arms: Sequence[Arm], execution: ExecutionConfig, on_event: OnEvent
    ) -> None:
        self._on_event = on_event
        self._log = EventLog(folder)
        self._cell = None
        if on_event is ignore and in_notebook():
            self._cell = NotebookProgress(folder.name, arms)
        self._live = LiveReport(folder, folder.name, arms) if execution.live_report else None
        self._trackers = [
            GuardedTracker(name, make) for name, make in find_trackers(execution.track).items()
        ]
        self._log.begin(folder.name, arms)
        for tracker in self._trackers:
            tracker.begin(folder.name, arms, folder)

    def hear(self, arm: Arm, event: Event) -> None:
        """Pass an event on."""
        self._on_event(arm, event)
        self._log.hear(arm, event)
        if self._cell is not None:
            self._cell.hear(arm, event)
        if self._live is not None:
            self._live.hear(arm, event)
        for tracker in self._trackers:
            tracker.hear(arm, event)

    def end(self, results: Results | None, status: Status) -> None:
        """Say that the command has ended. The live report stays until `gptkit report` follows."""
        for tracker in self._trackers:
            tracker.end(results, status)
        self._log.end(status)
        if self._live is not None:
            self._live.end(results, status)
