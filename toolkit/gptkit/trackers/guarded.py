"""Run a tracker in a thread of its own, so that nothing it does can stop or slow a training."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from gptkit.config import Arm
from gptkit.events import Event, StepDone
from gptkit.events.log import Status, Throttle
from gptkit.results.schema import Results
from gptkit.trackers.tracker import MakeTracker

log = logging.getLogger("gptkit")

END_SECONDS = 60.0  # that a tracker has at the end, to send what it holds
MOST_WAITING = 10_000  # calls; with more, steps are left out


class GuardedTracker:
    """A tracker that cannot fail: an error or a hang ends it with one warning.

    Args:
        make: makes the tracker, in its thread.
        end_seconds: that it has to end; None for END_SECONDS.
        paced: whether steps that follow each other too soon are left out.

    Attributes:
        failed: whether it has failed, or was left behind.
    """

    def __init__(
        self,
        name: str,
        make: MakeTracker,
        *,
        end_seconds: float | None = None,
        paced: bool = True,
    ) -> None:
        self.name = name
        self.failed = False
        self._make, self._end_seconds = make, end_seconds or END_SECONDS
        self._calls: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._throttle = Throttle() if paced else Throttle(0.0)
        self._thread = threading.Thread(target=self._work, name=f"tracker {name}", daemon=True)

    def begin(self, name: str, arms: Sequence[Arm], folder: Path) -> None:
        self._thread.start()
        self._calls.put(lambda: self._tracker.begin(name, arms, folder))

    def hear(self, arm: Arm, event: Event) -> None:
        busy = self._calls.qsize() > MOST_WAITING and self._throttle.seconds
        late = busy and isinstance(event, StepDone)
        if not (self.failed or late or self._throttle.skips(arm, event)):
            self._calls.put(lambda: self._tracker.hear(arm, event))

    def end(self, results: Results | None, status: Status) -> None:
        self._calls.put(lambda: self._tracker.end(results, status))
        self._calls.put(None)
        self._thread.join(self._end_seconds)
        if self._thread.is_alive():
            self.failed = True
            log.warning(
                "warning: the tracker %s did not end within %.0f s, and is left behind.",
                self.name,
                self._end_seconds,
            )

    def _work(self) -> None:
        try:
            self._tracker = self._make()
            while (call := self._calls.get()) is not None:
                call()
        except BaseException as error:  # whatever somebody's code raises, also SystemExit
            self.failed = True
            reason = (str(error) or repr(error)).splitlines()[0]
            log.warning("warning: the tracker %s failed and is left out: %s", self.name, reason)
