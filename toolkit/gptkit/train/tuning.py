"""The learning rate of each tokenizer and model, chosen by short trials on training text alone.

Every tokenizer gets the same trials: the recipe's rates times the same factors, stopped early by
successive halving (Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch

from gptkit.config import Arm, TrainConfig, at_rate
from gptkit.data.corpus import Corpus
from gptkit.data.encoding import EncodedCorpus, encode_text
from gptkit.errors import TrainingError
from gptkit.models import build_model
from gptkit.train.loop import Evaluated, train

FACTORS = (1.0, 2.0, 0.5, 4.0, 0.25)  # of the recipe's rates, in the order tried
TRIAL_PART = 4  # a trial is so short a part of the arm's training
RUNGS = 4  # evaluations in a trial; it may be stopped after the first and after the second
TRIED_CHARS = 16_000_000  # of training text that trials are made on, at most
JUDGED_CHARS = 20_000  # of training text held out, at most, and at most a tenth of it


@dataclass(frozen=True, kw_only=True)
class TrialDone:
    """A trial has ended: `bits_per_byte` at its last evaluation, None if it diverged.

    `part` is how much of the trial's length it was given before it was stopped.
    """

    factor: float
    bits_per_byte: float | None
    part: float


def training_slice(encoded: EncodedCorpus, corpus: Corpus) -> EncodedCorpus:
    """The training text under the same tokenizer, its end held out to judge trials by."""
    text = corpus.train[-TRIED_CHARS:]
    held_out = max(1, min(JUDGED_CHARS, len(text) // 10))
    return EncodedCorpus(
        tokenizer=encoded.tokenizer,
        train=encode_text(encoded.tokenizer, text[:-held_out], lossy_ok=True),
        val=encode_text(encoded.tokenizer, text[-held_out:], lossy_ok=True),
    )


def tune(
    arm: Arm, texts: EncodedCorpus, *, device: torch.device, on_trial: Callable[[TrialDone], None]
) -> dict[str, Any]:
    """Try `FACTORS` on a `training_slice`, and say what was tried and which was best.

    Raises:
        TrainingError: every trial diverged.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tried: list[TrialDone] = []

    def objective(trial: optuna.Trial) -> float:
        factor = trial.suggest_float("factor", min(FACTORS), max(FACTORS), log=True)
        config = _trial_config(at_rate(arm.train, factor))
        evaluations: list[float] = []
        part = 0.0
        try:
            for bits in _losses(arm, config, texts, device):
                evaluations.append(bits)
                part = len(evaluations) / config.evaluations
                trial.report(bits, len(evaluations))
                if part < 1 and trial.should_prune():
                    raise optuna.TrialPruned
            part = 1.0  # by the clock, a step may have been longer than a part
        except TrainingError:
            evaluations.clear()
            raise optuna.TrialPruned from None
        finally:
            bits_per_byte = evaluations[-1] if evaluations else None
            tried.append(TrialDone(factor=factor, bits_per_byte=bits_per_byte, part=part))
            on_trial(tried[-1])
        return evaluations[-1]

    study = optuna.create_study(
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    )
    for factor in FACTORS:
        study.enqueue_trial({"factor": factor})
    study.optimize(objective, n_trials=len(FACTORS))
    finished = [t for t in tried if t.part == 1 and t.bits_per_byte is not None]
    if not finished:
        raise TrainingError(
            f"{arm.tokenizer} under {arm.recipe} diverged at every learning rate tried, from "
            f"{min(FACTORS)} to {max(FACTORS)} times {arm.train.learning_rate}."
        )
    best = min(finished, key=lambda t: t.bits_per_byte or 0.0)
    return {
        "tokenizer": arm.tokenizer,
        "model": arm.recipe,
        "trials": [
            {**asdict(t), "learning_rate": at_rate(arm.train, t.factor).learning_rate}
            for t in tried
        ],
        "factor": best.factor,
    }


def _trial_config(config: TrainConfig) -> TrainConfig:
    if config.steps is not None:
        steps = -(-config.steps // TRIAL_PART)
        return replace(config, steps=steps, evaluations=min(RUNGS, steps))
    assert config.seconds is not None
    return replace(config, seconds=config.seconds / TRIAL_PART, evaluations=RUNGS)


def _losses(
    arm: Arm, config: TrainConfig, texts: EncodedCorpus, device: torch.device
) -> Iterator[float]:
    model = build_model(
        arm.model,
        vocab_size=texts.tokenizer.vocab_size,
        train_ids=texts.train.ids,
        seed=config.seed,
    ).to(device)
    for event in train(model, texts, config):
        if isinstance(event, Evaluated):
            yield event.evaluation.bits_per_byte
