"""Write results as a fragment of HTML, for notebooks. All text from outside is escaped."""

from __future__ import annotations

from html import escape

from gptkit.report.loss_table import loss_table
from gptkit.report.running import Running, running_table
from gptkit.report.scale import pair_table, rung_table
from gptkit.report.sentences import headline
from gptkit.report.table import Table, to_html
from gptkit.results.scale_schema import Scale
from gptkit.results.schema import Results

STYLE = "<style>.gptkit .number{text-align:right}.gptkit .best{font-weight:bold}</style>"


def result_fragment(results: Results) -> str:
    """Write the answer and the table of losses."""
    return _fragment([headline(results)], loss_table(results))


def scale_fragment(scale: Scale) -> str:
    """Write a ladder's answer, and the tables of its rungs and pairs."""
    return _fragment(list(scale.says.values()), rung_table(scale), pair_table(scale))


def running_fragment(running: Running) -> str:
    """Write how far an experiment is."""
    return _fragment([running.summary(running.latest)], running_table(running))


def _fragment(says: list[str], *tables: Table) -> str:
    answers = "".join(f"<p><b>{escape(text)}</b></p>" for text in says)
    return f'<div class="gptkit">{STYLE}{answers}{"".join(map(to_html, tables))}</div>'
