"""Choose the learning rate of each tokenizer and model by short trials on training text alone.

Every tokenizer gets the same trials: the recipe's rates times the same factors. Successive halving
stops bad trials early (Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import msgspec
import torch

from gptkit.config import TRIAL_PART, Arm, Schedule
from gptkit.data.corpus import Corpus
from gptkit.data.encoding import EncodedCorpus, encode_text
from gptkit.data.prepare import Prepared
from gptkit.errors import TrainingError
from gptkit.events import OnEvent, TrialDone
from gptkit.files import write_json
from gptkit.models import build_model
from gptkit.train.loop import Scored, Training

log = logging.getLogger("gptkit")

FACTORS = (1.0, 2.0, 0.5, 4.0, 0.25)  # times the recipe's rates, in the order of the trials
TRIAL_EVALUATIONS = 4  # a trial may be stopped after the first and after the second
MAX_TRIAL_CHARS = 16_000_000  # the most training text that trials use
MAX_HELD_OUT_CHARS = 20_000  # training text that judges trials; at most a tenth of it


@dataclass(frozen=True, kw_only=True)
class Tuned:
    """The trials of an arm, in order, and the best factor of the learning rates."""

    trials: tuple[TrialDone, ...]
    factor: float


def training_slice(encoded: EncodedCorpus, corpus: Corpus) -> EncodedCorpus:
    """Return the training text alone; its end is held out to judge trials."""
    text = corpus.train[-MAX_TRIAL_CHARS:]
    held_out = max(1, min(MAX_HELD_OUT_CHARS, len(text) // 10))
    return EncodedCorpus(
        tokenizer=encoded.tokenizer,
        train=encode_text(encoded.tokenizer, text[:-held_out], lossy_ok=True),
        val=encode_text(encoded.tokenizer, text[-held_out:], lossy_ok=True),
    )


def tune(
    arm: Arm, texts: EncodedCorpus, *, device: torch.device, on_trial: Callable[[TrialDone], None]
) -> Tuned:
    """Try `FACTORS` of the arm's learning rates on a `training_slice`.

    Raises:
        TrainingError: every trial diverged.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    trials: list[TrialDone] = []

    def objective(trial: optuna.Trial) -> float:
        factor = trial.suggest_float("factor", min(FACTORS), max(FACTORS), log=True)
        schedule = _trial_schedule(arm.schedule)
        losses: list[float] = []
        part = 0.0
        try:
            model = build_model(
                arm.model,
                block_size=schedule.block_size,
                vocab_size=texts.tokenizer.vocab_size,
                train_ids=texts.train.ids,
                seed=schedule.seed,
            ).to(device)
            for event in Training(model, texts, arm.optim.at_rate(factor), schedule):
                if not isinstance(event, Scored):
                    continue
                losses.append(event.evaluation.bits_per_byte)
                part = len(losses) / schedule.evaluations
                trial.report(losses[-1], len(losses))
                if part < 1 and trial.should_prune():
                    raise optuna.TrialPruned
            part = 1.0  # with a time budget, one step may be longer than a part
        except TrainingError:
            losses.clear()
            raise optuna.TrialPruned from None
        finally:
            bits_per_byte = losses[-1] if losses else None
            trials.append(TrialDone(factor=factor, bits_per_byte=bits_per_byte, part=part))
            on_trial(trials[-1])
        return losses[-1]

    study = optuna.create_study(
        pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=2)
    )
    for factor in FACTORS:
        study.enqueue_trial({"factor": factor})
    study.optimize(objective, n_trials=len(FACTORS))
    finished = [t for t in trials if t.part == 1 and t.bits_per_byte is not None]
    if not finished:
        raise TrainingError(
            f"{arm.tokenizer} under {arm.recipe} diverged at every learning rate tried, from "
            f"{min(FACTORS)} to {max(FACTORS)} times {arm.optim.learning_rate}."
        )
    best = min(finished, key=lambda t: t.bits_per_byte or 0.0)
    return Tuned(trials=tuple(trials), factor=best.factor)


def tune_all(
    arms: Sequence[Arm],
    prepared: Prepared,
    device: torch.device,
    on_event: OnEvent,
    *,
    record: Path | None = None,
) -> dict[tuple[str, str], Tuned]:
    """Run the trials of each tokenizer and recipe; the first seed stands for all.

    Args:
        record: a file that keeps the trials; what it has of these arms is not run again.
    """
    known = read_record(record)
    tuned = {}
    for name, encoded in prepared.texts.items():
        texts = None
        for arm in arms:
            if arm.tokenizer != name or arm.schedule.seed != 0:
                continue
            key = _fingerprint(arm, encoded, prepared.corpus)
            if key not in known:
                texts = texts or training_slice(encoded, prepared.corpus)
                known[key] = tune(arm, texts, device=device, on_trial=partial(on_event, arm))
                if record is not None:
                    write_json(record, known)
            tuned[name, arm.recipe] = known[key]
    return tuned


def _fingerprint(arm: Arm, encoded: EncodedCorpus, corpus: Corpus) -> str:
    """Return a hash of all that the trials of an arm depend on."""
    facts = (arm, encoded.tokenizer.to_dict(), corpus.sha256, len(corpus.train))
    return hashlib.sha256(msgspec.json.encode(facts)).hexdigest()


def read_record(record: Path | None) -> dict[str, Tuned]:
    if record is None or not record.is_file():
        return {}
    try:
        return msgspec.json.decode(record.read_bytes(), type=dict[str, Tuned])
    except (OSError, ValueError, RecursionError) as error:
        log.warning("the trials of learning rates are run again: %s: %s", record.name, error)
        return {}


def _trial_schedule(schedule: Schedule) -> Schedule:
    if schedule.steps is not None:
        steps = -(-schedule.steps // TRIAL_PART)
        return replace(schedule, steps=steps, evaluations=min(TRIAL_EVALUATIONS, steps))
    assert schedule.seconds is not None
    return replace(schedule, seconds=schedule.seconds / TRIAL_PART, evaluations=TRIAL_EVALUATIONS)
