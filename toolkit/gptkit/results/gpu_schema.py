"""The types of what `gptkit bench gpu` measured."""

from __future__ import annotations

from typing import Literal

from gptkit.results.schema import Record


class GpuStep(Record, frozen=True, kw_only=True):
    """How fast a recipe trains on a GPU.

    Attributes:
        milliseconds: of a step.
        share_of_peak: FLOPs of the model per second, over those of a large matrix product.
    """

    recipe: str
    tokenizer: str
    params: int
    milliseconds: float
    tokens_per_second: float
    flops_per_second: float
    share_of_peak: float


class GpuRun(Record, frozen=True, kw_only=True):
    """One training on a GPU: its seconds, and its lowest loss on the whole validation text."""

    seed: int
    steps: int
    seconds: float
    nats_per_char: float


class GpuSpeed(Record, frozen=True, kw_only=True, tag_field="kind", tag="gpu-speed"):
    """What `gptkit bench gpu` measured.

    Attributes:
        peak_flops: FLOPs per second of a large matrix product in bf16.
        target, to_target: a known loss, and trainings that end below it.
        best_published, to_best: the lowest published loss, and longer trainings.
    """

    format: Literal[1] = 1
    gptkit: str
    torch: str
    card: str
    peak_flops: float
    steps: list[GpuStep]
    target: float
    to_target: list[GpuRun]
    best_published: float
    to_best: list[GpuRun]
    seconds: float
