"""Draw a ladder: the losses at the rungs, and the differences with their bands. Needs `plots`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from gptkit.errors import check_known
from gptkit.report.plots import new_figure
from gptkit.results.scale_schema import Crossover, Rung, Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
MARKERS = "osD^vPX*"


def plot_scale(scale: Scale, *, model: str | None = None) -> Axes:
    """Draw losses above and differences below, both against the budget, on logarithmic axes.

    Args:
        model: a model of the ladder; None for the first.
    """
    model = next(iter(scale.says)) if model is None else model
    check_known("model", model, scale.says)
    figure = new_figure(height=7)
    from matplotlib.ticker import MaxNLocator, NullLocator

    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[1, 1])
    rungs = [rung for rung in scale.rungs if rung.model == model]
    names = list(dict.fromkeys(rung.tokenizer for rung in rungs))
    for i, name in enumerate(names):
        mine = [rung for rung in rungs if rung.tokenizer == name]
        _draw_losses(upper, scale, mine, color=COLOURS[i % len(COLOURS)], marker=_marker(i))
    leader = min(rungs[-len(names) :], key=lambda rung: rung.bits_per_byte)
    top = budget(leader, scale)
    for pair in scale.crossovers:
        if pair.model != model or pair.a != leader.tokenizer or pair.text is not None:
            continue
        i = names.index(pair.b)
        _draw_pair(lower, scale, pair, color=COLOURS[i % len(COLOURS)], marker=_marker(i))
    lower.axhline(0, color="black", linewidth=0.8)
    seen = [b - a for a, b in lead_range(scale, model, leader.tokenizer)]
    room = 0.5 * max(map(abs, seen)) if seen else 0.1
    lower.set_ylim(min(0, *seen) - room, max(0, *seen) + room) if seen else None
    lower.axvline(top, color="grey", linewidth=0.8, linestyle=":")
    upper.set_xscale("log")
    upper.set_yscale("log")
    upper.yaxis.set_major_locator(MaxNLocator(6))
    upper.yaxis.set_major_formatter("{x:.2f}")
    upper.yaxis.set_minor_locator(NullLocator())
    upper.set_ylabel(f"bits per byte, {model}")
    lower.set_ylabel("difference, bits per byte")
    unit = "parameters of the body" if scale.axis == "params" else "training text, bytes"
    lower.set_xlabel(f"{unit} (dotted: the top rung; beyond it, extrapolation)")
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        axes.legend()
    return upper


def _marker(i: int) -> str:
    return MARKERS[i % len(MARKERS)]


def _draw_losses(
    axes: Axes, scale: Scale, rungs: Sequence[Rung], *, color: str, marker: str
) -> None:
    """Draw a tokenizer's losses, with their standard deviations over seeds."""
    axes.errorbar(
        [budget(rung, scale) for rung in rungs],
        [rung.bits_per_byte for rung in rungs],
        yerr=[rung.std or 0.0 for rung in rungs],
        color=color,
        marker=marker,
        capsize=3,
        label=rungs[0].tokenizer,
    )


def _draw_pair(axes: Axes, scale: Scale, pair: Crossover, *, color: str, marker: str) -> None:
    """Draw a pair's differences, the fitted law with its band, and the crossover's set."""
    at, low, middle, high = zip(*pair.band, strict=True)
    axes.fill_between(at, low, high, color=color, alpha=0.2, linewidth=0)
    axes.plot(at, middle, color=color, linestyle="--")
    of_model = [rung for rung in scale.rungs if rung.model == pair.model]
    a, b = ([r for r in of_model if r.tokenizer == name] for name in (pair.a, pair.b))
    axes.plot(
        [budget(rung, scale) for rung in b],
        [y.bits_per_byte - x.bits_per_byte for x, y in zip(a, b, strict=True)],
        color=color,
        marker=marker,
        linestyle="none",
        label=f"{pair.b} - {pair.a}",
    )
    if pair.status == "crossover" and pair.set_bytes:
        ends = [pair.set_bytes[0] or at[0], pair.set_bytes[1] or at[-1]]
        axes.plot(ends, [0, 0], color=color, linewidth=5, solid_capstyle="butt", alpha=0.6)


def budget(rung: Rung, scale: Scale) -> float:
    """Return what grows along the ladder: a rung's bytes, or its parameters."""
    return rung.params if scale.axis == "params" else rung.bytes


def lead_range(scale: Scale, model: str, leader: str) -> list[tuple[float, float]]:
    """Return (loss of the leader, loss of another) at each rung."""
    rungs = [rung for rung in scale.rungs if rung.model == model]
    best = {rung.folder: rung.bits_per_byte for rung in rungs if rung.tokenizer == leader}
    return [(best[r.folder], r.bits_per_byte) for r in rungs if r.tokenizer != leader]
