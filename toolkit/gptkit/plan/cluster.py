"""Read what a cluster has: nodes with processors, and GPUs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from gptkit.errors import ConfigError

MAX_NODES = 100_000
MAX_CORES = 9999


@dataclass(frozen=True, kw_only=True)
class Nodes:
    """Equal nodes of a cluster.

    Attributes:
        kind: "cpu" for a node that trains on its cores, "gpu" for one GPU.
        cores: of each node; None for as many as this machine has.
        tflops: TFLOP/s that a GPU reaches in training; None for what this machine's GPU reaches.
    """

    kind: Literal["cpu", "gpu"]
    count: int
    cores: int | None = None
    tflops: float | None = None


def parse_cluster(text: str) -> tuple[Nodes, ...]:
    """Read nodes, as in `4xcpu:16,2xgpu:90`.

    >>> for nodes in parse_cluster("4xcpu:16, 2×gpu:90"):
    ...     print(nodes)
    Nodes(kind='cpu', count=4, cores=16, tflops=None)
    Nodes(kind='gpu', count=2, cores=None, tflops=90.0)

    Raises:
        ConfigError: it is no list of nodes.
    """
    return tuple(_parse_nodes(part.strip(), text) for part in text.split(","))


def _parse_nodes(part: str, text: str) -> Nodes:
    match = re.fullmatch(
        r"([0-9]{1,9})[x×](?:(cpu)(?::([0-9]{1,6}))?|(gpu)(?::([0-9]{1,6}(?:\.[0-9]{1,6})?))?)",
        part,
        re.ASCII | re.IGNORECASE,
    )
    where = f"cluster {text!r}" if part == text else f"{part!r} in cluster {text!r}"
    if match is None:
        raise ConfigError(
            f"{where} names no nodes.\n"
            "Give 4xcpu for four nodes like this machine, or 4xcpu:16 for nodes of 16 cores;\n"
            "2xgpu for two GPUs like this machine's, or 2xgpu:90 for GPUs that train at 90 "
            "TFLOP/s;\n"
            "several with commas, as in 4xcpu:16,2xgpu:90."
        )
    count, _, cores, gpu, tflops = match.groups()
    if not 1 <= int(count) <= MAX_NODES:
        raise ConfigError(f"{where} must have from 1 to {MAX_NODES:,} nodes.")
    if cores is not None and not 1 <= int(cores) <= MAX_CORES:
        raise ConfigError(f"{where} must have from 1 to {MAX_CORES:,} cores in a node.")
    if tflops is not None and not float(tflops):
        raise ConfigError(f"{where} must have a rate above 0 TFLOP/s.")
    return Nodes(
        kind="gpu" if gpu else "cpu",
        count=int(count),
        cores=None if cores is None else int(cores),
        tflops=None if tflops is None else float(tflops),
    )
