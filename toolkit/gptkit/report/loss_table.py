"""Make the table of losses: a row for each tokenizer and model, and the baselines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from gptkit.events.losses import Baseline
from gptkit.report.formatting import short
from gptkit.report.sentences import SPLIT_NAMES, tokenizer_label
from gptkit.report.table import Cell, Column, Row, Section, Spec, Table, build_rows, number_cell
from gptkit.results.schema import ArmResult, Results
from gptkit.results.summary import best_bits, group_by_model, mean_bits, std_bits


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
        lambda r: number_cell(fmean(a.reported.nats_per_token for a in r.seeds), ".3f"),
    ),
    Spec(
        Column("bytes/\ntoken"),
        lambda r: number_cell(r.arm.reported.bytes / r.arm.reported.tokens, ".2f"),
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
