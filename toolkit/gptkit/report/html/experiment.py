"""Write the page of an experiment."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gptkit.plan.experiment_config import to_command_line
from gptkit.plan.ladder import STAGES
from gptkit.report.after_training import marginal_table, perturbed_table
from gptkit.report.by_text import parity_table, text_loss_table
from gptkit.report.command import command_line
from gptkit.report.curves import AXES, Cost, Curve, cost_table, curve_table, find_costs, find_curves
from gptkit.report.formatting import duration
from gptkit.report.html.document import (
    contents,
    document,
    folded,
    paragraph,
    section,
    table_html,
)
from gptkit.report.html.loss_map import loss_map
from gptkit.report.html.svg import Chart, Series, draw, legend
from gptkit.report.html.text import exact_html
from gptkit.report.ladder import ladder_tables, stage_rows
from gptkit.report.loss_table import loss_table
from gptkit.report.sentences import headline, machine_notes, next_step, verdict_note
from gptkit.report.table import escape_html
from gptkit.report.tables import (
    match_table,
    model_table,
    seed_table,
    tuning_table,
    vocabulary_table,
)
from gptkit.results.byte_losses import ByteLosses
from gptkit.results.loss_map import MappedArm, mean_losses
from gptkit.results.schema import ArmResult, Results
from gptkit.results.summary import best_arm, group_by_model, vocabulary_points

MOST_LABELS = 8  # of points in a chart; with more, they would cover each other
NO_COMMAND = "# from Python, with a text or recipes of its own: see results.json"
COST_AXES: dict[str, Callable[[Cost], float]] = {
    "FLOPs": lambda cost: cost.arm.train.flops,
    "parameters": lambda cost: cost.arm.params.total,
    "seconds": lambda cost: cost.seconds,
}

Losses = Callable[[ArmResult], ByteLosses]


def experiment_page(results: Results, losses: Losses | None) -> str:
    """Write the whole page.

    Args:
        losses: returns an arm's losses by byte, for the loss map; None if they are not there.
    """
    curves, costs = find_curves(results.arms), find_costs(results)
    parts = [
        ("losses", "Losses", table_html(loss_table(results), sortable=True)),
        ("curves", "Curves", _curves(curves)),
        ("ladder", "The ladder", _ladder(results)),
        ("models", "Does the answer depend on the model?", _models(results)),
        ("texts", "Each text", _texts(results)),
        ("vocabulary", "Loss by vocabulary size", _vocabulary(results)),
        ("cost", "Cost against loss", _costs(costs)),
        ("loss-map", "Where one beats the other: the loss map", _map(results, losses)),
        ("samples", "Samples", _samples(results)),
        ("verdicts", "Every pair", _verdicts(results)),
        ("after", "Other measurements", _after(results)),
        ("equal", "What was equal", _equal(results)),
        ("arms", "Every arm", table_html(seed_table(results), sortable=True)),
        ("again", "Run this again", _again(results)),
    ]
    tokenizers = results.experiment.tokenizer_names
    many = f"{len(tokenizers)} tokenizers"
    names = " vs ".join(tokenizers) if len(tokenizers) <= MOST_LABELS else many
    title = f"{names} on {results.corpus.name}"
    return document(
        title,
        [
            f"<h1>{escape_html(title)}</h1>",
            paragraph(headline(results), "answer"),
            paragraph(to_command_line(next_step(results))),
            _warnings(results),
            contents(parts),
            *(section(*part) for part in parts),
        ],
        scripts=["page.js", *(["loss_map.js"] if 'id="map-data"' in parts[7][2] else [])],
    )


def _warnings(results: Results) -> str:
    if not results.warnings:
        return ""
    items = "".join(
        f"<li>{escape_html('Warning: ' + to_command_line(w))}</li>" for w in results.warnings
    )
    return f'<ul class="warnings" aria-label="Warnings">{items}</ul>'


def switched(name: str, axes: Sequence[str], views: Sequence[str], more: str) -> str:
    """Write charts of which a reader sees one, by radio buttons; it needs no script."""
    buttons = "".join(
        f'<label><input type="radio" name="{name}-axis" value="{at}"'
        f'{" checked" if at == 0 else ""} autocomplete="off"> {axis}</label>'
        for at, axis in enumerate(axes)
    )
    shown = "".join(f'<div class="view v{at}">{view}</div>' for at, view in enumerate(views))
    return (
        f'<figure class="axis"><fieldset><legend>Against</legend>{buttons}</fieldset>{shown}'
        f"{more}</figure>"
    )


def _charts(titled: Sequence[tuple[str, str]]) -> str:
    shown = "".join(
        f"<div>{f'<h3>{escape_html(title)}</h3>' if title else ''}{svg}</div>"
        for title, svg in titled
    )
    return f'<div class="charts">{shown}</div>'


def curve_charts(curves: Sequence[Curve], axes: Sequence[str] = AXES) -> str:
    """Draw a chart for each model and axis, with a switch between the axes."""
    models = dict.fromkeys(curve.model for curve in curves)
    tokenizers = list(dict.fromkeys(curve.tokenizer for curve in curves))
    views = []
    for axis in axes:
        charts = []
        for model in models:
            series = [
                Series(
                    name=curve.tokenizer,
                    points=[(step.spent[axis], step.bits) for step in curve.steps],
                    band=None
                    if any(step.std is None for step in curve.steps)
                    else [
                        (step.bits - (step.std or 0.0), step.bits + (step.std or 0.0))
                        for step in curve.steps
                    ],
                    at=tokenizers.index(curve.tokenizer),
                )
                for curve in curves
                if curve.model == model and curve.steps
            ]
            if series:
                title = f"Bits per byte on the validation text against {axis}, {model}"
                chart = Chart(title=title, x_label=f"{axis} of training", series=series)
                charts.append((model, draw(chart)))
        views.append(_charts(charts))
    keys = [Series(name=name, points=[], at=at) for at, name in enumerate(tokenizers)]
    return switched("curves", axes, views, legend(keys))


def _curves(curves: Sequence[Curve]) -> str:
    note = ""
    if any(step.std is not None for curve in curves for step in curve.steps):
        note = paragraph("Bands are the standard deviation over the seeds.", "soft")
    table = curve_table(curves)
    return curve_charts(curves) + note + folded("The numbers", table_html(table, sortable=True))


def _vocabulary(results: Results) -> str:
    by_model = vocabulary_points(results)
    n_tokenizers = len(results.experiment.tokenizers)  # whose colours mean something else
    sizes = {p.vocab_size for points in by_model.values() for p in points}
    if len(sizes) < 2:
        return ""
    series = [
        Series(
            name=model,
            points=[(p.vocab_size, p.bits) for p in points],
            band=None
            if any(p.std is None for p in points)
            else [(p.bits - (p.std or 0.0), p.bits + (p.std or 0.0)) for p in points],
            labels=[p.tokenizer for p in points] if len(points) <= MOST_LABELS else (),
            at=at + n_tokenizers,
        )
        for at, (model, points) in enumerate(by_model.items())
    ]
    chart = Chart(
        title="Bits per byte against vocabulary size",
        x_label="ids of the vocabulary",
        series=series,
        log=True,
    )
    numbers = vocabulary_table(results, least=2)
    return (
        f"<figure>{_charts([('', draw(chart))])}{legend(series)}</figure>"
        f"{folded('The numbers', table_html(numbers))}"
    )


def _costs(costs: Sequence[Cost]) -> str:
    models = list(dict.fromkeys(cost.arm.model for cost in costs))
    n_tokenizers = len({cost.arm.tokenizer for cost in costs})
    views = []
    for axis, of in COST_AXES.items():
        series = [
            Series(
                name=model,
                points=[(of(cost), cost.bits) for cost in mine],
                labels=[c.arm.tokenizer for c in mine] if len(mine) <= MOST_LABELS else (),
                joined=False,
                at=at + n_tokenizers,
            )
            for at, model in enumerate(models)
            if (mine := [cost for cost in costs if cost.arm.model == model])
        ]
        title = f"Bits per byte against {axis}"
        views.append(
            _charts([("", draw(Chart(title=title, x_label=axis, series=series, log=True)))])
        )
    keys = [
        Series(name=model, points=[], joined=False, at=at + n_tokenizers)
        for at, model in enumerate(models)
    ]
    return switched("cost", list(COST_AXES), views, legend(keys)) + table_html(
        cost_table(costs), sortable=True
    )


def _ladder(results: Results) -> str:
    if results.ladder is None:
        return ""
    stages = [stage for stage in STAGES if stage in results.experiment.models]
    series = [
        Series(
            name=tokenizer,
            points=[(stages.index(row.stage), row.bits) for row in rows],
            at=at,
        )
        for at, (tokenizer, rows) in enumerate(stage_rows(results).items())
    ]
    chart = Chart(
        title="Bits per byte by stage of the lecture",
        x_label="stage",
        series=series,
        ticks=dict(enumerate(stages)),
    )
    tables = "".join(table_html(table) for table in ladder_tables(results))
    return f"<figure>{_charts([('', draw(chart))])}{legend(series)}</figure>{tables}"


def _models(results: Results) -> str:
    table = None if results.ladder is not None else model_table(results)
    if table is None or results.robustness is None:
        return ""
    return paragraph(results.robustness.message) + table_html(table, sortable=True)


def _texts(results: Results) -> str:
    if results.by_text is None:
        return ""
    verdicts = "".join(f"<li>{escape_html(v.message)}</li>" for v in results.by_text.verdicts)
    return (
        table_html(text_loss_table(results))
        + f"<ul>{verdicts}</ul>"
        + table_html(parity_table(results.by_text.tokens))
    )


def _map(results: Results, losses: Losses | None) -> str:
    _, first = best_arm(results)
    if first is None:
        return ""
    if losses is None:
        return paragraph(
            "The loss map needs the runs, which are not beside these results. Run this again, then "
            "gptkit report on the experiment's folder.",
            "soft",
        )
    arms = [
        MappedArm(
            tokenizer=seeds[0].tokenizer,
            model=seeds[0].model,
            losses=mean_losses([losses(arm) for arm in seeds]),
        )
        for seeds in group_by_model(results.arms)
    ]
    exact = [arm for arm in arms if not arm.losses.approximate]
    names = {arm.tokenizer for arm in exact}
    verdicts = [v for v in results.verdict if {v.a, v.b} <= names]
    if not verdicts:
        return paragraph(
            "There is no loss map: where a tokenizer loses bytes, its borders are not known.",
            "soft",
        )
    return loss_map(exact, verdicts, first if first in verdicts else verdicts[0])


def _samples(results: Results) -> str:
    first = [arm for arm in results.arms if arm.seed == 0]
    prompt = first[0].samples[0].prompt
    shown = paragraph(f"After the prompt {prompt!r}, of equal length in bytes; the first seed.")
    for model in dict.fromkeys(arm.model for arm in first):
        texts = "".join(
            f"<div><h4>{escape_html(arm.tokenizer)}</h4>"
            f"<pre>\n{exact_html(arm.samples[0].text)}</pre></div>"
            for arm in first
            if arm.model == model
        )
        shown += f'<h3>{escape_html(model)}</h3><div class="samples">{texts}</div>'
    return shown


def _verdicts(results: Results) -> str:
    if not results.verdict:
        return ""
    items = "".join(f"<li>{escape_html(v.message)}</li>" for v in results.verdict)
    note = verdict_note(results)
    return f"<ul>{items}</ul>" + (paragraph(note, "soft") if note else "")


def _after(results: Results) -> str:
    tables = (marginal_table(results), perturbed_table(results), tuning_table(results))
    return "".join(map(table_html, tables))


def _equal(results: Results) -> str:
    return table_html(match_table(results))


def _again(results: Results) -> str:
    corpus = results.corpus
    command = escape_html(command_line(results) or NO_COMMAND)
    return f'<pre class="command">{command}</pre>' + paragraph(
        f"gptkit {results.gptkit}, {machine_notes(results.machine)}, {duration(results.seconds)} "
        f"in all. {corpus.name}, sha256 {corpus.sha256}. All numbers are in results.json beside "
        "this page."
    )
