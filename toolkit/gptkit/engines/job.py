"""An arm to train: its settings, its folder, and its share of the machine."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gptkit.config import Arm
from gptkit.data.encoding import EncodedCorpus
from gptkit.data.prepare import Prepared
from gptkit.engines.run_folder import RunConfig, Sampling
from gptkit.errors import ConfigError
from gptkit.plan.execution_config import ExecutionConfig, SaveEvery
from gptkit.plan.experiment_config import ExperimentConfig
from gptkit.plan.matching import training_flops

# Two threads train the default models but the bigram 1.44 to 1.61 times as fast as one: 2 ** 0.6.
SPEED_EXPONENT = 0.6


@dataclass(frozen=True, kw_only=True)
class Job:
    """An arm to train, without its text.

    Attributes:
        record: what the run's config.json will say.
        folder: the folder that the arm is recorded in.
        save_every: how often its state is saved; None: see `gptkit.engines.checkpoint`.
        shared: whether other commands may train it; one that is claimed is left to them.
        micro_batch: how many windows of a step are computed at a time; None for all.
        threads: the threads that train it; None for all of the process. PyTorch's sums depend on
            their number in the last digits, so it must not depend on the course of things.
    """

    record: RunConfig
    device: str
    folder: Path
    save_every: SaveEvery | None = None
    threads: int | None = None
    shared: bool = False
    micro_batch: int | None = None

    @property
    def arm(self) -> Arm:
        return self.record.arm


def check_one_clock(arms: Sequence[Arm], nodes: int) -> None:
    """Refuse to train arms that are matched by time on several nodes.

    Raises:
        ConfigError: it was asked for.
    """
    if nodes > 1 and any(arm.schedule.seconds is not None for arm in arms):
        raise ConfigError(
            f"matched by time, arms must be trained on one machine, and the cluster has {nodes}"
            " nodes: a second buys more training on a faster one.\nMatch by bytes or by FLOPs."
        )


def make_jobs(
    arms: Sequence[Arm],
    prepared: Prepared,
    config: ExperimentConfig,
    execution: ExecutionConfig,
    folder: Path,
) -> list[Job]:
    """Make the jobs that train an experiment's arms in its folder."""
    sampling = Sampling(
        prompt=prepared.prompt(config.prompt),
        n_bytes=config.sample_bytes,
        temperature=config.temperature,
        top_k=config.top_k,
    )
    return [
        Job(
            record=RunConfig(arm=arm, corpus=prepared.corpus.facts(), sampling=sampling),
            device=execution.device,
            folder=folder / arm.id,
            save_every=execution.saves(),
            shared=execution.claim,
            micro_batch=execution.micro_batch,
        )
        for arm in arms
    ]


def assign_threads(
    jobs: Sequence[Job], texts: Mapping[str, EncodedCorpus], *, processes: int, threads: int
) -> list[Job]:
    """Give each job its threads, and return the jobs with the longest first.

    Args:
        jobs: all arms that are trained together, also those that an earlier run has finished.
        processes: how many arms are trained at a time.
        threads: the threads of the machine.
    """
    if processes == 1:
        return [replace(job, threads=threads) for job in jobs]
    costs = [training_flops(job.arm, texts[job.arm.tokenizer]) for job in jobs]
    order = sorted(range(len(jobs)), key=lambda i: -costs[i])
    shares, _ = share_threads([costs[i] for i in order], processes=processes, threads=threads)
    return [replace(jobs[i], threads=share) for i, share in zip(order, shares, strict=True)]


def share_threads(
    costs: Sequence[float], *, processes: int, threads: int
) -> tuple[list[int], list[float]]:
    """Return each arm's threads and its end, if they start in this order, each as soon as one ends.

    An arm that starts when fewer arms are left than processes has a larger share.

    Args:
        costs: how much work each arm is; the ends are in the same unit, for one thread.

    >>> shares, ends = share_threads([1, 1, 1], processes=2, threads=4)
    >>> shares, [round(end, 2) for end in ends]
    ([2, 2, 4], [0.66, 0.66, 1.1])
    """
    ends: list[float] = []  # of the arms that have started
    busy: list[float] = []
    shares = []
    for i, cost in enumerate(costs):
        now = 0.0 if len(busy) < processes else heapq.heappop(busy)
        left = len(costs) - i + sum(end > now for end in ends)
        shares.append(max(1, threads // min(processes, left)))
        ends.append(now + cost / shares[-1] ** SPEED_EXPONENT)
        heapq.heappush(busy, ends[-1])
    return shares, ends


def fastest_processes(costs: Sequence[float], *, threads: int) -> int:
    """Return how many arms to train at a time, so that the last one ends the earliest.

    One arm that takes longer than all others together has all threads.

    >>> fastest_processes([5, 5], threads=2), fastest_processes([5, 1], threads=2)
    (2, 1)
    """
    longest_first = sorted(costs, reverse=True)

    def end(processes: int) -> float:
        return max(share_threads(longest_first, processes=processes, threads=threads)[1])

    return min(range(1, min(len(costs), threads) + 1), key=end)
