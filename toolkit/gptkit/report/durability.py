"""Write what `gptkit stress` found as a page."""

from __future__ import annotations

from gptkit.report.table import Column, Section, Spec, Table, build_rows, to_markdown
from gptkit.results.stress_schema import Durability, FileRow, KillRow, TextRow

KILLS: list[Spec[KillRow]] = [
    Spec(Column("command", "left"), lambda row: row.command),
    Spec(Column("kills"), lambda row: f"{row.kills:,}"),
    Spec(Column("ends"), lambda row: f"{row.runs:,}"),
    Spec(Column("blocked"), lambda row: str(row.blocked)),
    Spec(Column("orphans"), lambda row: str(row.orphans)),
    Spec(Column("half-written"), lambda row: str(row.half_written)),
    Spec(Column("numbers differ"), lambda row: str(row.differing)),
    Spec(Column("left over"), lambda row: str(row.left_over)),
    Spec(Column("minutes"), lambda row: f"{row.seconds / 60:.1f}"),
]
FILES: list[Spec[FileRow]] = [
    Spec(Column("kind of file", "left"), lambda row: row.kind),
    Spec(Column("files"), lambda row: f"{row.files:,}"),
    Spec(Column("accepted"), lambda row: f"{row.accepted:,}"),
    Spec(Column("refused"), lambda row: f"{row.refused:,}"),
    Spec(Column("findings"), lambda row: str(row.findings)),
    Spec(Column("slowest, s"), lambda row: f"{row.slowest:.2f}"),
    Spec(Column("memory, MB"), lambda row: f"{row.largest / 1e6:,.0f}"),
]
TEXTS: list[Spec[TextRow]] = [
    Spec(Column("tokenizer", "left"), lambda row: row.tokenizer),
    Spec(Column("texts"), lambda row: f"{row.texts:,}"),
    Spec(Column("MB"), lambda row: f"{row.n_bytes / 1e6:,.1f}"),
    Spec(Column("failures"), lambda row: str(row.failures)),
    Spec(Column("minutes"), lambda row: f"{row.seconds / 60:.1f}"),
]


def durability_page(found: Durability) -> str:
    """Write the report of `gptkit stress`."""
    lines = ["# What survives", ""]
    if found.kills:
        columns, rows = build_rows(KILLS, found.kills)
        lines += [
            "Each command is killed with SIGKILL at random moments over its life, and run again, "
            "with --resume where it has that, to its end. The end is then compared with that of a "
            "command left alone: every file, byte for byte, times aside. Blocked is an end with an "
            "error. An orphan is a process that lives on for 20 s after its parent. Half-written is"
            " a run, an export or a results file that has its name and is not whole. Left over are "
            "hidden files in the end.",
            "",
            *to_markdown(Table("", columns, [Section(rows)])),
            "",
        ]
    if found.files:
        columns, rows = build_rows(FILES, found.files)
        lines += [
            "Each kind of file that gptkit reads is mutated at random: bits, cuts and copies of "
            "any file; other types, sizes and depths of values in JSON. Each must give a result, "
            "or one message and exit code 2. A finding is anything else, more than 10 s, or a "
            "process of more than 1 GB.",
            "",
            *to_markdown(Table("", columns, [Section(rows)])),
            "",
        ]
    if found.texts:
        columns, rows = build_rows(TEXTS, found.texts)
        lines += [
            "Random Unicode texts of every script, with control characters, unpaired marks and long"
            " runs. A failure is a text that does not come back byte for byte, or whose tokens do "
            "not count its bytes.",
            "",
            *to_markdown(Table("", columns, [Section(rows)])),
            "",
        ]
    notes = [note for row in found.kills for note in row.notes]
    notes += [note for file in found.files for note in file.notes]
    if notes:
        lines += ["## Findings", "", *(f"    {line}" for n in notes for line in n.splitlines()), ""]
    return "\n".join([*lines, "## Run this again", "", f"    {found.command}", ""])
