"""Calibration of the verdict: how often its intervals contain a known difference, and how often it
claims a difference where there is none.

Two trials, repeated. Synthetic arms are given a known difference and noise of two kinds, from the
text and from the seeds: the 95 % interval should cover the difference in 95 % of them. Copies of
one tokenizer, trained for real with other seeds, have no difference: at most 5 % of their
verdicts may claim one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from gptkit.config import Schedule
from gptkit.data.corpus import Corpus, load_corpus
from gptkit.data.encoding import encode_corpus
from gptkit.models import build_model
from gptkit.plan.recipes import decoder
from gptkit.results.byte_losses import ByteLosses, to_byte_losses
from gptkit.results.studies import Calibration, Copies, Coverage
from gptkit.results.verdict import compare_arms, is_significant
from gptkit.train.loop import train_to_end

DIFFERENCE = 0.04  # bits per byte, of the synthetic arms
LINE_BYTES = 40  # of text that share the same noise


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Standard deviations of the mean difference, in bits per byte.

    Attributes:
        text: due to the text, which all seeds share.
        seeds: due to the seeds, in their mean.
        n_seeds: how many seeds.
    """

    text: float
    seeds: float
    n_seeds: int


SETTINGS = (
    Noise(text=0.005, seeds=0.0, n_seeds=5),
    Noise(text=0.005, seeds=0.001, n_seeds=5),
    Noise(text=0.005, seeds=0.005, n_seeds=3),
    Noise(text=0.005, seeds=0.005, n_seeds=5),
    Noise(text=0.001, seeds=0.005, n_seeds=5),
    Noise(text=0.001, seeds=0.005, n_seeds=10),
)


@dataclass(frozen=True)
class SeededLosses:
    """An arm's losses by byte, and its seed."""

    seed: int
    losses: ByteLosses


def _seeded(arms: Sequence[ByteLosses]) -> list[SeededLosses]:
    return [SeededLosses(seed, losses) for seed, losses in enumerate(arms)]


def share_covered(
    noise: Noise,
    *,
    trials: int,
    n_bytes: int = 100_000,
    on_trial: Callable[[], None] = lambda: None,
) -> float:
    """Return the share of trials whose 95 % interval covers the true difference of two arms."""
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(trials):
        a, b = synthetic_arms(rng, noise, n_bytes=n_bytes)
        difference, _ = compare_arms(_seeded(a), _seeded(b), lambda arm: arm.losses)
        half = difference.half_width
        assert half is not None
        covered += abs(difference.mean - DIFFERENCE) <= half
        on_trial()
    return covered / trials


def synthetic_arms(
    rng: np.random.Generator, noise: Noise, *, n_bytes: int
) -> tuple[list[ByteLosses], list[ByteLosses]]:
    """Make two arms' losses by seed: b's loss is `DIFFERENCE` above a's, plus noise.

    a's tokens are single bytes, b's are of one to eight.
    """
    lines = math.ceil(n_bytes / LINE_BYTES)
    fine = np.arange(1, n_bytes + 1)
    coarse = np.unique(np.append(rng.integers(1, 9, n_bytes).cumsum().clip(max=n_bytes), n_bytes))
    noise_by_line = rng.normal(size=lines) * noise.text * math.sqrt(lines)
    by_text = np.repeat(noise_by_line, LINE_BYTES)[:n_bytes]
    a, b = [], []
    for _ in range(noise.n_seeds):
        common = rng.exponential(2.0, size=n_bytes)  # what both find hard
        by_seed = rng.normal() * noise.seeds * math.sqrt(noise.n_seeds)
        harder = (common + DIFFERENCE + by_text + by_seed).cumsum()[coarse - 1]
        text = bytes(n_bytes)
        a.append(to_byte_losses(common * math.log(2), fine, text))
        b.append(to_byte_losses(np.diff(harder, prepend=0.0) * math.log(2), coarse, text))
    return a, b


def small_corpus() -> Corpus:
    """Take 60 kB of python-docs to train on, and 16 kB to score."""
    text = load_corpus("python-docs").text[:76_000]
    return replace(load_corpus("python-docs"), train=text[:60_000], val=text[60_000:])


def train_copies(
    n: int, *, corpus: Corpus, steps: int = 40, on_trial: Callable[[], None] = lambda: None
) -> list[ByteLosses]:
    """Train a small character decoder with n seeds, and return its losses by byte."""
    encoded = encode_corpus(corpus, "char")
    recipe = decoder()
    model_config = replace(recipe.model, n_layer=1, n_head=2, n_embd=16)
    schedule = Schedule(block_size=32, steps=steps, bytes_per_step=512, evaluations=1)
    copies = []
    for seed in range(n):
        model = build_model(
            model_config,
            block_size=schedule.block_size,
            vocab_size=encoded.tokenizer.vocab_size,
            train_ids=encoded.train.ids,
            seed=seed,
        )
        last = train_to_end(model, encoded, recipe.optim, replace(schedule, seed=seed))
        nats = last.evaluation.nats
        copies.append(to_byte_losses(nats, encoded.val.ends, corpus.val.encode()))
        on_trial()
    return copies


def share_significant(copies: Sequence[ByteLosses], *, groups: np.ndarray) -> float:
    """Return the share of trials that report a difference between copies of one tokenizer.

    Args:
        groups: (trials, 2, S) which copies are the seeds of the one and of the other.
    """
    claims = 0
    for one, other in groups:
        a, b = (_seeded([copies[i] for i in side]) for side in (one, other))
        difference, _ = compare_arms(a, b, lambda arm: arm.losses)
        if difference.mean < 0:  # the verdict puts the better one first
            difference = replace(difference, mean=-difference.mean)
        claims += bool(is_significant(difference, p_holm=difference.p))
    return claims / len(groups)


def random_groups(n: int, *, trials: int, n_seeds: int) -> np.ndarray:
    """Draw copies out of n for each trial, (trials, 2, S); none is twice in a trial."""
    rng = np.random.default_rng(0)
    return np.stack([rng.permutation(n)[: 2 * n_seeds] for _ in range(trials)]).reshape(
        trials, 2, n_seeds
    )


def calibrate(
    *, trials: int, copies: int, n_seeds: int = 5, on_trial: Callable[[], None]
) -> Calibration:
    """Run both trials. Calls `on_trial` after each synthetic trial and each training."""
    coverage = [
        Coverage(**asdict(noise), covered=share_covered(noise, trials=trials, on_trial=on_trial))
        for noise in SETTINGS
    ]
    trained = train_copies(copies, corpus=small_corpus(), on_trial=on_trial)
    groups = random_groups(copies, trials=trials, n_seeds=n_seeds)
    return Calibration(
        trials=trials,
        difference=DIFFERENCE,
        coverage=coverage,
        copies=Copies(
            trained=copies,
            seeds=n_seeds,
            not_told_apart=1 - share_significant(trained, groups=groups),
        ),
    )
