"""A plan: the arms of an experiment, exactly as they will be trained."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gptkit.config import Arm
from gptkit.data.encoding import EncodedCorpus
from gptkit.plan.experiment_config import ExperimentConfig
from gptkit.plan.matching import MATCHES, Request


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
        seeds=range(config.seeds),
        seconds=config.seconds(),
        stride_bytes=config.stride_bytes,
    )
    matched = MATCHES[config.match](texts, request)
    return Plan(by=config.match, notes=matched.notes, arms=matched.arms)
