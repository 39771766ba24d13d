"""Group and rank arms, for the verdict, the warnings and the reports."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from gptkit.results.schema import ArmResult, Results, Verdict

SMALLEST_CLAIM = 0.001  # bits per byte: what three decimals can show
MOST_NAMED = 4  # texts in one sentence


def group_by_model(arms: Sequence[ArmResult]) -> list[list[ArmResult]]:
    """Group the seeds of each tokenizer and model; tokenizers of one model are neighbours."""
    models = dict.fromkeys(arm.model for arm in arms)
    tokenizers = dict.fromkeys(arm.tokenizer for arm in arms)
    groups = (
        [arm for arm in arms if (arm.model, arm.tokenizer) == (model, tokenizer)]
        for model in models
        for tokenizer in tokenizers
    )
    return [group for group in groups if group]


def mean_bits(seeds: Sequence[ArmResult]) -> float:
    """Return the mean of the reported losses, in bits per byte."""
    return fmean(arm.reported.bits_per_byte for arm in seeds)


def std_bits(seeds: Sequence[ArmResult]) -> float | None:
    """Return the standard deviation of the reported losses over seeds; None with one seed."""
    return stdev(arm.reported.bits_per_byte for arm in seeds) if len(seeds) > 1 else None


def best_bits(arms: Sequence[ArmResult]) -> dict[str, float]:
    """Return the lowest mean loss under each model, in bits per byte."""
    best: dict[str, float] = {}
    for seeds in group_by_model(arms):
        model = seeds[0].model
        best[model] = min(mean_bits(seeds), best.get(model, float("inf")))
    return best


def best_arm(results: Results) -> tuple[list[ArmResult], Verdict | None]:
    """Return the seeds with the lowest loss, and their verdict against the closest tokenizer."""
    seeds = min(group_by_model(results.arms), key=mean_bits)
    key = (seeds[0].tokenizer, seeds[0].model)
    rivals = [v for v in results.verdict if (v.a, v.model) == key]
    return seeds, min(rivals, key=lambda v: v.delta_bits_per_byte, default=None)


def main_verdicts(results: Results) -> list[Verdict]:
    """Return all verdicts for up to three tokenizers; for more, only those of the best one."""
    if len(results.experiment.tokenizers) <= 3:
        return results.verdict
    best = {}
    for seeds in sorted(group_by_model(results.arms), key=mean_bits, reverse=True):
        best[seeds[0].model] = seeds[0].tokenizer
    return [v for v in results.verdict if best[v.model] in (v.a, v.b)]


@dataclass(frozen=True)
class VocabularyPoint:
    """A tokenizer's loss under one model; `std` is over seeds, None with one seed."""

    tokenizer: str
    vocab_size: int
    bits: float
    std: float | None


def vocabulary_points(results: Results) -> dict[str, list[VocabularyPoint]]:
    """Return each tokenizer's loss by model, from the smallest vocabulary to the largest."""
    points: dict[str, list[VocabularyPoint]] = {}
    for seeds in group_by_model(results.arms):
        arm = seeds[0]
        point = VocabularyPoint(arm.tokenizer, arm.vocab_size, mean_bits(seeds), std_bits(seeds))
        points.setdefault(arm.model, []).append(point)
    return {m: sorted(of, key=lambda point: point.vocab_size) for m, of in points.items()}


def join_names(names: Sequence[str]) -> str:
    """Join names as a sentence lists them.

    >>> join_names(["decoder"]), join_names(["decoder", "gpt2", "qwen3"])
    ('decoder', 'decoder, gpt2 and qwen3')
    """
    return " and ".join([*([", ".join(names[:-1])] if len(names) > 1 else []), names[-1]])


def say_leads(texts: Mapping[str, Sequence[str]], *, n_texts: int) -> str:
    """Say on which of several texts each tokenizer is better; more than four are counted.

    >>> say_leads({"char": ["ja", "zh"], "byte": ["de"]}, n_texts=5)
    'char is better on ja and zh; byte is better on de'
    """
    return "; ".join(
        f"{tokenizer} is better on "
        + (join_names(on) if len(on) <= MOST_NAMED else f"{len(on)} of {n_texts} texts")
        for tokenizer, on in texts.items()
    )
