"""Show an experiment's progress on stderr: bars on a terminal, lines in a log."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gptkit.cli.log import log

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import Console
    from rich.progress import Task, TaskID

    from gptkit.cli.time_left import TimeLeft
    from gptkit.config import Arm
    from gptkit.events import Event, Resumed, StepDone, TrialDone
    from gptkit.experiment import Experiment, ScaleLadder
    from gptkit.report.result import Result


def encode_shown(experiment: Experiment | ScaleLadder, err: Console, *, live: bool) -> None:
    """Encode the text; for a large text, show a bar per tokenizer, in bytes."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    if not live:
        experiment.prepare(_say_tenths())
        return
    progress = Progress(
        TextColumn("encoding {task.description}", markup=False),
        BarColumn(bar_width=None),
        DownloadColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        console=err,
        expand=True,
    )
    with progress:
        tasks: dict[str, TaskID] = {}

        def show(spec: str, done: int, n_bytes: int) -> None:
            if spec not in tasks:
                tasks[spec] = progress.add_task(spec, total=n_bytes)
            progress.update(tasks[spec], completed=done)

        experiment.prepare(show)


def _say_tenths() -> Callable[[str, int, int], None]:
    """Return a callback that logs a line at each tenth of a text."""
    said: dict[str, int] = {}

    def say(spec: str, done: int, n_bytes: int) -> None:
        tenth = 10 * done // n_bytes
        if tenth > said.get(spec, 0):
            said[spec] = tenth
            log.info(f"{spec}  encoded {done / 1e6:,.0f} of {n_bytes / 1e6:,.0f} MB")

    return say


def estimate_time(experiments: Sequence[Experiment]) -> TimeLeft:
    """Return what estimates how long experiments on one text still take."""
    from gptkit.cli.time_left import TimeLeft
    from gptkit.engines.processes import choose_processes

    first = experiments[0]
    arms = [arm for experiment in experiments for arm in experiment.untuned_plan().arms]
    texts = first.prepare().texts
    processes = choose_processes(first.untuned_plan().arms, texts, first.execution)
    return TimeLeft(arms, texts, processes=processes)


def run_live(experiment: Experiment, err: Console, left: TimeLeft) -> Result:
    """Run the experiment; show a bar per arm, with its loss, and when all will be done."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, TextColumn
    from rich.text import Text

    from gptkit.events import ArmDone, Evaluated, Resumed, StepDone, TrialDone

    class TimeLeftColumn(ProgressColumn):
        """When all arms will be done, in the row of all."""

        max_refresh = 0.5  # seconds

        def render(self, task: Task) -> Text:
            return Text(_time_left(left) if task.id == whole else "")

    progress = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        TextColumn("{task.fields[loss]}"),
        TimeLeftColumn(),
        console=err,
        expand=True,
        transient=True,  # what is shown next has all of it, and needs the room
    )
    arms = experiment.untuned_plan().arms
    whole = progress.add_task("all arms", total=len(arms), loss="")
    with progress:
        tasks = {
            arm.id: progress.add_task(arm.id, total=_length(arm), start=False, loss="")
            for arm in arms
        }
        evaluated: set[str] = set()

        def show(arm: Arm, event: Event) -> None:
            left.hear(arm, event)
            task = tasks[arm.id]
            if isinstance(event, TrialDone):
                progress.update(task, loss=_trial(event))
            elif isinstance(event, Resumed):
                progress.start_task(task)
                progress.console.print(_resumed(arm, event), markup=False)
            elif isinstance(event, StepDone):
                if event.step == 1:
                    progress.start_task(task)
                by_clock = arm.schedule.seconds is not None
                progress.update(task, completed=event.seconds if by_clock else event.step)
                if event.step % 10 == 0 and arm.id not in evaluated:
                    progress.update(task, loss=f"{event.loss:.3f} nats/token")
            elif isinstance(event, Evaluated):
                evaluated.add(arm.id)
                loss = event.loss.bits_per_byte
                progress.update(task, loss=f"{loss:.3f} bits/byte")
            elif isinstance(event, ArmDone):
                progress.update(task, completed=progress.tasks[task].total)
                progress.stop_task(task)
                progress.advance(whole)

        return experiment.run(show)


def _time_left(left: TimeLeft | None) -> str:
    from gptkit.report.formatting import duration

    seconds = None if left is None else left.seconds()
    return "" if seconds is None else f"about {duration(seconds)} left"


def _length(arm: Arm) -> float:
    """Return the length of an arm's training, in steps or in seconds."""
    return arm.schedule.seconds or arm.schedule.steps or 0


def _speed(step: StepDone | None) -> str:
    """Say how fast an arm trains; nothing before its first step in this process."""
    return "" if step is None else f"{step.train_tokens / step.seconds:,.0f} tokens/s  "


def _resumed(arm: Arm, event: Resumed) -> str:
    how = f"continues after step {event.step:,}" if event.step else "starts again"
    return f"{arm.id}  {how}" + "".join(f"; {note}" for note in event.notes)


def _trial(trial: TrialDone) -> str:
    bits = trial.bits_per_byte
    shown = "diverged" if bits is None else f"{bits:.3f} bits/byte"
    return f"learning rate ×{trial.factor:g}: {shown}"


def run_plain(experiment: Experiment, left: TimeLeft | None = None) -> Result:
    """Run the experiment; log a line per evaluation."""
    from gptkit.events import ArmDone, Evaluated, Resumed, StepDone, TrialDone

    latest: dict[str, StepDone] = {}

    def show(arm: Arm, event: Event) -> None:
        if left is not None:
            left.hear(arm, event)
        if isinstance(event, TrialDone):
            log.info(f"{arm.id}  {_trial(event)}")
        elif isinstance(event, Resumed):
            log.info(_resumed(arm, event))
        elif isinstance(event, ArmDone) and event.kept:
            bits = event.loss.bits_per_byte
            log.info(f"{arm.id}  finished before, {bits:.3f} bits/byte")
        elif isinstance(event, StepDone):
            latest[arm.id] = event
        elif isinstance(event, Evaluated):
            of = "" if arm.schedule.steps is None else f"/{arm.schedule.steps}"
            log.info(
                f"{arm.id}  step {event.step}{of}  {event.loss.bits_per_byte:.3f} bits/byte  "
                f"{_speed(latest.get(arm.id))}{event.seconds:.1f} s  {_time_left(left)}".rstrip()
            )

    return experiment.run(show)
