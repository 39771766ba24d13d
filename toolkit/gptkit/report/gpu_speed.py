"""Write what `gptkit bench gpu` measured as a page."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import mean, stdev

from gptkit.report.formatting import short
from gptkit.report.table import Column, Section, Spec, Table, build_rows, to_markdown
from gptkit.results.gpu_schema import GpuRun, GpuSpeed, GpuStep

STEPS: list[Spec[GpuStep]] = [
    Spec(Column("recipe", "left"), lambda step: step.recipe),
    Spec(Column("tokenizer", "left"), lambda step: step.tokenizer),
    Spec(Column("parameters"), lambda step: short(step.params)),
    Spec(Column("ms/step"), lambda step: f"{step.milliseconds:.1f}"),
    Spec(Column("tokens/s"), lambda step: short(step.tokens_per_second)),
    Spec(Column("TFLOP/s"), lambda step: f"{step.flops_per_second / 1e12:.0f}"),
    Spec(Column("of the peak"), lambda step: f"{step.share_of_peak:.0%}"),
]
RUNS: list[Spec[GpuRun]] = [
    Spec(Column("seed"), lambda run: str(run.seed)),
    Spec(Column("steps"), lambda run: str(run.steps)),
    Spec(Column("seconds of training"), lambda run: f"{run.seconds:.1f}"),
    Spec(Column("nats/char"), lambda run: f"{run.nats_per_char:.4f}"),
]


def gpu_page(found: GpuSpeed) -> str:
    """Write the report of `gptkit.bench.gpu.measure_gpu`."""
    reached = [run for run in found.to_target if run.nats_per_char <= found.target]
    columns, rows = build_rows(STEPS, found.steps)
    return "\n".join(
        [
            f"# Training on one {found.card}",
            "",
            f"torch {found.torch}. A bf16 product of two matrices of 8192 rows runs at "
            f"{found.peak_flops / 1e12:.0f} TFLOP/s, which stands for the card's peak. Steps have "
            "64 windows of 256 tokens, in bf16; their FLOPs are those of the model's matrix "
            "products and of attention.",
            "",
            *to_markdown(Table("", columns, [Section(rows)])),
            "",
            f"## Seconds to {found.target} nats per character",
            "",
            f"{len(reached)} of {len(found.to_target)} seeds end at or below {found.target}, "
            f"{_summary(found.to_target)}. Seconds are of training, with the first steps, without "
            "evaluation.",
            "",
            *_runs(found.to_target),
            "",
            f"## The lowest loss, against {found.best_published} published",
            "",
            f"{_summary(found.to_best)}. Every byte of the validation text is scored once.",
            "",
            *_runs(found.to_best),
            "",
            "## Run this again",
            "",
            "    gptkit bench gpu",
            "",
        ]
    )


def _runs(runs: Sequence[GpuRun]) -> list[str]:
    columns, rows = build_rows(RUNS, runs)
    return to_markdown(Table("", columns, [Section(rows)]))


def _summary(runs: Sequence[GpuRun]) -> str:
    losses = [run.nats_per_char for run in runs]
    spread = f" ± {stdev(losses):.4f}" if len(losses) > 1 else ""
    seconds = mean(run.seconds for run in runs)
    return f"mean {mean(losses):.4f}{spread} over {len(runs)} seeds, {seconds:.1f} s each"
