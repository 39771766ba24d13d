"""Estimate what an experiment would cost on a cluster: a schedule on paper.

The Ray engine's rules are applied: an arm takes as many cores as it would here, or one GPU. Arms
wait in one line, the longest first, and the next one goes to the node with the most free cores.
Every arm begins in a fresh process.
"""

from __future__ import annotations

import heapq
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

import torch

from gptkit.config import Arm
from gptkit.data.encoding import EncodedCorpus
from gptkit.engines.cost import measure_arms, seconds_with
from gptkit.engines.device import fault
from gptkit.engines.job import check_one_clock, share_threads
from gptkit.errors import ConfigError
from gptkit.plan.cluster import Nodes
from gptkit.plan.matching import flops_per_token, training_flops
from gptkit.results.cost import NodesCost

FORWARD_SHARE = 1 / 3  # of a training step's FLOPs; the backward pass has twice as many


@dataclass(frozen=True)
class Task:
    """An arm on a node: the cores that it takes, and for how long."""

    cores: int
    seconds: float


def estimate_on_cluster(
    cluster: Sequence[Nodes],
    arms: Sequence[Arm],
    texts: Mapping[str, EncodedCorpus],
    *,
    processes: int,
) -> list[NodesCost]:
    """Estimate the cost on each kind of nodes; all arms are trained on one kind.

    Args:
        processes: how many arms this machine trains at a time. It decides an arm's cores.

    Raises:
        ConfigError: arms are matched by time on several nodes, or a GPU's speed is not known.
    """
    check_one_clock(arms, max(nodes.count for nodes in cluster))
    for nodes in cluster:
        _check_speed_is_known(nodes)
    start = _start_seconds()
    order = sorted(arms, key=lambda arm: -training_flops(arm, texts[arm.tokenizer]))
    shares, _ = share_threads(
        [training_flops(arm, texts[arm.tokenizer]) for arm in order],
        processes=processes,
        threads=torch.get_num_threads(),
    )
    taken = {nodes: [min(share, _cores(nodes)) for share in shares] for nodes in cluster}
    counts = {n for nodes, wanted in taken.items() if nodes.kind == "cpu" for n in wanted}
    on_cpu = measure_arms(order, texts, torch.device("cpu"), counts) if counts else []
    found = []
    for nodes, wanted in taken.items():
        if nodes.kind == "cpu":
            seconds = [seconds_with(cost, n) for cost, n in zip(on_cpu, wanted, strict=True)]
        else:
            seconds = _gpu_seconds(nodes, order, texts)
        tasks = [Task(n, start + took) for n, took in zip(wanted, seconds, strict=True)]
        found.append(_cost_on(nodes, tasks, start))
    return found


def _cores(nodes: Nodes) -> int:
    """Return how many cores a node has for arms; a GPU counts as one."""
    return nodes.cores or os.cpu_count() or 1 if nodes.kind == "cpu" else 1


def _cost_on(nodes: Nodes, tasks: Sequence[Task], start: float) -> NodesCost:
    cores = _cores(nodes)
    seconds = makespan(tasks, nodes=nodes.count, cores=cores)
    room = nodes.count * (cores // max(task.cores for task in tasks))
    return NodesCost(
        kind=nodes.kind,
        nodes=nodes.count,
        cores=cores if nodes.kind == "cpu" else None,
        tflops=nodes.tflops,
        arms_at_a_time=min(len(tasks), room),
        start_seconds=start,
        seconds=seconds,
        one_node_seconds=makespan(tasks, nodes=1, cores=cores),
        node_hours=nodes.count * seconds / 3600,
        busy_share=sum(task.cores * task.seconds for task in tasks)
        / (nodes.count * cores * seconds),
    )


def makespan(tasks: Sequence[Task], *, nodes: int, cores: int) -> float:
    """Return the seconds from the start of the first task to the end of the last.

    >>> makespan([Task(1, 5.0), Task(1, 3.0), Task(1, 2.0)], nodes=2, cores=1)
    5.0
    >>> makespan([Task(2, 5.0), Task(1, 3.0), Task(1, 2.0)], nodes=1, cores=2)
    8.0
    """
    free = [cores] * nodes
    most = [(-cores, node) for node in range(nodes)]  # a heap; an entry may be out of date
    running: list[tuple[float, int, int]] = []  # end, node, cores
    now = 0.0
    for task in tasks:
        while True:
            while -most[0][0] != free[most[0][1]]:
                heapq.heappop(most)
            if free[most[0][1]] >= task.cores:
                break
            now, node, freed = heapq.heappop(running)
            free[node] += freed
            heapq.heappush(most, (-free[node], node))
        node = most[0][1]
        free[node] -= task.cores
        heapq.heappush(most, (-free[node], node))
        heapq.heappush(running, (now + task.seconds, node, task.cores))
    return max((end for end, _, _ in running), default=now)


@cache
def _start_seconds() -> float:
    """Measure how long a fresh process takes until it can train an arm; on Ray, if it is here."""
    modules = ["ray"] if find_spec("ray") else []
    began = time.perf_counter()
    subprocess.run(
        [sys.executable, "-P", "-c", f"import {', '.join([*modules, 'gptkit.engines.arm'])}"],
        check=True,
        stdin=subprocess.DEVNULL,
    )
    return time.perf_counter() - began


def _check_speed_is_known(nodes: Nodes) -> None:
    if nodes.kind == "cpu" or nodes.tflops is not None:
        return
    if (reason := fault("cuda")) is not None:
        raise ConfigError(
            f"there is no GPU here to time the arms on: {reason}.\n"
            f"Give the rate that yours train at, as in {nodes.count}xgpu:90 for 90 TFLOP/s.\n"
            "An H200 reaches that with the recipe large, and less with small models."
        )


def _gpu_seconds(
    nodes: Nodes, arms: Sequence[Arm], texts: Mapping[str, EncodedCorpus]
) -> list[float]:
    if nodes.tflops is not None:
        return [_flops(arm, texts[arm.tokenizer]) / (nodes.tflops * 1e12) for arm in arms]
    threads = torch.get_num_threads()
    costs = measure_arms(arms, texts, torch.device("cuda"), {threads})
    return [seconds_with(cost, threads) for cost in costs]


def _flops(arm: Arm, encoded: EncodedCorpus) -> float:
    """Return the FLOPs of an arm's training and of its evaluations."""
    n_test = 0 if encoded.test is None else len(encoded.test.ids)
    scored = arm.schedule.evaluations * len(encoded.val.ids) + n_test
    forward = FORWARD_SHARE * flops_per_token(arm, encoded)
    return training_flops(arm, encoded) + scored * forward
