"""Write results as a fragment of HTML, for notebooks. All text from outside is escaped."""

from __future__ import annotations

from html import escape

from gptkit.report.scale import pair_table, rung_table
from gptkit.report.sentences import headline
from gptkit.report.table import to_html
from gptkit.report.tables import loss_table
from gptkit.results.scale_schema import Scale
from gptkit.results.schema import Results


def result_fragment(results: Results) -> str:
    """Write the answer and the table of losses."""
    return f"<div><p><b>{escape(headline(results))}</b></p>{to_html(loss_table(results))}</div>"


def scale_fragment(scale: Scale) -> str:
    """Write a ladder's answer, and the tables of its rungs and pairs."""
    says = "".join(f"<p><b>{escape(text)}</b></p>" for text in scale.says.values())
    return f"<div>{says}{to_html(rung_table(scale))}{to_html(pair_table(scale))}</div>"
