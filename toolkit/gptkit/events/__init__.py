"""Events: what an arm reports while it trains. They are small, picklable, and hold no arrays."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gptkit.config import Arm
from gptkit.events.losses import Loss


class StepDone(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="step"):
    """A training step has ended.

    Attributes:
        step: the number of the step, from 1.
        loss: the loss of the step's batch, in nats per token.
        seconds: seconds of training since the start, without evaluation.
        train_bytes, train_tokens: bytes and tokens read since the start.
    """

    step: int
    loss: float
    seconds: float
    train_bytes: int
    train_tokens: int


class Evaluated(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="evaluation"):
    """The whole validation text was scored after a step. `best`: it is the best score so far."""

    step: int
    seconds: float
    train_bytes: int
    loss: Loss
    best: bool


class Resumed(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="resumed"):
    """An arm goes on from a checkpoint, or starts again because none can be used.

    Attributes:
        step: the last step that is done.
        notes: what a reader should know, one line each.
    """

    step: int
    notes: tuple[str, ...] = ()


class TrialDone(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="trial"):
    """A trial of a learning rate has ended.

    Attributes:
        factor: of the recipe's learning rates.
        bits_per_byte: at its last evaluation; None if it diverged.
        part: how much of its full length the trial ran before it was stopped.
    """

    factor: float
    bits_per_byte: float | None
    part: float


class ArmDone(msgspec.Struct, frozen=True, kw_only=True, tag_field="event", tag="done"):
    """An arm is finished and recorded. `kept`: an earlier run trained it."""

    loss: Loss
    kept: bool = False


Event = StepDone | Evaluated | Resumed | TrialDone | ArmDone
OnEvent = Callable[[Arm, Event], None]


def ignore(arm: Arm, event: Event) -> None:
    """An `OnEvent` that does nothing."""
