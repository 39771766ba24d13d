"""Make the table of models that were scored on a text."""

from __future__ import annotations

from gptkit.report.formatting import short
from gptkit.report.table import Cell, Column, Section, Spec, Table, build_rows
from gptkit.results.scores import ModelScore, Scores


def _interval(score: ModelScore) -> str:
    if score.ci95 is None:
        return "–"
    low, high = score.ci95
    return f"±{(high - low) / 2:.3f}"


def _per_token(score: ModelScore) -> str:
    return f"{score.loss.bytes / score.loss.tokens:.3f}"


SCORE_COLUMNS: list[Spec[ModelScore]] = [
    Spec(Column("model", "left", fold=True), lambda s: s.name),
    Spec(Column("type", "left"), lambda s: s.model_type),
    Spec(Column("vocab"), lambda s: f"{s.vocab_size:,}"),
    Spec(Column("params"), lambda s: short(s.parameters)),
    Spec(Column("context"), lambda s: f"{s.context:,}"),
    Spec(Column("bytes/\ntoken"), _per_token),
    Spec(Column("bits/\nbyte", needed=True), lambda s: Cell(f"{s.loss.bits_per_byte:.4f}")),
    Spec(Column("95 %"), _interval),
    Spec(
        Column("bytes \nlost"),
        lambda s: f"{s.loss.lost_bytes:,}",
        shown=lambda scores: any(s.loss.lost_bytes for s in scores),
    ),
    Spec(Column("seconds"), lambda s: f"{s.seconds:.1f}"),
]


def score_table(scores: Scores) -> Table:
    """Make a table with a row per model, the best first."""
    columns, rows = build_rows(SCORE_COLUMNS, scores.models)
    known = any(score.ci95 for score in scores.models)
    return Table(
        title=f"Bits per byte of {scores.text}, {scores.bytes:,} bytes",
        columns=columns,
        sections=[Section(rows)],
        notes=[
            "Every byte is scored once. Context is in tokens.",
            *(["The interval is from the text: a block bootstrap."] if known else []),
        ],
    )
