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
            f"Medians over {rounds} round{'s' if rounds > 1 else ''}, on local Ray nodes of one "
            f"core each, that share a machine of {found.cores} cores; torch {found.torch}, Ray "
            f"{found.ray}. A plan is what `--dry-run --cluster` says, calibrated by as many "
            "processes at a time as there are nodes. In brackets: the lowest and the highest of "
            "the rounds. Of one node: the time as a part of one node's. A plan leaves out samples, "
            "files, and the work of Ray's own processes, which share the cores here.",
            "",
            *to_markdown(Table("", columns, [Section(rows)])),
            "",
            "## Run this again",
            "",
            "    gptkit bench cluster",
            "",
        ]
    )


def _row(run: ClusterRun, alone: float) -> Row:
    ratios = [took / planned for took, planned in zip(run.measured, run.planned, strict=True)]
    return [
        run.sweep,
        str(run.arms),
        str(run.nodes),
        f"{median(run.planned):.1f}",
        f"{median(run.measured):.1f}",
        f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})",
        f"{median(run.measured) / alone:.2f}",
    ]
