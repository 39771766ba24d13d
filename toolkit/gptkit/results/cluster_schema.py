"""The types of what `gptkit bench cluster` measured."""

from __future__ import annotations

from typing import Literal

from gptkit.results.schema import Record


class ClusterRun(Record, frozen=True, kw_only=True):
    """A sweep on some nodes: what was planned, and what it took, in seconds, for each round."""

    sweep: str
    arms: int
    nodes: int
    planned: list[float]
    measured: list[float]


class ClusterSpeed(Record, frozen=True, kw_only=True, tag_field="kind", tag="cluster-speed"):
    """What `gptkit bench cluster` measured.

    Attributes:
        cores: of the machine that all nodes share.
    """

    format: Literal[1] = 1
    gptkit: str
    torch: str
    ray: str
    cores: int | None
    runs: list[ClusterRun]
