"""What an experiment will cost, before it is paid: measured for two seconds, then multiplied."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gptkit.allocator import keep_freed_memory, peak_memory
from gptkit.data.encoding import EncodedText
from gptkit.engines.arm import Job, fresh_model
from gptkit.eval.evaluation import evaluate
from gptkit.models import Model
from gptkit.plan.matching import training_flops
from gptkit.train.loop import batches_of, take_step
from gptkit.train.optim import make_optimizers

SECONDS = 2.0  # of calibration, for all arms together
STEPPED = 2048  # tokens in a step, at most: a larger one is measured by a part of it
SCORED = 4096  # validation tokens that are scored to time an evaluation, at most
COPIES = 5  # of each weight: itself, its gradient, two moments, and the best evaluation's


@dataclass(frozen=True, kw_only=True)
class Cost:
    """One arm's: its memory in bytes, and its seconds by the number of threads it has."""

    job: Job
    flops: float | None
    params: int
    memory: int
    seconds: dict[int, float]


def estimate(jobs: Sequence[Job], *, processes: int) -> dict[str, Any]:
    """Each arm's cost, and the whole experiment's; seeds of one arm are measured once."""
    keep_freed_memory()
    threads = torch.get_num_threads()
    first = {(job.arm.tokenizer, job.arm.recipe): job for job in reversed(jobs)}
    share = SECONDS / len(first)
    measured = {
        which: _cost(job, {threads, max(1, threads // processes)}, share)
        for which, job in first.items()
    }
    costs = [measured[job.arm.tokenizer, job.arm.recipe] for job in jobs]
    largest = peak_memory()
    return {
        "arms": [
            {
                "id": job.arm.id,
                "tokenizer": job.arm.tokenizer,
                "model": job.arm.recipe,
                "seed": job.arm.train.seed,
                "steps": job.arm.train.steps,
                "params": cost.params,
                "flops": cost.flops,
                "memory_bytes": cost.memory,
                "seconds": cost.seconds[threads],
            }
            for job, cost in zip(jobs, costs, strict=True)
        ],
        "processes": processes,
        "device": jobs[0].device.type,
        "memory_bytes": largest and processes * largest,
        "seconds": _makespan(costs, processes=processes, threads=threads),
    }


def _cost(job: Job, thread_counts: set[int], seconds: float) -> Cost:
    arm = job.arm
    model = fresh_model(job)
    threads = torch.get_num_threads()
    took = {}
    try:
        for n in sorted(thread_counts):
            torch.set_num_threads(n)
            took[n] = _seconds(job, model, seconds / len(thread_counts))
    finally:
        torch.set_num_threads(threads)
    by_clock = arm.train.seconds is not None
    return Cost(
        job=job,
        flops=None if by_clock else training_flops(arm, job.encoded),
        params=model.num_params()["total"],
        memory=COPIES * sum(p.numel() * p.element_size() for p in model.parameters()),
        seconds=took,
    )


def _seconds(job: Job, model: Model, seconds: float) -> float:
    """All steps at the median of those that fit in `seconds`, and all evaluations."""
    config, val = job.arm.train, job.encoded.val
    optimizers = make_optimizers(model, config)
    batches = batches_of(job.encoded.train, config, job.arm.model.block_size, job.device)
    until = time.perf_counter() + seconds / 2
    steps: list[float] = []
    while len(steps) < 3 or time.perf_counter() < until:
        began = time.perf_counter()
        ids, targets, _ = next(batches)
        n = max(1, STEPPED // ids.shape[1])
        part = ids[:n], targets[:n]
        take_step(model, optimizers, *part, step=1, done=0.0, config=config)
        steps.append((time.perf_counter() - began) * len(ids) / len(part[0]))
    scored = val.ids[:SCORED]
    began = time.perf_counter()
    evaluate(
        model,
        EncodedText(ids=scored, ends=val.ends[:SCORED], n_bytes=1, n_chars=1),
        before=job.encoded.train.ids,
        stride=config.eval_stride,
    )
    one_sweep = (time.perf_counter() - began) * len(val.ids) / len(scored)
    n_test = 0 if job.encoded.test is None else len(job.encoded.test.ids)
    sweeps = config.evaluations + n_test / len(val.ids)
    training = config.seconds or (config.steps or 0) * statistics.median(steps[1:])
    return training + sweeps * one_sweep


def _makespan(costs: Sequence[Cost], *, processes: int, threads: int) -> float:
    """Until the last arm is done, those with the most FLOPs begun first and cores shared out.

    With fewer arms left than processes, each has more threads: it then goes on at a pace between
    its own at the fewest and at the most, in proportion.
    """
    fewest = max(1, threads // processes)
    waiting = sorted(costs, key=lambda cost: -(cost.flops or 0))
    busy: list[tuple[Cost, float]] = []  # with what is left of each, from 1 to 0
    elapsed = 0.0
    while waiting or busy:
        while waiting and len(busy) < processes:
            busy.append((waiting.pop(0), 1.0))
        mine = threads / len(busy)
        paces = []
        for cost, _ in busy:
            slow, fast = cost.seconds[fewest], cost.seconds[threads]
            core = min(1.0, mine / fewest)  # less than one each, with more processes than cores
            paces.append(core / float(np.interp(mine, [fewest, threads], [slow, fast])))
        step = min(left / pace for (_, left), pace in zip(busy, paces, strict=True))
        elapsed += step
        after = [(cost, left - step * pace) for (cost, left), pace in zip(busy, paces, strict=True)]
        busy = [(cost, left) for cost, left in after if left > 1e-9]
    return elapsed
