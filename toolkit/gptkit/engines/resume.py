"""An experiment's arms: those that are there already, and those still to be trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from gptkit.engines.arm import Job, OnEvent, run_arm
from gptkit.engines.processes import run_in_processes
from gptkit.engines.run_folder import Run, load_run
from gptkit.errors import ConfigError
from gptkit.plan.matching import training_flops


def kept_arms(jobs: Sequence[Job], folder: Path) -> dict[str, dict[str, Any]]:
    """The entries, by id, of arms that are there, as they would be trained now."""
    there = {path.parent.name for path in folder.glob("*/config.json")}
    if left_out := sorted(there - {job.arm.id for job in jobs}):
        raise ConfigError(
            f"{folder} has arms that this would leave out: {', '.join(left_out)}.\n"
            "Resume with all that it was begun with, or give another name."
        )
    kept = {}
    for job in jobs:
        if job.arm.id in there:
            run = load_run(job.folder)
            if _record(run) != _asked(job):
                raise ConfigError(
                    f"{job.folder} was made otherwise, or of another text: it cannot be kept.\n"
                    "Resume with the options it was begun with, or give another name."
                )
            kept[job.arm.id] = run.result
    return kept


def _record(run: Run) -> tuple[Any, ...]:
    return run.config, run.corpus, run.sampling, run.tokenizer.to_dict()


def _asked(job: Job) -> tuple[Any, ...]:
    tokenizer = job.encoded.tokenizer.to_dict()
    return job.arm, job.corpus.to_dict(), asdict(job.sampling), tokenizer


def train_arms(jobs: Sequence[Job], processes: int, hear: OnEvent) -> dict[str, dict[str, Any]]:
    """Each arm's entry, by its id."""
    if min(processes, len(jobs)) <= 1:
        return {job.arm.id: run_arm(job, on_event=hear) for job in jobs}
    cost = {job.arm.id: training_flops(job.arm, job.encoded) for job in jobs}
    longest_first = sorted(jobs, key=lambda job: -cost[job.arm.id])
    return run_in_processes(longest_first, processes=processes, on_event=hear)
