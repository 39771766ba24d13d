"""Bits per byte against vocabulary size, or by stage of the ladder, as an SVG.

Needs the extra `plots`, matplotlib. Error bars are the standard deviation over seeds. The same
results give the same bytes.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gptkit.plan.ladder import STAGES
from gptkit.results.ladder import preset_of, stage_rows
from gptkit.results.summary import vocabulary_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def figure_of(result: dict[str, Any]) -> str | None:
    """The file name of the figure that a report of these results has; None for none."""
    if preset_of(result) is not None:
        return "ladder.svg"
    return "vocabulary.svg" if len(result["experiment"]["tokenizers"]) > 2 else None


def plot(results: Sequence[dict[str, Any]]) -> bytes | None:
    """The figure of these results, as SVG; None where matplotlib is not installed."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        return None

    with mpl.rc_context({"svg.hashsalt": "gptkit", "svg.fonttype": "none"}):
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.add_subplot()
        (_by_vocabulary if preset_of(results[0]) is None else _by_stage)(axes, results)
        axes.set_ylabel("bits per byte")
        axes.grid(alpha=0.3)
        axes.legend()
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def _by_vocabulary(axes: Axes, results: Sequence[dict[str, Any]]) -> None:
    """A line for each experiment and model, a point for each tokenizer."""
    named: dict[int, str] = {}
    texts = {result["corpus"]["name"] for result in results}
    for result in results:
        on_text = f" on {result['corpus']['name']}" if len(texts) > 1 else ""
        for model, points in vocabulary_points(result).items():
            axes.errorbar(
                [point.vocab_size for point in points],
                [point.bits for point in points],
                yerr=[point.deviation for point in points],
                marker="o",
                capsize=3,
                label=f"{model}{on_text}, matched by {result['match']['by']}",
            )
            named |= {point.vocab_size: point.tokenizer for point in points}
    axes.set_xscale("log", base=2)
    axes.set_xticks([])
    axes.set_xticks([], minor=True)
    axes.set_xticks(
        sorted(named), [f"{named[size]}\n{size:,}" for size in sorted(named)], rotation=45
    )
    axes.set_xlabel("vocabulary, ids")


def _by_stage(axes: Axes, results: Sequence[dict[str, Any]]) -> None:
    """A line for each experiment and tokenizer, a point for each stage; crosses as published."""
    ladders = [result for result in results if preset_of(result) is not None]
    stages = [s for s in STAGES if any(s in r["experiment"]["models"] for r in ladders)]
    for result in ladders:
        for tokenizer, rows in stage_rows(result).items():
            axes.errorbar(
                [stages.index(row.stage) for row in rows],
                [row.bits for row in rows],
                yerr=None if rows[0].deviation is None else [row.deviation or 0.0 for row in rows],
                marker="o",
                capsize=3,
                label=f"{tokenizer}, by {result['match']['by']}" if len(ladders) > 1 else tokenizer,
            )
    known = [
        (i, nats / math.log(2))
        for i, stage in enumerate(stages)
        for nats in dict.fromkeys(STAGES[stage].published or ())
    ]
    if known and ladders[0]["corpus"]["name"] == "tinyshakespeare":
        x, y = zip(*known, strict=True)
        on_a_gpu = " (scaled: on a GPU)" if "scaled" in stages else ""
        label = f"published, char{on_a_gpu}"
        axes.scatter(x, y, marker="x", color="black", zorder=3, label=label)
    axes.set_xticks(range(len(stages)), stages, rotation=45)
    axes.set_xlabel("stage of the lecture")
