"""Write what `gptkit bench cluster` measured as a page."""

from __future__ import annotations

from statistics import median

from gptkit.report.table import Column, Row, Section, Table, to_markdown
from gptkit.results.cluster_schema import ClusterRun, ClusterSpeed


def cluster_page(found: ClusterSpeed) -> str:
    """Write the report of `gptkit.bench.cluster.measure_cluster`."""
    alone = {run.sweep: median(run.measured) for run in found.runs if run.nodes == 1}
    columns = [
        Column("sweep", "left"),
        *map(Column, ("arms", "nodes", "planned s", "measured s", "measured / planned")),
        Column("of one node"),
    ]
    rows = [_row(run, alone[run.sweep]) for run in found.runs]
    rounds = len(found.runs[0].measured)
    return "\n".join(
        [
            "# Sweeps on a cluster: planned and measured",
            "",
            f"{_rounds(rounds)} on local Ray nodes of one core each, that share a machine of "
            f"{found.cores} cores; torch {found.torch}, Ray {found.ray}. A plan is what `--dry-run "
            "--cluster` says, calibrated by as many processes at a time as there are nodes. It "
            "leaves out samples, files, and the work of Ray's own processes, which share the cores "
            "here. Of one node: the time as a part of one node's.",
            "",
            *to_markdown(Table("", columns, [Section(rows)])),
            "",
            "## Run this again",
            "",
            f"    gptkit bench cluster --rounds {rounds}",
            "",
        ]
    )


def _rounds(n: int) -> str:
    if n == 1:
        return "One round"
    return f"Medians over {n} rounds, and in brackets the lowest and the highest,"


def _row(run: ClusterRun, alone: float) -> Row:
    ratios = [took / planned for took, planned in zip(run.measured, run.planned, strict=True)]
    spread = f" ({min(ratios):.2f} to {max(ratios):.2f})" if len(ratios) > 1 else ""
    return [
        run.sweep,
        str(run.arms),
        str(run.nodes),
        f"{median(run.planned):.1f}",
        f"{median(run.measured):.1f}",
        f"{median(ratios):.2f}" + spread,
        f"{median(run.measured) / alone:.2f}",
    ]
