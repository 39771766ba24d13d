"""Make the tables of an experiment's results, for every renderer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from gptkit.events.losses import Baseline
from gptkit.report.formatting import printable, short
from gptkit.report.sentences import (
    SPLIT_NAMES,
    cost_notes,
    match_summary,
    stretch_title,
    tokenizer_label,
)
from gptkit.report.table import Cell, Column, Row, Section, Spec, Table, build_rows
from gptkit.results.balance import QUANTITIES, is_equal
from gptkit.results.schema import ArmResult, Results, Verdict
from gptkit.results.summary import (
    best_bits,
    group_by_model,
    mean_bits,
    std_bits,
    vocabulary_points,
)

BAR_COLUMNS = 30  # between the lowest loss and the highest
MAX_SIDE_BY_SIDE = 3  # tokenizers whose samples stand beside each other


@dataclass(frozen=True)
class LossRow:
    """The seeds of a tokenizer and a model, and the lowest loss under that model."""

    seeds: list[ArmResult]
    best: float

    @property
    def arm(self) -> ArmResult:
        return self.seeds[0]

    @property
    def bits(self) -> float:
        return mean_bits(self.seeds)

    @property
    def seconds(self) -> float:
        return fmean(arm.train.seconds for arm in self.seeds)


def _vocabulary(row: LossRow) -> str:
    size, seen = row.arm.vocab_size, row.arm.vocab_seen
    return f"{size:,}" if seen == size else f"{size:,} ({seen:,})"


def _params(row: LossRow) -> str:
    params = row.arm.params
    return "/".join(map(short, (params.embedding, params.body, params.head)))


def _number(value: float, form: str) -> Cell:
    return Cell(f"{value:{form}}", value=value)


def _tokens_per_second(row: LossRow) -> str | Cell:
    if not row.seconds:
        return ""
    speed = fmean(arm.train.tokens for arm in row.seeds) / row.seconds
    return Cell(short(speed), value=speed)


LOSS_COLUMNS: list[Spec[LossRow]] = [
    Spec(Column("tokenizer", "left", fold=True), lambda r: tokenizer_label(r.arm)),
    Spec(Column("model", "left", needed=True), lambda r: r.arm.model),
    Spec(
        Column("vocab \n(used)", fold=True),
        lambda r: Cell(_vocabulary(r), value=float(r.arm.vocab_size)),
    ),
    Spec(
        Column("params \nemb/body/head"),
        lambda r: Cell(_params(r), value=float(r.arm.params.total)),
    ),
    Spec(
        Column("bits/\nbyte", needed=True),
        lambda r: Cell(f"{r.bits:.3f}", "best" if r.bits == r.best else None, r.bits),
    ),
    Spec(
        Column("±"),
        lambda r: f"{std_bits(r.seeds) or 0.0:.3f}",
        shown=lambda rows: any(len(r.seeds) > 1 for r in rows),
    ),
    Spec(
        Column("nats/\ntoken"),
        lambda r: _number(fmean(a.reported.nats_per_token for a in r.seeds), ".3f"),
    ),
    Spec(
        Column("bytes/\ntoken"),
        lambda r: _number(r.arm.reported.bytes / r.arm.reported.tokens, ".2f"),
    ),
    Spec(Column("tokens\n/s"), _tokens_per_second),
]


def loss_table(results: Results, *, baselines: bool = True) -> Table:
    """Make a table with a row per tokenizer and model, then baselines; the best are marked.

    Args:
        baselines: whether they are in it; without them, there are no notes.
    """
    best = best_bits(results.arms)
    rows = [LossRow(seeds, best[seeds[0].model]) for seeds in group_by_model(results.arms)]
    columns, cells = build_rows(LOSS_COLUMNS, rows)
    n_seeds = results.n_seeds
    split = SPLIT_NAMES[results.reported_split]
    title = f"{split.capitalize()} loss on {results.corpus.name}, {results.reported_bytes:,} bytes"
    return Table(
        title=f"{title}, mean of {n_seeds} seeds" if n_seeds > 1 else title,
        columns=columns,
        sections=[Section(cells), *(_baseline_sections(results, columns) if baselines else [])],
        dense=True,
        notes=[]
        if not baselines
        else [
            "Bits/byte compares tokenizers, nats/token does not. Each byte is scored once, with "
            "the weights of the best evaluation on val. Parameters are the dense model's. Below "
            "the models are baselines: counts of ids in the training text, smoothed by Witten "
            "and Bell's rule, and compressors after so much of that text.",
            *(["± is the standard deviation over seeds."] if n_seeds > 1 else []),
        ],
    )


def _baseline_sections(results: Results, columns: Sequence[Column]) -> list[Section]:
    sections = [
        [
            _baseline_row(columns, row.tokenizer, row.name, row.bits_per_byte)
            for row in results.baselines
            if row.tokenizer is not None
        ],
        [
            _baseline_row(columns, row.name, _primer(row), row.bits_per_byte)
            for row in results.baselines
            if row.tokenizer is None
        ],
    ]
    if results.corpus.entropy_bits_per_byte is not None:
        entropy = results.corpus.entropy_bits_per_byte
        sections.append([_baseline_row(columns, "the source", "", entropy)])
    return [Section(rows) for rows in sections if rows]


def _primer(row: Baseline) -> str:
    return f"after {short(row.primer_bytes)}B" if row.primer_bytes else ""


def _baseline_row(columns: Sequence[Column], name: str, what: str, bits: float) -> Row:
    cells = {"tokenizer": name, "model": what, "bits/byte": f"{bits:.3f}"}
    return [cells.get(column.heading, "") for column in columns]


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
    Spec(Column("bits/\nbyte"), lambda arm: _number(arm.reported.bits_per_byte, ".4f")),
    Spec(Column("best \nstep"), lambda arm: str(arm.best_step)),
    Spec(Column("last \non val"), lambda arm: _number(arm.last.bits_per_byte, ".4f")),
    Spec(Column("learning \nrate"), lambda arm: f"{arm.learning_rate:g}"),
    Spec(Column("epochs"), lambda arm: f"{arm.train.epochs:.2f}"),
    Spec(Column("seconds"), lambda arm: _number(arm.train.seconds, ".1f")),
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
