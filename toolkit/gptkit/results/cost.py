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


class NodesCost(msgspec.Struct, frozen=True, kw_only=True):
    """The estimated cost of an experiment on equal nodes of a cluster.

    Attributes:
        kind: "cpu" or "gpu".
        nodes: how many nodes, or GPUs.
        cores: of each node; None for GPUs.
        tflops: the rate that was given for a GPU; None if it was measured.
        arms_at_a_time: on all nodes together.
        start_seconds: of each arm's fresh process; it is a part of the arm's time.
        seconds: from the start of the first arm to the end of the last.
        one_node_seconds: the same on one such node.
        node_hours: nodes, or GPUs, times the time.
        busy_share: the part of the cores' or GPUs' time that arms take.
    """

    kind: str
    nodes: int
    cores: int | None
    tflops: float | None
    arms_at_a_time: int
    start_seconds: float
    seconds: float
    one_node_seconds: float
    node_hours: float
    busy_share: float


class ExperimentCost(msgspec.Struct, frozen=True, kw_only=True):
    """The estimated cost of an experiment, without the trials of tuning.

    Attributes:
        memory_bytes: memory of all processes together; None on Windows.
        seconds: time from the start of the first arm to the end of the last.
        cluster: the cost on the nodes that were asked for.
    """

    arms: list[ArmCost]
    processes: int
    device: str
    memory_bytes: int | None
    seconds: float
    cluster: list[NodesCost] = []
