"""Train one seed more at a time until the best tokenizer is known."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gptkit.engines.job import Job
from gptkit.plan.experiment_config import ExperimentConfig
from gptkit.results.schema import ArmResult, Look, Verdict
from gptkit.results.sequential import sequential_level
from gptkit.results.statistics import ALPHA

Train = Callable[[Sequence[Job]], list[ArmResult]]  # of the jobs, those with a seed below a number
Judge = Callable[[Sequence[ArmResult], float], list[Verdict]]


def train_until_decided(
    config: ExperimentConfig, jobs: Sequence[Job], train: Train, judge: Judge
) -> tuple[list[ArmResult], list[Look]]:
    """Train seeds until the best tokenizer under each model is better than every other, or all are.

    Args:
        jobs: the arms of all seeds.
        train: trains some of them, and returns their results.
        judge: makes the verdicts at a level; see `gptkit.results.sequential`.

    Returns:
        The results of the seeds that were trained, in the order of the jobs, and the looks.
    """
    n_pairs = config.n_pairs
    results: dict[str, ArmResult] = {}
    looks: list[Look] = []
    for n_seeds in range(config.first_seeds, config.most_seeds + 1):
        wanted = [job for job in jobs if job.arm.schedule.seed < n_seeds]
        new = [job for job in wanted if job.arm.id not in results]
        results |= {result.id: result for result in train(new)}
        level = sequential_level(
            n_seeds,
            first=config.first_seeds,
            most=config.most_seeds,
            n_pairs=n_pairs,
            alpha=ALPHA,
        )
        ordered = [results[job.arm.id] for job in wanted]
        decided = is_decided(judge(ordered, level))
        looks.append(Look(seeds=n_seeds, level=level, decided=decided))
        if decided:
            break
    return ordered, looks


def is_decided(verdicts: Sequence[Verdict]) -> bool:
    """Return whether the best tokenizer under each model is significantly better than every other.

    Args:
        verdicts: of all pairs, the better one first.
    """
    beaten = {(v.b, v.model) for v in verdicts}
    return all(v.significant for v in verdicts if (v.a, v.model) not in beaten)
