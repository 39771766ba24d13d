"""Write the measurements of `gptkit bench` as a page."""

from __future__ import annotations

from gptkit.report.table import Cell, Column, Row, Section, Spec, Table, build_rows, to_markdown
from gptkit.results.studies import Ablations, BitsWithout, MeasuredRow, Speed, StepsToLoss

COLUMNS: list[Spec[MeasuredRow]] = [
    Spec(Column("what", "left"), lambda m: m.what if m.unit == "s" else f"{m.what}, {m.unit}"),
    Spec(Column("baseline", "left"), lambda m: m.against),
    Spec(Column("baseline's"), lambda m: f"{m.baseline:.3g}"),
    Spec(Column("ours"), lambda m: f"{m.ours:.3g}"),
    Spec(Column("ratio"), lambda m: Cell(f"{m.ratio:.2f}", "best")),
    Spec(Column("lowest to highest"), lambda m: f"{m.lowest:.2f} to {m.highest:.2f}"),
    Spec(Column("goal"), lambda m: f"{m.goal:.3g}" + ("" if m.ratio >= m.goal else ", missed")),
]


def markdown(found: Speed) -> str:
    """Write a row per measurement: medians, and how many times better ours is."""
    columns, rows = build_rows(COLUMNS, found.measurements)
    machine = found.machine
    lines = [
        "# How fast",
        "",
        f"Baseline and ours are measured in turns over {found.rounds} rounds. The figures are "
        "medians for the same work, in seconds unless a unit is given. A ratio above 1 means "
        "that ours is better.",
        "",
        *to_markdown(Table("", columns, [Section(rows)])),
        *(_ablations(found.ablations) if found.ablations else []),
        "",
        f"{machine.cores} cores ({machine.processor}), {machine.threads} threads, Python "
        f"{machine.python}, torch {machine.torch}.",
        "",
    ]
    return "\n".join(lines)


def _more_than(row: StepsToLoss, shown: str) -> str:
    return shown if row.reached else f"more than {shown}"


STEPS_COLUMNS: list[Spec[StepsToLoss]] = [
    Spec(Column("without", "left"), lambda row: row.without),
    Spec(Column("steps"), lambda row: _more_than(row, str(row.steps))),
    Spec(Column("seconds"), lambda row: _more_than(row, f"{row.seconds:.1f}")),
]


def _ablations(found: Ablations) -> list[str]:
    """Write `fast` without each of its choices: the time to the loss, and the losses."""
    columns, rows = build_rows(STEPS_COLUMNS, found.time_to_loss)
    lines = [
        "",
        "## Without each choice",
        "",
        f"The shortest training that ends at {found.target} nats per character, of lengths that "
        "grow by a quarter, seed 0.",
        "",
        *to_markdown(Table("", columns, [Section(rows)])),
    ]
    for data, without in found.bits_per_byte.items():
        lines += [
            "",
            f"On {data}, {found.budget} of training text, as `gptkit compare` trains `fast`: bits "
            "per byte of the validation text, and in brackets what the choice gains.",
            "",
            *to_markdown(_bits_table(without)),
        ]
    return lines


def _bits_table(without: list[BitsWithout]) -> Table:
    whole = without[0].bits_per_byte
    rows: list[Row] = []
    for row in without:
        bits = row.bits_per_byte
        cells = [f"{bits[t]:.3f} ({bits[t] - whole[t]:+.3f})" for t in ("char", "gpt2")]
        rows.append([row.without, *cells, f"{bits['char'] - bits['gpt2']:+.3f}"])
    headings = ("char", "gpt2", "gpt2 better than char by")
    columns = [Column("without", "left"), *map(Column, headings)]
    return Table("", columns, [Section(rows)])
