"""Write results as a fragment of HTML, for notebooks. All text from outside is escaped."""

from __future__ import annotations

from html import escape

from gptkit.report.sentences import headline
from gptkit.report.table import to_html
from gptkit.report.tables import loss_table
from gptkit.results.schema import Results


def result_fragment(results: Results) -> str:
    """Write the answer and the table of losses."""
    return f"<div><p><b>{escape(headline(results))}</b></p>{to_html(loss_table(results))}</div>"
