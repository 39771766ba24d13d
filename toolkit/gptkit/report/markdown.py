"""Write an experiment's results as report.md: tables, samples, and the command to run it again."""

from __future__ import annotations

from collections.abc import Sequence

from gptkit.plan.experiment_config import to_command_line
from gptkit.report.after_training import marginal_table, perturbed_table
from gptkit.report.by_text import parity_table, text_loss_table
from gptkit.report.command import command_line
from gptkit.report.formatting import printable
from gptkit.report.ladder import ladder_tables
from gptkit.report.loss_table import loss_table
from gptkit.report.sentences import headline, looks_note, machine_notes, match_summary, verdict_note
from gptkit.report.table import Table, escape_markdown, to_markdown
from gptkit.report.tables import (
    match_table,
    model_table,
    seed_table,
    stretch_table,
    tuning_table,
)
from gptkit.results.schema import Results
from gptkit.results.summary import main_verdicts

NO_COMMAND = "# from Python, with a text or recipes of its own: see results.json"


def markdown(results: Results, *, beside: Sequence[Results] = (), figure: str | None = None) -> str:
    """Write the whole report of an experiment.

    Args:
        beside: other experiments, of which the losses and the command are shown.
        figure: file name of the figure, if there is one.
    """
    names = " vs ".join(escape_markdown(t) for t in results.experiment.tokenizer_names)
    verdicts = [f"- {escape_markdown(v.message)}" for v in results.verdict]
    notes = [note for note in (looks_note(results), verdict_note(results)) if note]
    warnings = [
        f"- warning: {escape_markdown(to_command_line(warning))}" for warning in results.warnings
    ]
    parts = [
        [f"# {names} on {escape_markdown(results.corpus.name)}"],
        [f"**{escape_markdown(headline(results))}**"],
        [f"![bits per byte {_figure_axis(results)}]({figure})"] if figure else [],
        _ladder(results),
        _models(results),
        verdicts,
        [" ".join(notes)] if notes else [],
        _losses("##", results),
        warnings,
        _texts(results),
        _titled(marginal_table(results)),
        _titled(perturbed_table(results)),
        _section(f"## {escape_markdown(match_summary(results))}", match_table(results)),
        _stretches(results),
        _section("## Learning rates tried", tuning_table(results)),
        _section("## Every arm", seed_table(results)),
        _samples(results),
        *(_beside(other, results) for other in beside),
        _again(results),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _section(title: str, table: Table | None) -> list[str]:
    """Write a heading, a table and its notes; nothing if there is no table."""
    if table is None:
        return []
    notes = ["", escape_markdown(" ".join(table.notes))] if table.notes else []
    return [*([title, ""] if title else []), *to_markdown(table), *notes]


def _texts(results: Results) -> list[str]:
    if results.by_text is None:
        return []
    verdicts = [f"- {escape_markdown(v.message)}" for v in results.by_text.verdicts]
    tables = [_titled(text_loss_table(results)), _titled(parity_table(results.by_text.tokens))]
    return [*tables[0], "", *verdicts, "", *tables[1]]


def _titled(table: Table | None) -> list[str]:
    return [] if table is None else _section(f"## {escape_markdown(table.title)}", table)


def _losses(level: str, results: Results) -> list[str]:
    table = loss_table(results)
    return _section(f"{level} {escape_markdown(table.title)}", table)


def _figure_axis(results: Results) -> str:
    return "against vocabulary size" if results.ladder is None else "by stage"


def _ladder(results: Results) -> list[str]:
    if results.ladder is None:
        return []
    lines = ["## The ladder"]
    tables = ladder_tables(results)
    for table in tables:
        lines += ["", f"**{escape_markdown(table.title)}**", "", *to_markdown(table)]
    return [*lines, "", escape_markdown(" ".join(tables[-1].notes))]


def _models(results: Results) -> list[str]:
    """Write each tokenizer under each model; nothing for a ladder, which has its own tables."""
    table = model_table(results)
    if table is None or results.robustness is None or results.ladder is not None:
        return []
    message = escape_markdown(results.robustness.message)
    return ["## Does the answer depend on the model?", "", message, "", *_section("", table)]


def _stretches(results: Results) -> list[str]:
    lines: list[str] = []
    for verdict in main_verdicts(results):
        if (table := stretch_table(verdict)) is not None:
            lines += ["", f"{escape_markdown(table.title)}:", ""]
            lines += [f"    {bits}  {text}" for bits, text in table.rows]
    return ["## Where one beats the other", *lines] if lines else []


def _samples(results: Results) -> list[str]:
    """Write the samples of the first seed."""
    lines = ["## Samples"]
    for arm in results.arms:
        for sample in arm.samples if arm.seed == 0 else []:
            prompt = f"{sample.prompt!r}"
            lines += [
                "",
                f"**{escape_markdown(arm.id)}**, after the prompt {escape_markdown(prompt)}:",
                "",
            ]
            lines += [f"    {line}" for line in printable(sample.text).split("\n")]
    return lines


def _beside(results: Results, main: Results) -> list[str]:
    """Write another experiment's losses, under its text or its way of matching."""
    text = results.corpus.name
    title = match_summary(results) if text == main.corpus.name else f"On {text}"
    models = model_table(results)
    return [
        f"## {escape_markdown(title)}",
        "",
        f"**{escape_markdown(headline(results))}**",
        "",
        *([*_section("", models), ""] if models is not None else []),
        *_losses("###", results),
        "",
        f"    {command_line(results) or NO_COMMAND}",
    ]


def _again(results: Results) -> list[str]:
    return [
        "## Run this again",
        "",
        f"    {command_line(results) or NO_COMMAND}",
        "",
        f"gptkit {results.gptkit}, {machine_notes(results.machine)}, {results.seconds:.0f} s in "
        "all. "
        f"Corpus sha256 {results.corpus.sha256}.",
    ]
