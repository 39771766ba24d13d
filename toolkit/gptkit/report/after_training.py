"""Make tables of what was measured of trained arms: all tokenizations, and perturbed texts."""

from __future__ import annotations

from gptkit.report.formatting import short
from gptkit.report.table import Column, Row, Section, Table
from gptkit.results.schema import Perturbed, Results


def marginal_table(results: Results) -> Table | None:
    """Make a table of what canonical tokenization costs; None if it was not measured."""
    if not results.marginals:
        return None
    rows: list[Row] = [
        [
            row.tokenizer,
            row.model,
            f"{row.canonical:.4f}",
            f"{row.bits_per_byte:.4f}",
            f"{row.gap + 1e-9:.4f}" + ("" if row.error is None else f" ±{row.error:.4f}"),
            f"{(row.gap + 1e-9) / row.canonical:.2%}",
            short(row.bytes),
        ]
        for row in results.marginals
    ]
    return Table(
        title="Loss over all tokenizations, bits per byte",
        columns=[
            Column("tokenizer", "left", fold=True),
            Column("model", "left", fold=True),
            Column("canonical"),
            Column("all", needed=True),
            Column("gap", needed=True),
            Column("%"),
            Column("bytes"),
        ],
        sections=[Section(rows)],
        notes=[
            "The canonical tokenization is one of many that spell the text. Pair models: exact. "
            "Others: an upper bound, from sampled tokenizations of windows of half the context; "
            "± is the standard error over the windows."
        ],
        dense=True,
    )


def perturbed_table(results: Results) -> Table | None:
    """Make a table of what perturbations cost each tokenizer; None if they were not measured."""
    if not results.perturbed:
        return None
    kinds = list(dict.fromkeys(row.kind for row in results.perturbed))
    sections = []
    for model in dict.fromkeys(row.model for row in results.perturbed):
        at = {(r.tokenizer, r.kind): r for r in results.perturbed if r.model == model}
        rows: list[Row] = [
            [name, *(_perturbed_cell(at[name, kind]) for kind in kinds)]
            for name in dict.fromkeys(name for name, _ in at)
        ]
        sections.append(Section(rows, model))
    return Table(
        title="What a perturbed text costs, in bits per byte above the text itself",
        columns=[
            Column("tokenizer", "left", fold=True),
            *(Column(kind, fold=True, needed=True) for kind in kinds),
        ],
        sections=sections,
        notes=[
            "The same models, not trained again. ± is half of a 95 % interval. – marks a text that "
            "the tokenizer cannot encode."
        ],
        dense=True,
    )


def _perturbed_cell(row: Perturbed) -> str:
    if row.delta_bits_per_byte is None:
        return "–"
    if row.ci95 is None:
        return f"{row.delta_bits_per_byte:+.3f}"
    return f"{row.delta_bits_per_byte:+.3f} ±{(row.ci95[1] - row.ci95[0]) / 2:.3f}"
