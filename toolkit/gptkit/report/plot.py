"""Bits per byte against vocabulary size, as an SVG. Needs the extra `plots`, matplotlib."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from gptkit.figures import vocabulary_points

FIGURE = "vocabulary.svg"


def vocabulary_plot(results: Sequence[dict[str, Any]]) -> bytes | None:
    """A line for each experiment and model, a point for each tokenizer, as SVG.

    Error bars are the standard deviation over seeds. The same results give the same bytes. None
    where matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError:
        return None

    named: dict[int, str] = {}
    with mpl.rc_context({"svg.hashsalt": "gptkit", "svg.fonttype": "none"}):
        figure = Figure(figsize=(8, 5), layout="constrained")
        axes = figure.add_subplot()
        for result in results:
            for model, points in vocabulary_points(result).items():
                axes.errorbar(
                    [point.vocab_size for point in points],
                    [point.bits for point in points],
                    yerr=[point.deviation for point in points],
                    marker="o",
                    capsize=3,
                    label=f"{model}, matched by {result['match']['by']}",
                )
                named |= {point.vocab_size: point.tokenizer for point in points}
        axes.set_xscale("log", base=2)
        axes.set_xticks([])
        axes.set_xticks([], minor=True)
        axes.set_xticks(
            sorted(named), [f"{named[size]}\n{size:,}" for size in sorted(named)], rotation=45
        )
        axes.set_xlabel("vocabulary, ids")
        axes.set_ylabel("bits per byte")
        axes.grid(alpha=0.3)
        axes.legend()
        buffer = io.BytesIO()
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()
