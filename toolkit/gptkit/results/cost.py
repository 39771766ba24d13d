"""The types of a cost estimate."""

from __future__ import annotations

import msgspec


class ArmCost(msgspec.Struct, frozen=True, kw_only=True):
    """The estimated cost of one arm.

    Attributes:
        memory_bytes: memory of the weights, gradients, optimiser states and best weights.
        seconds: time with all cores.
    """

    id: str
    tokenizer: str
    model: str
    seed: int
    steps: int | None
    params: int
    flops: float | None
    memory_bytes: int
    seconds: float


class ExperimentCost(msgspec.Struct, frozen=True, kw_only=True):
    """The estimated cost of an experiment, without the trials of tuning.

    Attributes:
        memory_bytes: memory of all processes together; None on Windows.
        seconds: time from the start of the first arm to the end of the last.
    """

    arms: list[ArmCost]
    processes: int
    device: str
    memory_bytes: int | None
    seconds: float
