"""Write the calibrations of ladders, of added seeds, and of published laws as pages."""

from __future__ import annotations

from gptkit.report.table import Column, Row, Section, Spec, Table, build_rows, to_markdown
from gptkit.results.studies import (
    LadderCoverage,
    PublishedFit,
    PublishedLaws,
    ScaleCalibration,
    SequentialCalibration,
)
from gptkit.results.summary import join_names


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share:.1%}"


COLUMNS: list[Spec[LadderCoverage]] = [
    Spec(Column("arms", "left"), lambda row: row.arms),
    Spec(Column("ladders"), lambda row: str(row.ladders)),
    Spec(Column("pairs of each"), lambda row: str(row.pairs)),
    Spec(Column("top rung in its interval"), lambda row: _percent(row.top)),
    Spec(Column("by the law alone"), lambda row: _percent(row.top_by_law)),
    Spec(Column("order at the top, by the fit"), lambda row: _percent(row.sign_by_fit)),
    Spec(Column("by the rung below"), lambda row: _percent(row.sign_by_rung)),
    Spec(Column("true crossovers"), lambda row: str(row.crossovers)),
    Spec(Column("in their set"), lambda row: _percent(row.in_set)),
    Spec(Column("claimed"), lambda row: _percent(row.claimed)),
    Spec(Column("false claims"), lambda row: _percent(row.false_crossovers)),
    Spec(Column("false leads"), lambda row: _percent(row.false_leads)),
]


def scale_page(found: ScaleCalibration) -> str:
    """Write the report of `gptkit.bench.scale_calibration.calibrate_scale`."""
    columns, rows = build_rows(COLUMNS, found.coverage)
    lines = [
        "# Can a ladder be trusted?",
        "",
        "Texts are from Markov sources, so the true curves can be measured. Counted arms are "
        "bigrams of characters and of two BPE vocabularies; the truth is the mean of many arms on "
        "a long text, up to ten times the largest rung. Copies are two arms of one tokenizer on "
        "different text. Trained decoders are drawn three seeds at a time from a pool, and its "
        "mean is the truth. Each ladder has three seeds. Rungs are of factor 2; there are four "
        "where the table says nothing else.",
        "",
        *to_markdown(Table("", columns, [Section(rows)])),
        "",
        "Sets and intervals are for 95 %. The law alone is a constant, log-linear or power-law "
        "lead, averaged over exponents, without the deviation from it that gptkit allows for. A "
        "true crossover is in its set if it lies in `set_bytes`, whatever the status is; claimed "
        "is the share of status `crossover`. False claims are crossovers of pairs without one. "
        "False leads are pairs of status `none within range` whose first does not lead up to ten "
        "times the largest rung.",
        "",
        "## Run this again",
        "",
        f"    gptkit calibrate scale --trials {found.ladders} --copies {found.pool}",
        "",
    ]
    return "\n".join(lines)


def sequential_page(found: SequentialCalibration) -> str:
    """Write the report of `gptkit.bench.sequential_calibration.calibrate_sequential`."""
    rows: list[Row] = [
        [name, _percent(share), _percent(found.without_levels[name])]
        for name, share in found.false_claims.items()
    ]
    columns = [Column("noise", "left"), Column("false claims"), Column("at 5 % for each look")]
    lines = [
        "# Can seeds be added until a comparison is decided?",
        "",
        f"{found.trials:,} comparisons without a difference for each kind of noise, with a look "
        f"after each seed from {found.first} to {found.most}. At most 5 % may be decided.",
        "",
        *to_markdown(Table("", columns, [Section(rows)])),
        "",
        "## Run this again",
        "",
        f"    gptkit calibrate until --trials {found.trials}",
        "",
    ]
    return "\n".join(lines)


def _say_where_published(fit: PublishedFit, draws: int) -> str:
    outside = [
        c.name for c in fit.coefficients if not c.interval[0] <= c.published <= c.interval[1]
    ]
    held = "all published coefficients" + (f" but {join_names(outside)}" if outside else "")
    return f"95 %: over {draws} resamples of the {fit.resampled}. The intervals hold {held}."


def published_page(found: PublishedLaws) -> str:
    """Write the report of `gptkit.bench.published_laws.published_laws`."""
    lines = ["# Published scaling laws, fitted again"]
    for fit in found.fits:
        rows: list[Row] = [
            [
                one.name,
                f"{one.published:.4g}",
                f"{one.fitted:.4g}",
                f"{one.interval[0]:.4g} to {one.interval[1]:.4g}",
            ]
            for one in fit.coefficients
        ]
        columns = [Column("", "left"), Column("published"), Column("here"), Column("95 %")]
        lines += [
            "",
            f"## {fit.source}",
            "",
            f"`{fit.law}`, {fit.points:,} points, Huber's loss {fit.loss:.5f}.",
            "",
            *to_markdown(Table("", columns, [Section(rows)])),
            "",
            _say_where_published(fit, found.draws),
        ]
    low, high = found.interval
    most = f"{high:,.0f}" if high else "more than 4,000,000: the data do not identify it"
    lines += [
        "",
        f"The best vocabulary for 70 billion parameters by the second law is {found.optimum:,.0f} "
        f"ids. Its 95 % interval is {low:,.0f} to {most}.",
        "",
        "## Run this again",
        "",
        f"    gptkit calibrate published --data FOLDER --trials {found.draws}",
        "",
    ]
    return "\n".join(lines)
