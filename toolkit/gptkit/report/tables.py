"""Make the tables of an experiment's results, for every renderer."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from gptkit.report.formatting import printable, short
from gptkit.report.sentences import (
    cost_notes,
    match_summary,
    stretch_title,
)
from gptkit.report.table import Cell, Column, Row, Section, Spec, Table, build_rows, number_cell
from gptkit.results.balance import QUANTITIES, is_equal
from gptkit.results.schema import ArmResult, Results, Verdict
from gptkit.results.summary import (
    group_by_model,
    mean_bits,
    vocabulary_points,
)

BAR_COLUMNS = 30  # between the lowest loss and the highest
MAX_SIDE_BY_SIDE = 3  # tokenizers whose samples stand beside each other


def vocabulary_table(results: Results, *, least: int = 3) -> Table | None:
    """Make a table with bars of bits per byte by vocabulary size.

    Args:
        least: None below so many tokenizers.
    """
    curves = vocabulary_points(results)
    if min(map(len, curves.values())) < least:
        return None
    sections = []
    for model, points in curves.items():
        lowest, highest = min(p.bits for p in points), max(p.bits for p in points)
        rows: list[Row] = []
        for point in points:
            dots = round(BAR_COLUMNS * (point.bits - lowest) / ((highest - lowest) or 1))
            bar = Cell("·" * dots + "●", "best" if point.bits == lowest else None)
            rows.append([point.tokenizer, f"{point.vocab_size:,}", f"{point.bits:.3f}", bar])
        sections.append(Section(rows, model))
    return Table(
        title=f"Bits per byte by vocabulary size, matched by {results.match.by}",
        columns=[Column("", "left", fold=True), Column(""), Column(""), Column("", "left")],
        sections=sections,
    )


def model_table(results: Results, *, always: bool = True) -> Table | None:
    """Make a table of each tokenizer under each model, with ranks; the best overall is first.

    None for a single model.

    Args:
        always: if False, also None for two models that agree.
    """
    robust = results.robustness
    if robust is None:
        return None
    if not always and len(robust.best) < 3 and not robust.depends_on_model:
        return None
    bits = {(g[0].tokenizer, g[0].model): mean_bits(g) for g in group_by_model(results.arms)}
    tokenizers = list(dict.fromkeys(t for t, _ in bits))
    ranks = {model: sorted(tokenizers, key=lambda t: bits[t, model]) for model in robust.best}
    rows: list[Row] = []
    for t in sorted(tokenizers, key=lambda t: sum(order.index(t) for order in ranks.values())):
        cells: list[str | Cell] = [t]
        for model, order in ranks.items():
            unsure = " ≈" if t in robust.best[model].not_told_apart else ""
            rank = order.index(t) + 1
            cells.append(
                Cell(f"{bits[t, model]:.3f} ({rank}){unsure}", "best" if rank == 1 else None)
            )
        rows.append(cells)
    return Table(
        title="Bits per byte by model",
        columns=[Column("tokenizer", "left", fold=True), *map(Column, robust.best)],
        sections=[Section(rows)],
        notes=["In brackets the rank under that model; ≈ is not told apart from the best."],
    )


MATCH_HEADINGS = {
    "train_bytes": "text",
    "train_tokens": "tokens",
    "steps": "steps",
    "bytes_per_step": "text/\nstep",
    "context_bytes": "context \nbytes",
    "block_size": "context \ntokens",
    "body_params": "body \nparams",
    "total_params": "total \nparams",
    "train_flops": "FLOPs",
    "seconds": "s",
}


def match_table(results: Results) -> Table:
    """Make a table of what is equal across the tokenizers, and what is not."""
    sections: dict[str, list[Row]] = {}
    for seeds in group_by_model(results.arms):
        means = {name: fmean(map(of, seeds)) for name, of in QUANTITIES.items()}
        cells = [f"{v:.1f}" if name == "seconds" else short(v) for name, v in means.items()]
        sections.setdefault(seeds[0].model, []).append([seeds[0].tokenizer, *cells])
    for model, ratios in results.match.max_over_min.items():
        if len(sections[model]) > 1:
            sections[model].append(["max/min", *map(ratio_text, ratios.values())])
    return Table(
        title=match_summary(results),
        columns=[Column("", "left", fold=True), *map(Column, MATCH_HEADINGS.values())],
        sections=[Section(rows, model) for model, rows in sections.items()],
        notes=[cost_notes(results)],
        dense=True,
    )


def ratio_text(max_over_min: float | None) -> str:
    """Write the largest value divided by the smallest; "=" within 1 %.

    >>> [ratio_text(r) for r in (1.002, 1.06, 3.14, 31.0, 5230.7, None)]
    ['=', '×1.06', '×3.1', '×31', '×5.2k', '×∞']
    """
    if max_over_min is None:
        return "×∞"
    if is_equal(max_over_min):
        return "="
    if max_over_min < 2:
        return f"×{max_over_min:.2f}"
    return f"×{max_over_min:.1f}" if max_over_min < 10 else f"×{short(max_over_min)}"


def stretch_table(verdict: Verdict) -> Table | None:
    """Make a table of the stretches where the better tokenizer saves most, then least.

    None if there are none, because a tokenizer loses bytes.
    """
    stretches = [*verdict.stretches.most, *reversed(verdict.stretches.least)]
    if not stretches:
        return None
    return Table(
        title=stretch_title(verdict),
        columns=[Column(""), Column("", "left", fold=True, ratio=1, needed=True)],
        sections=[
            Section(
                [
                    [f"{s.bits_per_byte:+.2f}", printable(s.text.replace("\n", "⏎"))]
                    for s in stretches
                ]
            )
        ],
    )


def sample_table(
    results: Results,
    *,
    models: Sequence[str] = (),
    tokenizers: Sequence[str] = (),
    most_chars: int | None = None,
) -> Table:
    """Make a table of the first seed's samples; up to three tokenizers are side by side.

    Args:
        models, tokenizers: whose samples are shown, of those there are; if there is none of them,
            all.
        most_chars: how much is shown of a longer sample; None for all.
    """
    arms = [arm for arm in results.arms if arm.seed == 0]
    shown = _chosen([arm.tokenizer for arm in arms], tokenizers)
    chosen = _chosen([arm.model for arm in arms], models)
    text = {
        (arm.tokenizer, arm.model): _start(arm.samples[0].text.strip("\n"), most_chars)
        for arm in arms
    }
    title = f"Samples after the prompt {arms[0].samples[0].prompt!r}, of equal length in bytes"
    if len(shown) <= MAX_SIDE_BY_SIDE:
        return Table(
            title=title,
            columns=[
                Column("model", "left"),
                *(Column(t, "left", fold=True, ratio=1, needed=True) for t in shown),
            ],
            sections=[Section([[model, *(text[t, model] for t in shown)]]) for model in chosen],
        )
    return Table(
        title=title,
        columns=[
            Column("model", "left"),
            Column("tokenizer", "left", fold=True),
            Column("text", "left", fold=True, ratio=1, needed=True),
        ],
        sections=[Section([[model, t, text[t, model]]]) for model in chosen for t in shown],
    )


def _chosen(names: Sequence[str], wanted: Sequence[str]) -> list[str]:
    known = list(dict.fromkeys(names))
    return [name for name in known if name in wanted] or known


def _start(text: str, most_chars: int | None) -> str:
    if most_chars is None or len(text) <= most_chars:
        return text
    return text[:most_chars].rstrip() + " …"


SEED_COLUMNS: list[Spec[ArmResult]] = [
    Spec(Column("arm", "left", fold=True), lambda arm: arm.id),
    Spec(Column("bits/\nbyte"), lambda arm: number_cell(arm.reported.bits_per_byte, ".4f")),
    Spec(Column("best \nstep"), lambda arm: str(arm.best_step)),
    Spec(Column("last \non val"), lambda arm: number_cell(arm.last.bits_per_byte, ".4f")),
    Spec(Column("learning \nrate"), lambda arm: f"{arm.learning_rate:g}"),
    Spec(Column("epochs"), lambda arm: f"{arm.train.epochs:.2f}"),
    Spec(Column("seconds"), lambda arm: number_cell(arm.train.seconds, ".1f")),
]


def seed_table(results: Results) -> Table:
    """Make a table with a row per arm."""
    columns, rows = build_rows(SEED_COLUMNS, results.arms)
    return Table(title="Every arm", columns=columns, sections=[Section(rows)])


def tuning_table(results: Results) -> Table | None:
    """Make a table of the tried learning rates; None without tuning."""
    rows: list[Row] = []
    for tuned in results.tuning:
        for trial in tuned.trials:
            bits = "diverged" if trial.bits_per_byte is None else f"{trial.bits_per_byte:.3f}"
            if trial.part < 1 and trial.bits_per_byte is not None:
                bits += f", stopped at {trial.part:.0%}"
            cell = Cell(bits, "best" if trial.factor == tuned.factor else None)
            rows.append([f"{tuned.tokenizer}-{tuned.model}", f"{trial.factor:g}", cell])
    if not rows:
        return None
    return Table(
        title="Learning rates tried",
        columns=[Column("arm", "left", fold=True), Column("factor"), Column("bits/\nbyte")],
        sections=[Section(rows)],
        notes=["On training text alone; the factor is of the recipe's rates."],
    )
