"""Write the calibration of the verdict as a page."""

from __future__ import annotations

from gptkit.report.table import Column, Section, Spec, Table, build_rows, to_markdown
from gptkit.results.studies import Calibration, Coverage

COLUMNS: list[Spec[Coverage]] = [
    Spec(Column("noise from the text"), lambda row: f"{row.text:g}"),
    Spec(Column("noise from the seeds"), lambda row: f"{row.seeds:g}"),
    Spec(Column("seeds"), lambda row: str(row.n_seeds)),
    Spec(Column("covered"), lambda row: f"{row.covered:.1%}"),
]


def markdown(found: Calibration) -> str:
    """Write the report of `gptkit.bench.calibration.calibrate`."""
    columns, rows = build_rows(COLUMNS, found.coverage)
    copies = found.copies
    lines = [
        "# Can the verdict be trusted?",
        "",
        f"Synthetic arms have a true difference of {found.difference} bits per byte, with "
        f"{found.trials:,} trials for each kind of noise. The table shows how often the 95 % "
        "interval contains the truth.",
        "",
        *to_markdown(Table("", columns, [Section(rows)])),
        "",
        "Noise is the standard deviation of the mean difference, in bits per byte.",
        "",
        f"Copies of one tokenizer (char) have no difference. {copies.trained:,} trainings of a "
        f"small decoder differ only in the seed. {copies.seeds} of them are compared with "
        f"{copies.seeds} others, drawn at random, {found.trials:,} times. In "
        f"{copies.not_told_apart:.1%} of these comparisons the verdict claims no difference.",
        "",
        "## Run this again",
        "",
        f"    gptkit calibrate --trials {found.trials} --copies {copies.trained}",
        "",
    ]
    return "\n".join(lines)
