"""The log of an experiment: events.jsonl in its folder, which grows as events arrive.

A line is a record: the start of a command, an event of an arm, or the command's end. A second
command in the same folder, as after a stop, adds its lines.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from gptkit.config import Arm
from gptkit.events import Event, StepDone

log = logging.getLogger("gptkit")

FILE = "events.jsonl"
STEP_SECONDS = 0.5  # at least, between two logged steps of an arm
MOST_LINE_BYTES = 10_000_000

Status = Literal["finished", "stopped", "failed"]


class PlannedArm(msgspec.Struct, frozen=True, kw_only=True):
    """An arm that a command trains, or that an earlier one has finished.

    Attributes:
        steps, seconds: its length; one of them is None.
    """

    id: str
    tokenizer: str
    model: str
    seed: int
    steps: int | None
    seconds: float | None

    @classmethod
    def of(cls, arm: Arm) -> PlannedArm:
        """Describe an arm."""
        return cls(
            id=arm.id,
            tokenizer=arm.tokenizer,
            model=arm.recipe,
            seed=arm.schedule.seed,
            steps=arm.schedule.steps,
            seconds=arm.schedule.seconds,
        )


class Started(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="started"):
    """A command has started. `time` is in seconds since 1970."""

    time: float
    name: str
    arms: list[PlannedArm]


class Happened(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="event"):
    """An event of an arm."""

    time: float
    arm: str
    event: Event


class Ended(msgspec.Struct, frozen=True, kw_only=True, tag_field="record", tag="ended"):
    """A command has ended."""

    time: float
    status: Status


Record = Started | Happened | Ended


class Throttle:
    """Says which steps to pass on, so that there are only a few for each arm and second."""

    def __init__(self, seconds: float = STEP_SECONDS) -> None:
        self.seconds = seconds
        self._latest: dict[str, float] = {}

    def skips(self, arm: Arm, event: Event) -> bool:
        """Return whether an event is a step too soon after the last one."""
        if not isinstance(event, StepDone):
            return False
        now = time.monotonic()
        if now - self._latest.get(arm.id, float("-inf")) < self.seconds:
            return True
        self._latest[arm.id] = now
        return False


class EventLog:
    """Writes an experiment's events to its folder. A full disk ends the log, and no training."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / FILE
        self._throttle = Throttle()
        self._failed = False

    def begin(self, name: str, arms: Sequence[Arm]) -> None:
        planned = [PlannedArm.of(arm) for arm in arms]
        self._write(Started(time=time.time(), name=name, arms=planned))

    def hear(self, arm: Arm, event: Event) -> None:
        if not self._throttle.skips(arm, event):
            self._write(Happened(time=time.time(), arm=arm.id, event=event))

    def end(self, status: Status) -> None:
        self._write(Ended(time=time.time(), status=status))

    def _write(self, record: Record) -> None:
        if self._failed:
            return
        try:
            with self.file.open("ab") as file:
                file.write(msgspec.json.encode(record) + b"\n")
        except OSError as error:
            self._failed = True
            log.warning("note: %s is not written any more: %s", self.file, error.strerror)


def read_records(file: Path, offset: int = 0) -> Iterator[tuple[Record, int]]:
    """Read the whole lines of a log; a line that is no record is left out.

    Args:
        offset: where to start, in bytes.

    Yields:
        a record, and the offset after it.

    Raises:
        OSError: the file cannot be read.
    """
    decode = msgspec.json.Decoder(Record).decode
    with file.open("rb") as lines:
        lines.seek(offset)
        while (line := lines.readline(MOST_LINE_BYTES)).endswith(b"\n"):
            offset += len(line)
            try:
                yield decode(line), offset
            except (msgspec.MsgspecError, RecursionError):
                continue
