"""Make the curves of a training, and what each tokenizer costs, for charts and tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from gptkit.report.formatting import short
from gptkit.report.table import Cell, Column, Row, Section, Spec, Table, build_rows
from gptkit.results.schema import ArmResult, CurvePoint, Results
from gptkit.results.summary import best_bits, group_by_model, mean_bits

AXES = ("bytes", "tokens", "FLOPs", "seconds")  # of a curve


@dataclass(frozen=True, kw_only=True)
class CurveStep:
    """An evaluation: the means over the seeds.

    Attributes:
        spent: by axis, what was spent until then.
        std: over the seeds; None with one seed.
    """

    step: int
    spent: dict[str, float]
    bits: float
    std: float | None


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The evaluations of a tokenizer under a model."""

    tokenizer: str
    model: str
    steps: list[CurveStep]


def find_curves(arms: Sequence[ArmResult]) -> list[Curve]:
    """Return the curve of each tokenizer and model."""
    return [
        Curve(
            tokenizer=seeds[0].tokenizer,
            model=seeds[0].model,
            steps=[_step(seeds, points) for points in zip(*(a.curve for a in seeds), strict=False)],
        )
        for seeds in group_by_model(arms)
    ]


def _step(seeds: Sequence[ArmResult], points: Sequence[CurvePoint]) -> CurveStep:
    parts = [point.step / arm.steps for arm, point in zip(seeds, points, strict=True)]
    totals = [(arm.train.tokens, arm.train.flops) for arm in seeds]
    bits = [point.val_bits_per_byte for point in points]
    return CurveStep(
        step=points[0].step,
        spent={
            "bytes": fmean(point.train_bytes for point in points),
            "tokens": fmean(part * n for part, (n, _) in zip(parts, totals, strict=True)),
            "FLOPs": fmean(part * n for part, (_, n) in zip(parts, totals, strict=True)),
            "seconds": fmean(point.seconds for point in points),
        },
        bits=fmean(bits),
        std=stdev(bits) if len(bits) > 1 else None,
    )


def curve_table(curves: Sequence[Curve]) -> Table:
    """Make a table with a row per evaluation."""
    rows: list[Row] = [
        [
            curve.tokenizer,
            curve.model,
            f"{step.step:,}",
            *(_amount(axis, value) for axis, value in step.spent.items()),
            Cell(f"{step.bits:.4f}", value=step.bits),
            "" if step.std is None else f"{step.std:.4f}",
        ]
        for curve in curves
        for step in curve.steps
    ]
    columns = [Column("tokenizer", "left"), Column("model", "left"), Column("step")]
    columns += [Column(axis) for axis in AXES]
    return Table(
        title="Loss on the validation text at each evaluation",
        columns=[*columns, Column("bits/byte"), Column("±")],
        sections=[Section(rows)],
        notes=["Means over the seeds; ± is their standard deviation."],
    )


def _amount(axis: str, value: float) -> Cell:
    return Cell(f"{value:.1f}" if axis == "seconds" else short(value), value=value)


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a tokenizer pays under a model, and what it gets: means over the seeds.

    Attributes:
        best: the lowest loss under the model.
    """

    arm: ArmResult
    bits: float
    seconds: float
    best: float


COST_COLUMNS: list[Spec[Cost]] = [
    Spec(Column("tokenizer", "left"), lambda c: c.arm.tokenizer),
    Spec(Column("model", "left"), lambda c: c.arm.model),
    *(
        Spec(Column(name), lambda c, name=name: _count(getattr(c.arm.params, name)))  # type: ignore[misc]
        for name in ("embedding", "body", "head")
    ),
    Spec(Column("all params"), lambda c: _count(c.arm.params.total)),
    Spec(Column("tokens"), lambda c: _count(c.arm.train.tokens)),
    Spec(Column("FLOPs"), lambda c: _count(c.arm.train.flops)),
    Spec(Column("with the full softmax"), lambda c: _count(c.arm.train.flops_full_softmax)),
    Spec(Column("seconds"), lambda c: Cell(f"{c.seconds:.1f}", value=c.seconds)),
    Spec(
        Column("bits/byte"),
        lambda c: Cell(f"{c.bits:.3f}", "best" if c.bits == c.best else None, c.bits),
    ),
]


def find_costs(results: Results) -> list[Cost]:
    """Return what each tokenizer pays under each model."""
    best = best_bits(results.arms)
    return [
        Cost(
            arm=seeds[0],
            bits=mean_bits(seeds),
            seconds=fmean(arm.train.seconds for arm in seeds),
            best=best[seeds[0].model],
        )
        for seeds in group_by_model(results.arms)
    ]


def cost_table(costs: Sequence[Cost]) -> Table:
    """Make a table of what each tokenizer pays: parameters, FLOPs, seconds."""
    columns, rows = build_rows(COST_COLUMNS, costs)
    return Table(
        title="What each tokenizer pays, and its loss",
        columns=columns,
        sections=[Section(rows)],
        notes=["Parameters are the dense model's. FLOPs and seconds are of one training."],
    )


def _count(value: float) -> Cell:
    return Cell(short(value), value=float(value))
