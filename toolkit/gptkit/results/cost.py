"""The types of a cost estimate."""

from __future__ import annotations

import msgspec


class ArmCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one arm will take.

    Attributes:
        memory_bytes: weights, their gradients, the optimiser and the best weights.
        seconds: with all cores.
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
    """What an experiment will take; tuning's trials are not counted.

    Attributes:
        memory_bytes: of all processes together; None on Windows.
        seconds: from the first arm's start to the last one's end.
    """

    arms: list[ArmCost]
    processes: int
    device: str
    memory_bytes: int | None
    seconds: float
