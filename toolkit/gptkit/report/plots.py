"""Plot bits per byte against vocabulary size, training text or stage of the ladder.

Needs the extra `plots`. Error bars are the standard deviation over seeds. The same results give the
same bytes of SVG.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from gptkit.errors import ConfigError
from gptkit.plan.ladder import STAGES
from gptkit.report.ladder import stage_rows
from gptkit.results.schema import Results
from gptkit.results.summary import group_by_model, vocabulary_points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def figure_name(results: Results) -> str | None:
    """Return the file name of the figure in a report of these results; None for no figure."""
    if results.ladder is not None:
        return "ladder.svg"
    return "vocabulary.svg" if len(results.experiment.tokenizers) > 2 else None


def to_svg(axes: Axes) -> bytes:
    """Write the figure of some axes as SVG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    assert isinstance(axes.figure, Figure)

    buffer = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "gptkit", "svg.fonttype": "none"}):
        axes.figure.savefig(buffer, format="svg", metadata={"Date": None})
    return buffer.getvalue()


def plot_vocabulary(experiments: Sequence[Results]) -> Axes:
    """A line for each experiment and model, a point for each tokenizer."""
    axes = _new_axes("vocabulary, ids")
    names: dict[int, list[str]] = {}
    texts = {results.corpus.name for results in experiments}
    for results in experiments:
        on_text = f" on {results.corpus.name}" if len(texts) > 1 else ""
        for model, points in vocabulary_points(results).items():
            axes.errorbar(
                [point.vocab_size for point in points],
                [point.bits for point in points],
                yerr=[point.std or 0.0 for point in points],
                marker="o",
                capsize=3,
                label=f"{model}{on_text}, matched by {results.match.by}",
            )
            for point in points:
                at = names.setdefault(point.vocab_size, [])
                at += [point.tokenizer] if point.tokenizer not in at else []
    axes.set_xscale("log", base=2)
    axes.set_xticks([])
    axes.set_xticks([], minor=True)
    sizes = sorted(names)
    axes.set_xticks(
        sizes, [f"{chr(10).join(names[size])}\n{size:,}" for size in sizes], rotation=45
    )
    axes.legend()
    return axes


def plot_curves(experiments: Sequence[Results]) -> Axes:
    """A line for each tokenizer and model: the mean over seeds against the training text read."""
    axes = _new_axes("training text, bytes")
    for results in experiments:
        for seeds in group_by_model(results.arms):
            points = list(zip(*(arm.curve for arm in seeds), strict=False))
            axes.plot(
                [fmean(p.train_bytes for p in same) for same in points],
                [fmean(p.val_bits_per_byte for p in same) for same in points],
                marker="o",
                label=f"{seeds[0].tokenizer}, {seeds[0].model}",
            )
    axes.legend()
    return axes


def plot_ladder(experiments: Sequence[Results]) -> Axes:
    """A line for each experiment and tokenizer over the stages; crosses for published losses."""
    axes = _new_axes("stage of the lecture")
    ladders = [results for results in experiments if results.ladder is not None]
    stages = [s for s in STAGES if any(s in r.experiment.models for r in ladders)]
    for results in ladders:
        for tokenizer, rows in stage_rows(results).items():
            axes.errorbar(
                [stages.index(row.stage) for row in rows],
                [row.bits for row in rows],
                yerr=None if rows[0].std is None else [row.std or 0.0 for row in rows],
                marker="o",
                capsize=3,
                label=f"{tokenizer}, by {results.match.by}" if len(ladders) > 1 else tokenizer,
            )
    known = [
        (i, nats / math.log(2))
        for i, stage in enumerate(stages)
        for nats in dict.fromkeys(STAGES[stage].published or ())
    ]
    if known and ladders[0].corpus.name == "tinyshakespeare":
        x, y = zip(*known, strict=True)
        on_a_gpu = " (scaled: on a GPU)" if "scaled" in stages else ""
        label = f"published, char{on_a_gpu}"
        axes.scatter(x, y, marker="x", color="black", zorder=3, label=label)
    axes.set_xticks(range(len(stages)), stages, rotation=45)
    axes.legend()
    return axes


PLOTS: dict[str, Callable[[Sequence[Results]], Axes]] = {
    "curves": plot_curves,
    "vocabulary": plot_vocabulary,
    "ladder": plot_ladder,
}


def new_figure(*, height: float = 5) -> Figure:
    """Return an empty figure, 8 inches wide.

    Raises:
        ConfigError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise ConfigError(
            "a figure needs matplotlib. Install it: pip install 'gptkit[plots]'."
        ) from None
    return Figure(figsize=(8, height), layout="constrained")


def _new_axes(x_label: str) -> Axes:
    axes = new_figure().add_subplot()
    axes.set_xlabel(x_label)
    axes.set_ylabel("bits per byte")
    axes.grid(alpha=0.3)
    return axes
