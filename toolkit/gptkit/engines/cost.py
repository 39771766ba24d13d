"""Estimate an experiment's cost: measure for two seconds, then multiply."""

from __future__ import annotations

import heapq
import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gptkit.config import Arm
from gptkit.data.encoding import EncodedCorpus, EncodedText
from gptkit.engines.arm import fresh_model
from gptkit.engines.job import share_threads
from gptkit.engines.process_memory import peak_memory
from gptkit.eval.evaluation import evaluate
from gptkit.models import Model
from gptkit.plan.matching import training_flops
from gptkit.results.cost import ArmCost, ExperimentCost
from gptkit.train.optim import make_optimizers
from gptkit.train.step import batches_of, take_step

CALIBRATION_SECONDS = 2.0  # for all arms together
MAX_STEP_TOKENS = 2048  # of a larger step, only a part is timed
MAX_SCORED_TOKENS = 4096  # tokens of the validation text that are scored to time an evaluation
WEIGHT_COPIES = 5  # a weight, its gradient, two moments, and its best value so far


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One arm's cost; `seconds` by number of threads."""

    flops: float | None
    params: int
    memory: int
    seconds: dict[int, float]


def estimate_cost(
    arms: Sequence[Arm],
    texts: Mapping[str, EncodedCorpus],
    *,
    processes: int,
    device: torch.device,
) -> ExperimentCost:
    """Estimate the cost of each arm and of the experiment; seeds of one arm are measured once."""
    threads = torch.get_num_threads()
    costs = measure_arms(arms, texts, device, {threads, max(1, threads // processes)})
    largest = peak_memory()
    return ExperimentCost(
        arms=[
            ArmCost(
                id=arm.id,
                tokenizer=arm.tokenizer,
                model=arm.recipe,
                seed=arm.schedule.seed,
                steps=arm.schedule.steps,
                params=cost.params,
                flops=cost.flops,
                memory_bytes=cost.memory,
                seconds=cost.seconds[threads],
            )
            for arm, cost in zip(arms, costs, strict=True)
        ],
        processes=processes,
        device=device.type,
        memory_bytes=largest and processes * largest,
        seconds=_makespan(costs, processes=processes, threads=threads),
    )


def measure_arms(
    arms: Sequence[Arm],
    texts: Mapping[str, EncodedCorpus],
    device: torch.device,
    thread_counts: set[int],
) -> list[Measured]:
    """Measure each arm for a part of two seconds; arms that differ in their seed only once."""
    first = {(arm.tokenizer, arm.recipe): arm for arm in reversed(arms)}
    share = CALIBRATION_SECONDS / len(first)
    measured = {
        key: _cost(arm, texts[arm.tokenizer], device, thread_counts, share)
        for key, arm in first.items()
    }
    return [measured[arm.tokenizer, arm.recipe] for arm in arms]


def seconds_with(cost: Measured, threads: float) -> float:
    """Return an arm's seconds with a number of threads, between those that were measured."""
    return float(np.interp(threads, [*cost.seconds], [*cost.seconds.values()]))


def _cost(
    arm: Arm,
    encoded: EncodedCorpus,
    device: torch.device,
    thread_counts: set[int],
    seconds: float,
) -> Measured:
    model = fresh_model(arm, encoded, device)
    threads = torch.get_num_threads()
    took = {}
    try:
        for n in sorted(thread_counts):
            torch.set_num_threads(n)
            took[n] = _seconds(arm, encoded, model, seconds / len(thread_counts))
    finally:
        torch.set_num_threads(threads)
    by_clock = arm.schedule.seconds is not None
    return Measured(
        flops=None if by_clock else training_flops(arm, encoded),
        params=model.num_params().total,
        memory=WEIGHT_COPIES * sum(p.numel() * p.element_size() for p in model.parameters()),
        seconds=took,
    )


def _seconds(arm: Arm, encoded: EncodedCorpus, model: Model, seconds: float) -> float:
    """Estimate an arm's seconds from the median of the steps that fit in `seconds`."""
    schedule, val = arm.schedule, encoded.val
    optimizers = make_optimizers(model, arm.optim)
    batches = batches_of(encoded.train, schedule, next(model.parameters()).device)
    until = time.perf_counter() + seconds / 2
    steps: list[float] = []
    while len(steps) < 3 or time.perf_counter() < until:
        began = time.perf_counter()
        batch = next(batches)
        n = max(1, MAX_STEP_TOKENS // batch.ids.shape[1])
        part = batch.ids[:n], batch.targets[:n]
        take_step(model, optimizers, *part, config=arm.optim)
        steps.append((time.perf_counter() - began) * len(batch.ids) / len(part[0]))
    scored = val.ids[:MAX_SCORED_TOKENS]
    began = time.perf_counter()
    evaluate(
        model,
        EncodedText(ids=scored, ends=val.ends[:MAX_SCORED_TOKENS], n_bytes=1, n_chars=1),
        before=encoded.train.ids,
        stride=schedule.eval_stride,
    )
    one_sweep = (time.perf_counter() - began) * len(val.ids) / len(scored)
    n_test = 0 if encoded.test is None else len(encoded.test.ids)
    sweeps = schedule.evaluations + n_test / len(val.ids)
    training = schedule.seconds or (schedule.steps or 0) * statistics.median(steps[1:])
    return training + sweeps * one_sweep


def _makespan(costs: Sequence[Measured], *, processes: int, threads: int) -> float:
    """Estimate the seconds until the last arm is done, as `gptkit.engines.job` shares threads."""
    longest_first = sorted(costs, key=lambda cost: -(cost.flops or 0))
    shares, _ = share_threads(
        [cost.flops or 0 for cost in longest_first], processes=processes, threads=threads
    )
    slower = max(1.0, processes / threads)  # with more processes than cores
    free = [0.0] * processes
    for cost, share in zip(longest_first, shares, strict=True):
        heapq.heapreplace(free, free[0] + slower * seconds_with(cost, share))
    return max(free)
