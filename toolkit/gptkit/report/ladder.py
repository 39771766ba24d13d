"""Make tables and notes of the lecture's ladder, stage by stage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from gptkit.plan.ladder import SCALED, STAGES, ladder
from gptkit.report.formatting import short
from gptkit.report.table import Cell, Column, Row, Section, Spec, Table, build_rows
from gptkit.results.balance import EQUAL_RATIO
from gptkit.results.schema import Results
from gptkit.results.summary import group_by_model, mean_bits, std_bits

SAMPLED_STAGES = ("bigram", "norm", "today")  # whose samples tell the story


@dataclass(frozen=True, kw_only=True)
class StageRow:
    """A stage under a tokenizer, over its seeds.

    Attributes:
        gain: bits per byte less than the stage before; None for the first.
        std: of `bits` over seeds; None with one seed.
        published: losses published for char, in nats per character, as in "2.24–2.27".
    """

    stage: str
    adds: str
    params: int
    train_bytes: float
    nats_per_token: float
    bits: float
    std: float | None
    gain: float | None
    published: str


def stage_rows(results: Results) -> dict[str, list[StageRow]]:
    """Return a row for each trained stage, in the ladder's order, by tokenizer."""
    rows: dict[str, list[StageRow]] = {}
    for seeds in group_by_model(results.arms):
        arm, bits = seeds[0], mean_bits(seeds)
        before = rows.setdefault(arm.tokenizer, [])
        before.append(
            StageRow(
                stage=arm.model,
                adds=STAGES[arm.model].adds,
                params=arm.params.total,
                train_bytes=fmean(seed.train.bytes for seed in seeds),
                nats_per_token=fmean(seed.reported.nats_per_token for seed in seeds),
                bits=bits,
                std=std_bits(seeds),
                gain=before[-1].bits - bits if before else None,
                published=published(arm.model, results) if arm.tokenizer == "char" else "",
            )
        )
    return rows


def published(stage: str, results: Results, *, bits: bool = False) -> str:
    """Return a stage's published loss with char on tiny Shakespeare, in nats or bits per character.

    A character of tiny Shakespeare is a byte.
    """
    low_high = STAGES[stage].published
    if low_high is None or results.corpus.name != "tinyshakespeare":
        return ""
    shown = [f"{nats / math.log(2) if bits else nats:.2f}" for nats in low_high]
    on_a_gpu = " GPU" if stage == "scaled" else ""
    return "–".join(dict.fromkeys(shown)) + on_a_gpu


STAGE_COLUMNS: list[Spec[StageRow]] = [
    Spec(Column("stage", "left"), lambda r: r.stage),
    Spec(Column("what it adds", "left"), lambda r: r.adds),
    Spec(Column("params"), lambda r: short(r.params)),
    Spec(Column("text"), lambda r: f"{short(r.train_bytes)}B"),
    Spec(Column("nats/\ntoken"), lambda r: f"{r.nats_per_token:.3f}"),
    Spec(Column("bits/\nbyte", needed=True), lambda r: Cell(f"{r.bits:.3f}", "best")),
    Spec(
        Column("±"),
        lambda r: f"{r.std or 0.0:.3f}",
        shown=lambda rows: any(r.std is not None for r in rows),
    ),
    Spec(Column("gain"), lambda r: "" if r.gain is None else f"{r.gain:+.3f}"),
    Spec(
        Column("published, \nnats"),
        lambda r: r.published,
        shown=lambda rows: any(r.published for r in rows),
    ),
]


def stage_table(results: Results, tokenizer: str) -> Table:
    """Make the full table of one tokenizer, with a row per stage."""
    columns, rows = build_rows(STAGE_COLUMNS, stage_rows(results)[tokenizer])
    return Table(
        title=_title(results, tokenizer),
        columns=columns,
        sections=[Section(rows)],
        notes=ladder_notes(results, with_std=results.n_seeds > 1),
        dense=True,
    )


def bits_table(results: Results) -> Table:
    """Make a table of bits per byte, with a row per stage and a column per tokenizer."""
    by_tokenizer = stage_rows(results)
    stages = next(iter(by_tokenizer.values()))
    known = any(published(row.stage, results) for row in stages)
    rows: list[Row] = []
    for same in zip(*by_tokenizer.values(), strict=True):
        best = min(row.bits for row in same)
        cells = [Cell(f"{r.bits:.3f}", "best" if r.bits == best else None) for r in same]
        elsewhere = [published(same[0].stage, results, bits=True)] if known else []
        rows.append([same[0].stage, same[0].adds, *cells, *elsewhere])
    return Table(
        title=_title(results, "bits per byte"),
        columns=[
            Column("stage", "left"),
            Column("what it adds", "left"),
            *(Column(tokenizer, fold=True) for tokenizer in by_tokenizer),
            *([Column("published \nfor char")] if known else []),
        ],
        sections=[Section(rows)],
        notes=ladder_notes(results, with_std=False),
    )


def ladder_tables(results: Results) -> list[Table]:
    """Make one table of bits per byte if there are several tokenizers, then one for each."""
    tokenizers = results.experiment.tokenizer_names
    single = [stage_table(results, tokenizer) for tokenizer in tokenizers]
    return [bits_table(results), *single] if len(tokenizers) > 1 else single


def _title(results: Results, what: str) -> str:
    n_seeds = results.n_seeds
    title = f"The ladder on {results.corpus.name}, {what}"
    return f"{title}, mean of {n_seeds} seeds" if n_seeds > 1 else title


def ladder_notes(results: Results, *, with_std: bool) -> list[str]:
    """Say how the stages were trained, what a gain is, and where published losses are from.

    Args:
        with_std: whether standard deviations are shown beside the note.
    """
    assert results.ladder is not None
    experiment = results.experiment
    trained = {arm.model for arm in results.arms}
    own = {name: r.budget for name, r in ladder(results.ladder).items() if name in trained}
    budget_given = experiment.match == "time" or {experiment.budget} not in (
        {None},
        set(own.values()),
    )
    notes = []
    if budget_given:
        notes.append(f"Each stage was trained for {experiment.budget}, not for its own budget.")
    elif trained - {"scaled", "today"}:
        notes.append("Up to norm, as in the lecture: 5,000 steps of 32 windows of 8 bytes.")
    if "scaled" in trained:
        notes.append(SCALED[results.ladder])
    if "today" in trained and not budget_given:
        notes.append("today is the kit's decoder at its default, 600kB of text.")
    read = [arm.train.bytes for arm in results.arms]
    if max(read) > EQUAL_RATIO * min(read):
        notes.append("Stages read different amounts of text.")
    notes.append("Gain: bits per byte less than the row before.")
    tokenizers = experiment.tokenizer_names
    if len(tokenizers) > 1:
        notes.append(f"Under one stage, tokenizers are matched by {experiment.match}.")
    if with_std:
        notes.append("±: standard deviation over seeds.")
    if (len(tokenizers) > 1 or "char" in tokenizers) and _any_published(trained, results):
        notes.append("Published: char, by the lecture and by one write-up that followed it.")
    return notes


def _any_published(stages: Sequence[str] | set[str], results: Results) -> bool:
    return any(published(stage, results) for stage in stages)
