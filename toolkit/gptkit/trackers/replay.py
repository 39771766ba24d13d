"""Tell a tracker of an experiment that has been run, from its folder."""

from __future__ import annotations

from pathlib import Path

from gptkit.engines.run_folder import Run, load_run
from gptkit.errors import RunError
from gptkit.events import ArmDone
from gptkit.report.result import load_result
from gptkit.results.schema import Results
from gptkit.trackers.guarded import GuardedTracker
from gptkit.trackers.tracker import MakeTracker


def replay(folder: Path, name: str, make: MakeTracker) -> int:
    """Tell a tracker of all finished arms in an experiment's folder, and return their number.

    Raises:
        RunError: the folder holds no finished arm, or the tracker failed.
    """
    runs = _finished_runs(folder)
    results = load_result(folder).data if (folder / "results.json").is_file() else None
    tracker = GuardedTracker(name, make, paced=False)
    tracker.begin(folder.resolve().name, [run.config for run in runs], folder)
    for run in runs:
        for metric in run.metrics:
            tracker.hear(run.config, metric)
        tracker.hear(run.config, ArmDone(loss=run.result.reported))
    tracker.end(_of(results, runs), "finished")
    if tracker.failed:
        raise RunError(f"the tracker {name} did not take the runs of {folder}; see the warning.")
    return len(runs)


def _finished_runs(folder: Path) -> list[Run]:
    if not folder.is_dir():
        raise RunError(f"there is no folder {folder}. Give the folder of an experiment.")
    found = sorted(path.parent for path in folder.glob("*/result.json"))
    if not found:
        raise RunError(
            f"{folder} holds no finished arm. Give the folder of an experiment, as in "
            "runs/char-vs-gpt2."
        )
    return [load_run(path) for path in found]


def _of(results: Results | None, runs: list[Run]) -> Results | None:
    """Return the results if they are of these runs."""
    ids = {run.result.id for run in runs}
    return results if results is not None and {arm.id for arm in results.arms} <= ids else None
