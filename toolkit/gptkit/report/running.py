"""What is known of an experiment that runs, from its log: a row for each arm."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from gptkit.events import ArmDone, Evaluated, Event, StepDone, TrialDone
from gptkit.events.log import Ended, Happened, PlannedArm, Record, Started, Status, read_records
from gptkit.report.curves import Curve, CurveStep
from gptkit.report.formatting import duration, short
from gptkit.report.table import Cell, Column, Row, Section, Table

State = str  # of an arm: "waits", "tunes", "trains" or "done"


@dataclass
class RunningArm:
    """An arm, as far as it has come."""

    plan: PlannedArm
    state: State = "waits"
    step: StepDone | None = None
    best: float | None = None
    curve: list[Evaluated] = field(default_factory=list)

    @property
    def part(self) -> float:
        """How much of the training is done, from 0 to 1."""
        if self.state == "done":
            return 1.0
        if self.step is None:
            return 0.0
        if self.plan.steps is not None:
            return self.step.step / self.plan.steps
        return min(1.0, self.step.seconds / (self.plan.seconds or 1.0))

    def add(self, event: Event) -> None:
        if isinstance(event, TrialDone):
            self.state = "tunes"
        elif isinstance(event, StepDone):
            self.state, self.step = "trains", event
        elif isinstance(event, Evaluated):
            self.curve = [one for one in self.curve if one.step < event.step] + [event]
            self.best = min(one.loss.bits_per_byte for one in self.curve)
        elif isinstance(event, ArmDone):
            self.state, self.best = "done", event.loss.bits_per_byte


class Running:
    """An experiment's state, from the records of its log.

    Attributes:
        name: of the experiment.
        arms: by their ids.
        began: when the latest command started, in seconds since 1970; None before any.
        latest: when the last record came.
        status: how the latest command ended; None if it has not.
    """

    def __init__(self) -> None:
        self.name = ""
        self.arms: dict[str, RunningArm] = {}
        self.began: float | None = None
        self.latest = 0.0
        self.status: Status | None = None
        self._offset = 0

    def read(self, file: Path) -> None:
        """Take what is new in the log."""
        for record, offset in read_records(file, self._offset):
            self._offset = offset
            self.add(record)

    def add(self, record: Record) -> None:
        """Take a record."""
        self.latest = record.time
        if isinstance(record, Started):
            self.name, self.began, self.status = record.name, record.time, None
            for plan in record.arms:
                self.arms.setdefault(plan.id, RunningArm(plan))
        elif isinstance(record, Ended):
            self.status = record.status
        elif isinstance(record, Happened) and record.arm in self.arms:
            self.arms[record.arm].add(record.event)

    def curves(self) -> list[Curve]:
        """Return the curve of each arm, a seed by itself."""
        several = any(arm.plan.seed for arm in self.arms.values())
        return [
            Curve(
                tokenizer=f"{arm.plan.tokenizer} s{arm.plan.seed}"
                if several
                else arm.plan.tokenizer,
                model=arm.plan.model,
                steps=[
                    CurveStep(
                        step=one.step,
                        spent={"bytes": one.train_bytes, "seconds": one.seconds},
                        bits=one.loss.bits_per_byte,
                        std=None,
                    )
                    for one in arm.curve
                ],
            )
            for arm in self.arms.values()
        ]

    def summary(self, now: float) -> str:
        """Say in a sentence how far the experiment is."""
        n = len(self.arms)
        done = sum(arm.state == "done" for arm in self.arms.values())
        text = f"{self.name}: {done} of {n} {'arm' if n == 1 else 'arms'} done"
        if self.status is not None:
            return f"{text}; {self.status}."
        quiet = now - self.latest
        return f"{text}." if quiet < 60 else f"{text}; no news for {duration(quiet)}."


def running_table(running: Running) -> Table:
    """Make a table with a row for each arm."""
    rows: list[Row] = []
    best = min((arm.best for arm in running.arms.values() if arm.best is not None), default=None)
    for name, arm in running.arms.items():
        speed = arm.step.train_tokens / arm.step.seconds if arm.step and arm.step.seconds else None
        bits = "" if arm.best is None else f"{arm.best:.3f}"
        rows.append(
            [
                name,
                Cell(arm.state, "dim" if arm.state == "waits" else None),
                f"{arm.part:.0%}",
                "" if arm.step is None or arm.state == "done" else f"{arm.step.loss:.3f}",
                Cell(bits, "best" if arm.best is not None and arm.best == best else None),
                "" if speed is None else short(speed),
            ]
        )
    return Table(
        title="",
        columns=[
            Column("arm", "left", fold=True),
            Column("", "left"),
            Column("done", needed=True),
            Column("train, \nnats/token"),
            Column("val, \nbits/byte", needed=True),
            Column("tokens\n/s"),
        ],
        sections=[Section(rows)],
    )
