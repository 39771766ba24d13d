"""Write the page of a ladder of budgets or sizes."""

from __future__ import annotations

from gptkit.plan.experiment_config import to_command_line
from gptkit.report.formatting import duration
from gptkit.report.html.document import contents, document, paragraph, section, table_html
from gptkit.report.html.svg import Chart, Point, Series, draw, legend
from gptkit.report.scale import (
    NO_COMMAND,
    command,
    decided,
    fit_table,
    pair_table,
    rung_table,
    said,
    span,
    training_seconds,
)
from gptkit.report.scale_plot import budget, lead_range
from gptkit.report.scale_strip import strip_table
from gptkit.report.table import escape_html
from gptkit.results.scale_schema import Scale


def scale_page(scale: Scale) -> str:
    """Write the whole page."""
    names = " vs ".join(scale.experiment.tokenizer_names)
    text = scale.experiment.data or "a text of its own"
    title = f"{names} from {span(scale)} on {text}"
    crossovers = "".join(f"<li>{escape_html(said(pair))}</li>" for pair in scale.crossovers)
    warnings = "".join(
        f"<li>{escape_html(to_command_line(warning))}</li>" for warning in scale.warnings
    )
    parts = [
        ("losses", "Losses and differences", "".join(_charts(scale, m) for m in scale.says)),
        ("rungs", "Every rung", table_html(rung_table(scale))),
        ("top", "At the top rung", table_html(pair_table(scale)) + paragraph(decided(scale))),
        ("leads", "Who leads where", f'<div class="strip">{table_html(strip_table(scale))}</div>'),
        ("crossovers", "Crossovers", f"<ul>{crossovers}</ul>"),
        ("fits", "Laws", table_html(fit_table(scale))),
        (
            "again",
            "Run this again",
            f'<pre class="command">{escape_html(command(scale) or NO_COMMAND)}</pre>'
            + paragraph(
                f"gptkit {scale.gptkit}. Training took {duration(training_seconds(scale))}. All "
                "numbers are in scale.json beside this page."
            ),
        ),
    ]
    return document(
        title,
        [
            f"<h1>{escape_html(title)}</h1>",
            *(paragraph(says, "answer") for says in scale.says.values()),
            f'<ul class="warnings" aria-label="Warnings">{warnings}</ul>' if warnings else "",
            contents(parts),
            *(section(*part) for part in parts),
        ],
        scripts=["page.js"],
    )


def _charts(scale: Scale, model: str) -> str:
    """Draw the losses at the rungs, and the differences from the leader with their bands."""
    rungs = [rung for rung in scale.rungs if rung.model == model]
    names = list(dict.fromkeys(rung.tokenizer for rung in rungs))
    unit = "parameters of the body" if scale.axis == "params" else "bytes of training text"
    losses = []
    for at, name in enumerate(names):
        mine = [rung for rung in rungs if rung.tokenizer == name]
        losses.append(
            Series(
                name=name,
                points=[(budget(rung, scale), rung.bits_per_byte) for rung in mine],
                band=None
                if any(rung.std is None for rung in mine)
                else [
                    (r.bits_per_byte - (r.std or 0.0), r.bits_per_byte + (r.std or 0.0))
                    for r in mine
                ],
                at=at,
            )
        )
    leader = min(rungs[-len(names) :], key=lambda rung: rung.bits_per_byte).tokenizer
    differences = _differences(scale, model, leader, names)
    charts = [
        Chart(title=f"Bits per byte at each rung, {model}", x_label=unit, series=losses, log=True),
        Chart(
            title=f"Difference from {leader} under {model}, with 95 % bands",
            x_label=f"{unit}; beyond the last point, extrapolation",
            y_label="difference, bits per byte",
            series=differences,
            log=True,
        ),
    ]
    shown = "".join(
        f"<div><h3>{escape_html(chart.title)}</h3>{draw(chart)}</div>" for chart in charts
    )
    return f'<figure><div class="charts">{shown}</div>{legend(losses)}</figure>'


def _differences(scale: Scale, model: str, leader: str, names: list[str]) -> list[Series]:
    seen = [loss - best for best, loss in lead_range(scale, model, leader)]
    room = 0.5 * max(map(abs, seen), default=0.1)
    least, most = min(0.0, *seen) - room, max(0.0, *seen) + room

    def within(value: float) -> float:
        return min(max(value, least), most)

    rungs = [rung for rung in scale.rungs if rung.model == model]
    best = [rung.bits_per_byte for rung in rungs if rung.tokenizer == leader]
    shown = []
    for pair in scale.crossovers:
        if (pair.model, pair.a, pair.text) != (model, leader, None):
            continue
        at = names.index(pair.b)
        mine = [rung for rung in rungs if rung.tokenizer == pair.b]
        found: list[Point] = [
            (budget(rung, scale), rung.bits_per_byte - lead)
            for rung, lead in zip(mine, best, strict=True)
        ]
        shown += [
            Series(
                name=f"{pair.b} - {pair.a}",
                points=[(x, within(middle)) for x, _, middle, _ in pair.band],
                band=[(within(low), within(high)) for _, low, _, high in pair.band],
                marked=False,
                at=at,
            ),
            Series(name=f"{pair.b} - {pair.a}", points=found, joined=False, at=at),
        ]
    zero = [(x, 0.0) for x in (shown[0].points[0][0], shown[0].points[-1][0])] if shown else []
    return [*shown, Series(name="no difference", points=zero, marked=False, at=6)] if shown else []
