"""The names of what trackers are told, the same for all of them. The x-axis is `train/bytes`."""

from __future__ import annotations

import math
from typing import Any

import msgspec

from gptkit.config import Arm
from gptkit.events import Evaluated, StepDone
from gptkit.results.schema import ArmResult

X_AXIS = "train/bytes"  # steps cannot be compared where arms have unlike ones


def step_fields(arm: Arm, step: StepDone) -> dict[str, float]:
    """Return what is said of a training step.

    `train/bits_per_byte` is the loss of the step's batch with the mean number of tokens per byte
    until then.
    """
    schedule = arm.schedule
    done = (
        (step.step - 1) / schedule.steps
        if schedule.steps
        else min(1.0, step.seconds / (schedule.seconds or math.inf))
    )
    tokens_per_byte = step.train_tokens / step.train_bytes if step.train_bytes else 0.0
    return {
        "train/loss_nats_per_token": step.loss,
        "train/bits_per_byte": step.loss * tokens_per_byte / math.log(2),
        X_AXIS: step.train_bytes,
        "train/tokens": step.train_tokens,
        "train/seconds": step.seconds,
        "train/tokens_per_second": step.train_tokens / step.seconds if step.seconds else 0.0,
        "train/learning_rate_factor": arm.optim.rate_at(step.step - 1, done),
    }


def evaluation_fields(evaluated: Evaluated) -> dict[str, float]:
    """Return what is said of an evaluation."""
    return {
        "val/bits_per_byte": evaluated.loss.bits_per_byte,
        "val/nats_per_token": evaluated.loss.nats_per_token,
        X_AXIS: evaluated.train_bytes,
        "train/seconds": evaluated.seconds,
    }


def summary_fields(result: ArmResult) -> dict[str, float]:
    """Return what is said of a finished arm."""
    summary: dict[str, float] = {
        "best_step": result.best_step,
        "best/val/bits_per_byte": result.val.bits_per_byte,
        "params/total": result.params.total,
        "params/body": result.params.body,
    }
    if result.test is not None:
        summary["test/bits_per_byte"] = result.test.bits_per_byte
    return summary


def config_fields(arm: Arm) -> dict[str, Any]:
    """Return an arm's config with flat names, as in "schedule.block_size"."""
    return _flat(msgspec.to_builtins(arm))


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, inner in value.items():
        found |= (
            _flat(inner, f"{prefix}{name}.")
            if isinstance(inner, dict)
            else {f"{prefix}{name}": inner}
        )
    return found


def tags(arm: Arm) -> dict[str, str]:
    """Return the tags of an arm."""
    return {"tokenizer": arm.tokenizer, "model": arm.recipe, "seed": str(arm.schedule.seed)}
