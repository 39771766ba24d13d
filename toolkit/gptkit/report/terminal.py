"""Arrange an experiment's results and costs for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.text import Text

from gptkit.plan.experiment_config import to_command_line
from gptkit.report.after_training import marginal_table, perturbed_table
from gptkit.report.by_text import parity_table, shown_verdicts, text_loss_table
from gptkit.report.cluster import cluster_table
from gptkit.report.formatting import duration, printable, short
from gptkit.report.ladder import SAMPLED_STAGES, bits_table, stage_table
from gptkit.report.loss_table import loss_table
from gptkit.report.sentences import headline, looks_note, tuning_note, verdict_note
from gptkit.report.table import Column, Row, Section, Table, to_rich
from gptkit.report.tables import (
    match_table,
    model_table,
    sample_table,
    stretch_table,
    vocabulary_table,
)
from gptkit.results.cost import ExperimentCost
from gptkit.results.schema import Results
from gptkit.results.summary import best_arm, main_verdicts


def comparison(results: Results) -> list[RenderableType]:
    """Return what `gptkit compare --full` shows: every table, and the answer last."""
    _, closest = best_arm(results)
    tables = [
        loss_table(results),
        model_table(results, always=False),
        vocabulary_table(results),
        text_loss_table(results),
        None if results.by_text is None else parity_table(results.by_text.tokens),
        marginal_table(results),
        perturbed_table(results),
        match_table(results),
        None if closest is None else stretch_table(closest),
        sample_table(results),
    ]
    shown: list[RenderableType] = [to_rich(table) for table in tables if table is not None]
    notes = tuning_note(results), looks_note(results)
    shown += [Text(printable(note)) for note in notes if note is not None]
    verdicts = main_verdicts(results)
    shown += [Text(printable(verdict.message)) for verdict in verdicts]
    if more := len(results.verdict) - len(verdicts):
        shown.append(Text(f"… and {more} more pairs, in the report."))
    shown += [Text(printable(verdict.message)) for verdict in shown_verdicts(results)]
    if note := verdict_note(results):
        shown.append(Text(note, style="dim"))
    return [*shown, *_warnings(results.warnings), Text(headline(results), style="bold")]


def walk(results: Results) -> list[RenderableType]:
    """Return what `gptkit lecture ladder --full` shows."""
    tokenizers = results.experiment.tokenizer_names
    ladder = bits_table(results) if len(tokenizers) > 1 else stage_table(results, tokenizers[0])
    more = [marginal_table(results), perturbed_table(results)]
    return [
        to_rich(ladder),
        *(to_rich(table) for table in more if table is not None),
        to_rich(sample_table(results, models=SAMPLED_STAGES)),
        *_warnings(results.warnings),
        Text(headline(results), style="bold"),
    ]


def _warnings(warnings: Sequence[str]) -> list[Text]:
    return [
        Text(f"warning: {printable(to_command_line(warning))}", style="yellow")
        for warning in warnings
    ]


def costs(cost: ExperimentCost) -> list[RenderableType]:
    """Return what `--dry-run` shows: a row per tokenizer and model, and the total."""
    arms = {(arm.tokenizer, arm.model): arm for arm in reversed(cost.arms)}
    n_seeds = len({arm.seed for arm in cost.arms})
    rows: list[Row] = [
        [
            arm.tokenizer,
            arm.model,
            "by time" if arm.steps is None else f"{arm.steps:,}",
            short(arm.params),
            "" if arm.flops is None else short(arm.flops),
            "under 1" if arm.memory_bytes < 1e6 else f"{arm.memory_bytes / 1e6:,.0f}",
            f"{arm.seconds:,.1f}",
        ]
        for arm in reversed(arms.values())
    ]
    table = Table(
        title="What it would cost" + (f", for each of {n_seeds} seeds" if n_seeds > 1 else ""),
        columns=[
            Column("tokenizer", "left", fold=True),
            Column("model", "left"),
            *map(Column, ("steps", "params", "FLOPs", "MB", "seconds")),
        ],
        sections=[Section(rows)],
        notes=[
            "Parameters are the dense model's. Memory is that of the weights, their gradients, "
            "the optimiser and the best weights. Seconds are of one arm that has all cores."
        ],
    )
    took = duration(cost.seconds)
    memory = "" if cost.memory_bytes is None else f" and {cost.memory_bytes / 1e9:.1f} GB"
    at_a_time = "one arm" if cost.processes == 1 else f"{cost.processes} arms"
    total = f"In all about {took}{memory} on this machine's {cost.device}, {at_a_time} at a time."
    there = [Text(), to_rich(cluster_table([cost]))] if cost.cluster else []
    return [to_rich(table), Text(total), *there]
