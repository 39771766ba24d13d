"""Show what an experiment would cost on a cluster."""

from __future__ import annotations

from collections.abc import Sequence

from gptkit.report.formatting import duration
from gptkit.report.table import Column, Row, Section, Table
from gptkit.results.cost import ExperimentCost, NodesCost


def cluster_table(costs: Sequence[ExperimentCost]) -> Table:
    """Make a table of experiments that run one after another, with a row per kind of nodes."""
    rows = [_row(parts) for parts in zip(*(cost.cluster for cost in costs), strict=True)]
    rated = any(nodes.tflops is not None for nodes in costs[0].cluster)
    return Table(
        title="What it would cost on a cluster",
        columns=[
            Column("nodes", "left"),
            *map(
                Column,
                ("arms at \na time", "time", "time on \none", "times \nfaster", "hours", "busy"),
            ),
        ],
        sections=[Section(rows)],
        notes=[
            "Each row trains all arms, from the first arm's start to the last one's end. Every arm "
            f"has a fresh process, whose start takes {costs[0].cluster[0].start_seconds:.1f} s. "
            "Hours are nodes, or GPUs, times time. Busy is the part of their time that arms take. "
            "The speeds were timed for two seconds: small differences are chance."
            + (" At a given rate a GPU's time is a lower bound." if rated else "")
        ],
    )


def _row(parts: Sequence[NodesCost]) -> Row:
    first = parts[0]
    seconds = sum(part.seconds for part in parts)
    alone = sum(part.one_node_seconds for part in parts)
    busy = sum(part.busy_share * part.seconds for part in parts) / seconds
    return [
        _name(first),
        f"{max(part.arms_at_a_time for part in parts):,}",
        duration(seconds),
        duration(alone),
        f"{alone / seconds:.1f}",
        _hours(sum(part.node_hours for part in parts)),
        f"{busy:.0%}",
    ]


def _name(nodes: NodesCost) -> str:
    if nodes.kind == "gpu":
        rate = "" if nodes.tflops is None else f", {nodes.tflops:g} TFLOP/s"
        return f"{nodes.nodes:,} GPU{'s' if nodes.nodes > 1 else ''}{rate}"
    plural = "s" if nodes.nodes > 1 else ""
    return f"{nodes.nodes:,} node{plural} of {nodes.cores} core{'s' if nodes.cores != 1 else ''}"


def _hours(hours: float) -> str:
    return f"{hours:,.0f}" if hours >= 100 else f"{hours:.2g}"
