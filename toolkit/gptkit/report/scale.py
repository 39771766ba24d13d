"""Make the tables of a ladder, and its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from gptkit.plan.experiment_config import to_command_line
from gptkit.plan.options_file import NOT_OF_SCALE
from gptkit.report.command import given_options, option_words, quote
from gptkit.report.formatting import duration, short
from gptkit.report.table import (
    Cell,
    Column,
    Row,
    Section,
    Table,
    escape_markdown,
    to_markdown,
)
from gptkit.results.cost import ExperimentCost
from gptkit.results.scale_schema import Crossover, Rung, Scale
from gptkit.results.scale_sentences import GROWS, amount, half_width

NO_COMMAND = "# from Python: see scale.json"


def rung_table(scale: Scale) -> Table:
    """Make a table with a row per rung and a column per tokenizer, for each model."""
    names = list(dict.fromkeys(rung.tokenizer for rung in scale.rungs))
    sections = []
    for model in scale.says:
        rows: list[Row] = []
        for folder in dict.fromkeys(rung.folder for rung in scale.rungs):
            at = {r.tokenizer: r for r in scale.rungs if (r.folder, r.model) == (folder, model)}
            best = min(at[name].bits_per_byte for name in names)
            cells = [
                Cell(_loss(at[name]), "best" if at[name].bits_per_byte == best else None)
                for name in names
            ]
            one = at[names[0]]
            rows.append([f"{short(one.bytes)}B", short(one.params), *cells])
        sections.append(Section(rows, model))
    seeds = scale.experiment.seeds
    return Table(
        title="Bits per byte at each rung" + (f", mean of {seeds} seeds" if seeds > 1 else ""),
        columns=[
            Column("text"),
            Column("body \nparams"),
            *(Column(name, fold=True, needed=True) for name in names),
        ],
        sections=sections,
        notes=["± is the standard deviation over seeds. Each rung is trained on its own."],
    )


def _loss(rung: Rung) -> str:
    spread = "" if rung.std is None else f" ±{rung.std:.3f}"
    return f"{rung.bits_per_byte:.3f}{spread}"


def pair_table(scale: Scale) -> Table:
    """Make a table of the differences at the top rung, predicted and found, and of crossovers."""
    sections = []
    for model in scale.says:
        rows: list[Row] = []
        whole = [pair for pair in scale.crossovers if pair.text is None]
        for predicted, found, pair in zip(scale.predicted, scale.found, whole, strict=True):
            if pair.model != model:
                continue
            figures = [
                f"{one.delta_bits_per_byte:+.3f} ±{half_width(one):.3f}"
                for one in (predicted, found)
            ]
            worth = f"×{pair.worth:.1f}" if pair.worth else ""
            rows.append([f"{pair.b} - {pair.a}", *figures, worth, _flips(pair, scale)])
        sections.append(Section(rows, model))
    return Table(
        title=f"Differences at the top rung, and crossovers up to {scale.extrapolate:g} times it",
        columns=[
            Column("", "left", fold=True, needed=True),
            Column("predicted", fold=True),
            Column("found", fold=True),
            Column("worth"),
            Column("crossover", "left", fold=True, needed=True),
        ],
        sections=sections,
        notes=[
            "Bits per byte. Predicted: from the rungs below the top one alone. Worth: how many "
            f"times the {GROWS[scale.axis]} the first needs for the same loss. ± and sets are "
            "95 % for each pair, not corrected for the number of pairs. A pair is as predicted if "
            "its figures differ by at most the root of the sum of their squared ±."
        ],
    )


def _flips(pair: Crossover, scale: Scale) -> str:
    if pair.status == "none within range":
        return "none"
    low, high = pair.set_bytes or (None, None)
    ends = [amount(end, scale.axis) if end else word for end, word in ((low, "0"), (high, "never"))]
    if pair.status == "not identified":
        return f"not identified: {ends[0]} to {ends[1]}"
    assert pair.at is not None
    return f"{amount(pair.at, scale.axis)} ({ends[0]} to {ends[1]})"


def fit_table(scale: Scale) -> Table:
    """Make a table of the laws, and how well each predicted the top rung."""
    sections = []
    for model in scale.says:
        rows: list[Row] = []
        for fit in scale.fits:
            if fit.model != model:
                continue
            powers = ", ".join(f"{name} {power:.2f}" for name, power in fit.exponents.items())
            error = "" if fit.top_error is None else f"{fit.top_error:.4f}"
            rows.append(
                [
                    fit.law,
                    Cell(error, "best" if fit.chosen else None),
                    "" if fit.floor is None else f"{fit.floor:.3f}",
                    powers,
                ]
            )
        sections.append(Section(rows, model))
    return Table(
        title="Laws, by their error at the top rung",
        columns=[
            Column("law", "left", fold=True),
            Column("error"),
            Column("floor"),
            Column("exponents", "left", fold=True),
        ],
        sections=sections,
        notes=[
            "Each law was fitted to the rungs below the top one; the error is that of the "
            "differences, in bits per byte. Floor and exponents are of all rungs; with own floors "
            "the one exponent is that of the differences."
        ],
    )


def command(scale: Scale) -> str | None:
    """Return the command line that runs the ladder again; None if only Python can run it."""
    config = scale.experiment
    if config.data is None or isinstance(config.models, Mapping):
        return None
    if set(given_options(config)) & set(NOT_OF_SCALE):
        return None
    options = given_options(config) | {"models": config.models, "seeds": config.seeds}
    options |= {"budget": config.budget, "evaluations": config.evaluations}
    own = {
        "rungs": len({rung.folder for rung in scale.rungs}),
        "factor": f"{scale.factor:g}",
        "axis": scale.axis,
        "extrapolate": f"{scale.extrapolate:g}",
    }
    defaults = {"models": ("decoder",), "evaluations": 1, "axis": "bytes", "extrapolate": "10"}
    options |= own
    told = {n: value for n, value in options.items() if n not in defaults or value != defaults[n]}
    return " ".join(map(quote, ["gptkit", "scale", *option_words(told)]))


def page(scale: Scale, *, figures: Sequence[str] = ()) -> str:
    """Write the ladder as Markdown.

    Args:
        figures: file names, one for each model.
    """
    names = escape_markdown(" vs ".join(scale.experiment.tokenizer_names))
    text = escape_markdown(scale.experiment.data or "a text of its own")
    parts = [
        f"# {names} from {span(scale)} on {text}",
        *(f"**{escape_markdown(says)}**" for says in scale.says.values()),
        *(f"![bits per byte, and differences, by budget]({figure})" for figure in figures),
        *(f"- warning: {escape_markdown(to_command_line(warning))}" for warning in scale.warnings),
        *(_section(table) for table in (rung_table(scale), pair_table(scale), fit_table(scale))),
        decided(scale),
        "## Crossovers",
        "\n".join(f"- {escape_markdown(said(pair))}" for pair in scale.crossovers),
        "## Run this again",
        f"    {command(scale) or NO_COMMAND}",
        f"gptkit {scale.gptkit}. Training took {duration(training_seconds(scale))}.",
    ]
    return "\n\n".join(parts) + "\n"


def decided(scale: Scale) -> str:
    """Say for how many pairs the fit, and the order at the rung below, were right at the top."""
    below = list(dict.fromkeys(rung.folder for rung in scale.rungs))[-2]
    at = {(r.folder, r.model, r.tokenizer): r.bits_per_byte for r in scale.rungs}
    fit = sum(p.delta_bits_per_byte > 0 for p in scale.predicted)
    plain = sum(at[below, p.model, p.b] > at[below, p.model, p.a] for p in scale.found)
    n = len(scale.found)
    return (
        f"The order at the top rung was as the fit to the rungs below said for {fit} of {n} pairs, "
        f"and as it was at the rung below for {plain} of {n}."
    )


def said(pair: Crossover) -> str:
    where = pair.model if pair.text is None else f"{pair.model}, {pair.text}"
    return f"{pair.says} ({where})"


def training_seconds(scale: Scale) -> float:
    """Return the seconds of all arms, one after another; a resumed ladder has them all."""
    return scale.experiment.seeds * sum(rung.seconds for rung in scale.rungs)


def span(scale: Scale) -> str:
    values = [r.params if scale.axis == "params" else r.bytes for r in scale.rungs]
    return f"{amount(min(values), scale.axis)} to {amount(max(values), scale.axis)}"


def _section(table: Table) -> str:
    lines = [f"## {escape_markdown(table.title)}", "", *to_markdown(table)]
    return "\n".join([*lines, "", escape_markdown(" ".join(table.notes))])


def cost_table(costs: dict[str, ExperimentCost]) -> Table:
    """Make a table of what each rung would cost, and all of them relative to the top one."""
    rows: list[Row] = [
        [name, str(len(cost.arms)), f"{cost.seconds:,.0f}"] for name, cost in costs.items()
    ]
    total = sum(cost.seconds for cost in costs.values())
    top = list(costs.values())[-1].seconds
    return Table(
        title="What the ladder would cost",
        columns=[Column("rung", "left"), Column("arms"), Column("seconds")],
        sections=[Section(rows)],
        notes=[
            f"In all about {duration(total)}, {total / top:.1f} times the top rung, on this "
            f"machine's {list(costs.values())[-1].device}."
        ],
    )
