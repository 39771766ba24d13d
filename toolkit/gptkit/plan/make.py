"""A plan: the arms of an experiment, exactly as they will be trained."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from gptkit.config import Arm
from gptkit.data.encoding import EncodedCorpus
from gptkit.errors import CorpusWarning
from gptkit.plan.experiment_config import ExperimentConfig
from gptkit.plan.matching import MATCHES, Request

MIN_LONG_VAL_BYTES = 250_000  # a shorter val is scored in seconds
SCORINGS_PER_TRAINING = 3  # a training step is a forward pass and a backward one of twice its cost


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The arms of an experiment.

    Attributes:
        by: the quantity by which the arms are matched.
        notes: remarks about the matching for the reader.
    """

    by: str
    notes: tuple[str, ...]
    arms: tuple[Arm, ...]

    def with_rates(self, factors: Mapping[tuple[str, str], float]) -> Plan:
        """Multiply learning rates by a factor for each tokenizer and recipe."""
        arms = (
            replace(arm, optim=arm.optim.at_rate(factors.get((arm.tokenizer, arm.recipe), 1.0)))
            for arm in self.arms
        )
        return replace(self, arms=tuple(arms))


def make_plan(config: ExperimentConfig, texts: Mapping[str, EncodedCorpus]) -> Plan:
    """Plan the arms of an experiment, before any learning rate is tuned.

    Raises:
        CorpusError: the training text is too short.
    """
    request = Request(
        recipes=config.recipes(),
        seeds=range(config.most_seeds),
        seconds=config.seconds(),
        stride_bytes=config.stride_bytes,
    )
    matched = MATCHES[config.match](texts, request)
    if note := _scoring_note(matched.arms, texts):
        warnings.warn(note, CorpusWarning, stacklevel=2)
    return Plan(by=config.match, notes=matched.notes, arms=matched.arms)


def _scoring_note(arms: Sequence[Arm], texts: Mapping[str, EncodedCorpus]) -> str | None:
    """Return a note if scoring the validation text will take more time than training."""
    for arm in arms:
        steps, per_step = arm.schedule.steps, arm.schedule.bytes_per_step
        val_bytes, sweeps = texts[arm.tokenizer].val.n_bytes, arm.schedule.evaluations
        if steps is None or per_step is None or val_bytes < MIN_LONG_VAL_BYTES:
            continue
        if sweeps * val_bytes > SCORINGS_PER_TRAINING * steps * per_step:
            return (
                f"most of the time will be scoring: {arm.id} trains on {steps * per_step:,} bytes, "
                f"and scores the {val_bytes:,} bytes of val {sweeps} times.\n"
                "Give a larger budget, or less val: split=0.98."
            )
    return None
