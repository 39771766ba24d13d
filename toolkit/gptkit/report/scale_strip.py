"""Draw where each pair's order is sure, in characters, for the terminal."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gptkit.report.scale_plot import budget
from gptkit.report.table import Column, Row, Section, Table
from gptkit.results.scale_schema import Crossover, Scale
from gptkit.results.scale_sentences import amount

STRIP_COLUMNS = 44
FIRST_LEADS, SECOND_LEADS, UNSURE = "█", "▒", "·"


def strip_table(scale: Scale) -> Table:
    """Make a table with a strip for each pair, from the lowest rung to the end of the range."""
    sections = []
    for model in scale.says:
        pairs = [p for p in scale.crossovers if p.model == model and p.text is None]
        rungs = sorted({budget(rung, scale) for rung in scale.rungs if rung.model == model})
        rows: list[Row] = [["", _axis(pairs[0], rungs)]]
        rows += [[f"{p.a} / {p.b}", strip(p)] for p in pairs]
        ends = [amount(pairs[0].band[i][0], scale.axis) for i in (0, -1)]
        rows.append(["", f"{ends[0]}{ends[1]:>{STRIP_COLUMNS - len(ends[0])}}"])
        sections.append(Section(rows, model))
    return Table(
        title="Who leads at which budget, on a logarithmic axis",
        columns=[Column("", "left", fold=True), Column("", "left", needed=True)],
        sections=sections,
        notes=[
            f"{FIRST_LEADS} the first leads, {SECOND_LEADS} the second leads, {UNSURE} the 95 % "
            "band of the difference holds zero. | a rung; beyond the last, extrapolation."
        ],
        dense=True,
    )


def strip(pair: Crossover) -> str:
    """Return a pair's strip: a character for each step of the logarithm of the budget."""
    marks = [
        FIRST_LEADS if low > 0 else SECOND_LEADS if high < 0 else UNSURE
        for _, low, _, high in pair.band
    ]
    at = np.linspace(0, len(marks) - 1, STRIP_COLUMNS).round().astype(int)
    return "".join(marks[i] for i in at)


def _axis(pair: Crossover, rungs: Sequence[float]) -> str:
    first, last = np.log([pair.band[0][0], pair.band[-1][0]])
    marks = [" "] * STRIP_COLUMNS
    for rung in rungs:
        place = (np.log(rung) - first) / (last - first) * (STRIP_COLUMNS - 1)
        marks[int(np.clip(round(place), 0, STRIP_COLUMNS - 1))] = "|"
    return "".join(marks)
