"""Write the page of an experiment that runs; a browser reads it again by itself."""

from __future__ import annotations

from gptkit.report.html.document import document, paragraph, section, table_html
from gptkit.report.html.experiment import curve_charts
from gptkit.report.running import Running, running_table
from gptkit.report.table import escape_html

REFRESH_SECONDS = 5


def running_page(running: Running, *, ended: bool = False) -> str:
    """Write the page.

    Args:
        ended: whether nothing more will come.
    """
    curves = [curve for curve in running.curves() if curve.steps]
    about = "" if ended else "It runs; this page reads itself again."
    return document(
        running.name,
        [
            f"<h1>{escape_html(running.name)}</h1>",
            paragraph(f"{running.summary(running.latest)} {about}"),
            section("arms", "Arms", table_html(running_table(running))),
            section("curves", "Curves", curve_charts(curves, ("bytes", "seconds")))
            if curves
            else "",
        ],
        refresh=None if ended else REFRESH_SECONDS,
    )
