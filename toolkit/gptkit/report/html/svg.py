"""Draw charts as SVG that needs no script, in the colours of Okabe and Ito, with markers."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from gptkit.report.formatting import short
from gptkit.report.table import escape_html

WIDTH, HEIGHT = 480, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 12, 44  # margins
N_COLOURS = 7  # --series-0 and on, in style.css
DASHES = ("", "7 3", "2 3")
MARKERS: Sequence[Callable[[float, float], str]] = (
    lambda x, y: f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4"/>',
    lambda x, y: f'<rect x="{x - 3.5:.1f}" y="{y - 3.5:.1f}" width="7" height="7"/>',
    lambda x, y: f'<path d="M{x:.1f} {y - 5:.1f}l4.6 8.4h-9.2z"/>',
    lambda x, y: f'<path d="M{x:.1f} {y - 5:.1f}l5 5-5 5-5-5z"/>',
    lambda x, y: f'<path d="M{x:.1f} {y + 5:.1f}l4.6-8.4h-9.2z"/>',
)

Point = tuple[float, float]
Box = tuple[float, float, float, float]  # left, top, right, bottom
CHAR_WIDTH = 7.0  # of a label, on average


@dataclass(frozen=True, kw_only=True)
class Series:
    """A line of a chart.

    Attributes:
        points: from left to right.
        band: the lower and the upper y at each point; None for none.
        labels: a text beside each point; none by default.
        joined: whether a line joins the points.
        marked: whether the points have markers.
        at: which colour, marker and dashes it has, from 0.
    """

    name: str
    points: Sequence[Point]
    band: Sequence[Point] | None = None
    labels: Sequence[str] = ()
    joined: bool = True
    marked: bool = True
    at: int = 0


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart of lines or points.

    Attributes:
        title: what it shows, for who cannot see it.
        log: whether the x-axis is logarithmic.
        ticks: labels of the x-axis by value; found if there are none.
    """

    title: str
    x_label: str
    y_label: str = "bits per byte"
    series: Sequence[Series]
    log: bool = False
    ticks: dict[float, str] = field(default_factory=dict)


def draw(chart: Chart) -> str:
    """Draw a chart; its legend is `legend`."""
    xs = [x for one in chart.series for x, _ in one.points] + list(chart.ticks)
    ys = [y for one in chart.series for _, y in one.points]
    ys += [y for one in chart.series for pair in one.band or () for y in pair]
    log = chart.log and min(xs) > 0
    x_at = _scale(min(xs), max(xs), LEFT + 8, WIDTH - RIGHT - 8, log=log)
    y_at = _scale(min(ys), max(ys), HEIGHT - BOTTOM - 8, TOP + 8)
    ticks = chart.ticks or {x: short(x) for x in _ticks(min(xs), max(xs), log=log)}
    taken: list[Box] = []  # by labels
    parts = [_axes(chart, x_at, y_at, ticks, _ticks(min(ys), max(ys)))]
    for one in chart.series:
        parts.append(_series(one, x_at, y_at, taken))
    title = escape_html(chart.title)
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">'
        f"<title>{title}</title>{''.join(parts)}</svg>"
    )


def legend(series: Sequence[Series]) -> str:
    """Write the names of the lines, each with its colour and marker."""
    keys = "".join(
        f'<li><svg viewBox="0 0 26 12" width="26" height="12" aria-hidden="true">'
        f"{_line(one, 'M0 6H26') if one.joined else ''}{_marked(one, [(13, 6)])}</svg>"
        f"{escape_html(one.name)}</li>"
        for one in series
    )
    return f'<ul class="legend">{keys}</ul>'


def _axes(
    chart: Chart,
    x_at: Callable[[float], float],
    y_at: Callable[[float], float],
    x_ticks: dict[float, str],
    y_ticks: Sequence[float],
) -> str:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    lines = "".join(f"M{LEFT} {y_at(y):.1f}H{right}" for y in y_ticks)
    lines += "".join(f"M{x_at(x):.1f} {TOP}V{bottom}" for x in x_ticks)
    decimals = max(0, 1 - math.floor(math.log10(y_ticks[1] - y_ticks[0]))) if y_ticks[1:] else 2
    y_texts = "".join(
        f'<text x="{LEFT - 6}" y="{y_at(y) + 4:.1f}" text-anchor="end">{y:.{decimals}f}</text>'
        for y in y_ticks
    )
    x_texts, free = "", 0.0
    for x, text in sorted(x_ticks.items()):
        half = 3.7 * len(text)
        at = min(max(x_at(x), half), WIDTH - half)
        if at - half < free:
            continue  # a label that would cover the last one
        free = at + half + 4
        x_texts += (
            f'<text x="{at:.1f}" y="{bottom + 17}" text-anchor="middle">{escape_html(text)}</text>'
        )
    middle = (LEFT + right) / 2
    return (
        f'<path class="grid" d="{lines}"/><path class="frame" d="M{LEFT} {TOP}V{bottom}H{right}"/>'
        f'<g class="text">{y_texts}{x_texts}'
        f'<text x="{middle}" y="{HEIGHT - 6}" text-anchor="middle">{escape_html(chart.x_label)}'
        f'</text><text transform="translate(13 {(TOP + bottom) / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape_html(chart.y_label)}</text></g>'
    )


def _series(
    one: Series,
    x_at: Callable[[float], float],
    y_at: Callable[[float], float],
    taken: list[Box],
) -> str:
    places = [(x_at(x), y_at(y)) for x, y in one.points]
    shown = ""
    if one.band:
        ends = [(x_at(x), pair) for (x, _), pair in zip(one.points, one.band, strict=True)]
        edge = [f"{x:.1f} {y_at(high):.1f}" for x, (_, high) in ends]
        edge += [f"{x:.1f} {y_at(low):.1f}" for x, (low, _) in reversed(ends)]
        colour = f"var(--series-{one.at % N_COLOURS})"
        shown += f'<path class="band" style="fill:{colour}" d="M{"L".join(edge)}z"/>'
    if one.joined:
        shown += _line(one, "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places))
    if one.marked:
        titles = [f"{one.name}: {y:.3f} at {short(x)}" for x, y in one.points]
        shown += _marked(one, places, titles)
    for place, label in zip(places, one.labels, strict=False):
        shown += _label(place, label, taken)
    return shown


def _label(place: Point, label: str, taken: list[Box]) -> str:
    """Write a label beside a point, where it covers no other; nothing if there is no such place."""
    (x, y), width = place, CHAR_WIDTH * len(label)
    for anchor, left, base in (
        ("start", x + 7, y - 5),
        ("start", x + 7, y + 14),
        ("end", x - 7 - width, y - 5),
        ("end", x - 7 - width, y + 14),
    ):
        box = (left, base - 11, left + width, base + 3)
        free = all(
            box[2] < other[0] or other[2] < box[0] or box[3] < other[1] or other[3] < box[1]
            for other in taken
        )
        if free and left >= LEFT and box[2] <= WIDTH - 6:
            taken.append(box)
            at = left if anchor == "start" else box[2]
            return (
                f'<text class="text" x="{at:.1f}" y="{base:.1f}" text-anchor="{anchor}">'
                f"{escape_html(label)}</text>"
            )
    return ""


def _line(one: Series, path: str) -> str:
    dash = DASHES[one.at // N_COLOURS % len(DASHES)]
    dashed = f";stroke-dasharray:{dash}" if dash else ""
    colour = f"var(--series-{one.at % N_COLOURS})"
    return f'<path class="line" style="stroke:{colour}{dashed}" d="{path}"/>'


def _marked(one: Series, places: Sequence[Point], titles: Sequence[str] = ()) -> str:
    mark = MARKERS[one.at % len(MARKERS)]
    shown = ""
    for at, (x, y) in enumerate(places):
        shape = mark(x, y)
        if titles:
            shape = f"<g>{shape}<title>{escape_html(titles[at])}</title></g>"
        shown += shape
    return f'<g style="fill:var(--series-{one.at % N_COLOURS})">{shown}</g>'


def _scale(
    low: float, high: float, start: float, end: float, *, log: bool = False
) -> Callable[[float], float]:
    """Return the function from a value to its place in the drawing."""
    of: Callable[[float], float] = math.log if log else float
    first, span = of(low), (of(high) - of(low)) or 1.0
    return lambda value: start + (of(value) - first) / span * (end - start)


def _ticks(low: float, high: float, *, log: bool = False) -> list[float]:
    """Return round values between low and high.

    >>> _ticks(0, 10)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    >>> _ticks(30, 20_000, log=True), _ticks(300, 2400, log=True)
    ([100.0, 1000.0, 10000.0], [500.0, 1000.0, 2000.0])
    """
    if log:
        decades = [10.0**i for i in range(math.floor(math.log10(low)), math.ceil(math.log10(high)))]
        inside = [size for size in decades if low <= size <= high]
        if len(inside) < 3:
            inside = [x * size for size in decades for x in (1, 2, 5) if low <= x * size <= high]
        return inside or [float(low)]
    if low == high:
        return [float(low)]
    raw = (high - low) / 5
    size = 10.0 ** math.floor(math.log10(raw))
    step = next(size * times for times in (1, 2, 5, 10) if size * times >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]
