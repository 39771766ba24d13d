"""The ladder as part of a report: a table for each tokenizer, and one of bits per byte for all."""

from __future__ import annotations

from typing import Any

from gptkit.report.cells import cell, table_head, table_row
from gptkit.report.formatting import short
from gptkit.results.ladder import StageRow, ladder_note, preset_of, published, stage_rows

COLUMNS = (
    *("stage", "what it adds", "parameters", "text read"),
    *("nats/token", "bits/byte", "gain over the stage before"),
)


def ladder_lines(result: dict[str, Any]) -> list[str]:
    """Lines of Markdown; none for an experiment that is no ladder."""
    if preset_of(result) is None:
        return []
    rows = stage_rows(result)
    lines = ["## The ladder", ""]
    if len(rows) > 1:
        lines += [*bits_table(result), ""]
    for tokenizer, of in rows.items():
        known = any(row.published for row in of)
        columns = (*COLUMNS, *(["published, nats"] if known else []))
        lines += [f"**{cell(tokenizer)}**", "", *table_head(columns, names=2)]
        lines += [
            table_row([*_cells(stage), *([stage.published] if known else [])]) for stage in of
        ]
        lines.append("")
    spread = len({arm["seed"] for arm in result["arms"]}) > 1
    return [*lines, ladder_note(result, spread=spread)]


def bits_table(result: dict[str, Any]) -> list[str]:
    """A row per stage, a column per tokenizer: bits per byte, the lowest in bold."""
    rows = stage_rows(result)
    columns = ["stage", "what it adds", *map(cell, rows), "published for char"]
    lines = table_head(columns, names=2)
    for same in zip(*rows.values(), strict=True):
        best = min(stage.bits for stage in same)
        shown = [f"**{s.bits:.3f}**" if s.bits == best else f"{s.bits:.3f}" for s in same]
        elsewhere = published(same[0].stage, result, bits=True)
        lines.append(table_row([same[0].stage, same[0].adds, *shown, elsewhere]))
    return lines


def _cells(stage: StageRow) -> list[str]:
    spread = "" if stage.deviation is None else f" ± {stage.deviation:.3f}"
    return [
        stage.stage,
        stage.adds,
        short(stage.params),
        f"{short(stage.train_bytes)}B",
        f"{stage.nats_per_token:.3f}",
        f"**{stage.bits:.3f}**{spread}",
        "" if stage.gain is None else f"{stage.gain:+.3f}",
    ]
