"""Say in words what a ladder shows."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence

from gptkit.results.scale_schema import Axis, Crossover, PairAtTop
from gptkit.results.summary import join_names

UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"), (1, "B"))
GROWS: dict[Axis, str] = {
    "bytes": "text",
    "params": "parameters",
    "both": "text and parameters",
}
COUNTS = ((1e9, "B"), (1e6, "M"), (1e3, "k"), (1, ""))


def amount(value: float, axis: Axis) -> str:
    """Write a budget of text, or a number of parameters.

    >>> amount(5.13e6, "bytes"), amount(262_144, "params"), amount(99_960, "bytes")
    ('5.1 MB', '262k parameters', '100 kB')
    """
    value = float(f"{value:.3g}")
    size, unit = next((s, u) for s, u in (COUNTS if axis == "params" else UNITS) if value >= s)
    scaled = f"{value / size:.3g}" if value / size >= 10 else f"{value / size:.2g}"
    return f"{scaled}{unit} parameters" if axis == "params" else f"{scaled} {unit}"


def say_crossover(
    pair: Crossover, *, top: float, lowest: float, axis: Axis, extrapolate: float
) -> str:
    """Say whether and where the order of two tokenizers flips.

    Args:
        top, lowest: the largest and the smallest rung.
        extrapolate: how far the bands reach, in times of the largest rung.
    """
    low, high = pair.set_bytes or (None, None)
    if pair.status == "crossover":
        assert pair.at is not None
        assert low is not None
        assert high is not None
        sure = [point for point in pair.band if point[1] > 0 or point[3] < 0]
        after, before = (pair.a, pair.b) if sure[-1][1] > 0 else (pair.b, pair.a)
        beyond = "beyond it, by extrapolation," if pair.at > top else "beyond it"
        text = (
            f"{before} leads up to {amount(pair.at, axis)} ({amount(low, axis)} to "
            f"{amount(high, axis)}); {beyond} {after}"
        )
        end = sure[-1][0]
        if end < pair.band[-1][0]:
            text += f", at least to {amount(end, axis)}"
        return text
    if pair.status == "none within range":
        text = (
            f"no crossover within {extrapolate:g} times the largest rung: {pair.a} leads {pair.b}"
        )
        if high is None:
            return text
        return f"{text}; up to {amount(high, axis)} they cannot be told apart"
    if low is None and high is None:
        allowed = "at any budget, or none" if axis != "params" else "at any size, or none"
    else:
        least = f"below {amount(lowest, axis)}" if low is None else amount(low, axis)
        most = "never" if high is None else amount(high, axis)
        allowed = f"anywhere from {least} to {most}"
    return f"the crossover of {pair.a} and {pair.b} is not identified: the data allow one {allowed}"


def say_ladder(
    pairs: Sequence[Crossover],
    found: Sequence[PairAtTop],
    predicted: Sequence[PairAtTop],
    *,
    bits: dict[str, list[float]],
    budgets: Sequence[float],
    axis: Axis,
    chance: Collection[frozenset[str]] = (),
    n_pairs: int = 1,
) -> str:
    """Say who is ahead at the top rung, how the lead moves, where the order flips.

    Args:
        pairs, found, predicted: one for each pair of tokenizers of one model.
        chance: pairs whose difference at the top rung is not significant, corrected for all pairs
            (Holm).
        n_pairs: how many pairs the top rung has, under all models.
        bits: bits per byte at each rung, by tokenizer.
        budgets: of the rungs.
    """
    leader = min(bits, key=lambda name: bits[name][-1])
    mine = [i for i, pair in enumerate(found) if pair.a == leader]
    closest = min(mine, key=lambda i: found[i].delta_bits_per_byte)
    rival = found[closest].b
    leads = [b - a for a, b in zip(bits[leader], bits[rival], strict=True)]
    lead = found[closest]
    maybe = f"maybe by chance among {n_pairs} pairs" if {leader, rival} in chance else ""
    sentences = [
        _say_lead(lead, pairs[closest].worth, budgets, axis, maybe),
        _say_change(leader, rival, leads, amount(budgets[0], axis)),
        *_say_flips([pairs[i] for i in mine]),
        _say_order(bits),
        _say_prediction(predicted, found),
    ]
    return ". ".join(sentences) + "."


def _say_flips(pairs: Sequence[Crossover]) -> list[str]:
    """Say where the leader's order with each other flips; pairs that cannot in one sentence."""
    plain = [p for p in pairs if p.status == "none within range" and p.set_bytes is None]
    said = [_start(pair.says) for pair in pairs if pair not in plain]
    if plain:
        names = join_names([pair.b for pair in plain])
        said.insert(0, _start(plain[0].says.removesuffix(plain[0].b)) + names)
    return said


def _start(said: str) -> str:
    """Begin a sentence; a tokenizer's name stays as it is."""
    return said[0].upper() + said[1:] if said.startswith(("no ", "the ")) else said


def _say_change(leader: str, rival: str, leads: Sequence[float], lowest: str) -> str:
    """Say how the lead moved from the lowest rung to the top one."""
    first, last = leads[0], leads[-1]
    if first < 0:
        return f"At {lowest} {leader} was behind {rival} by {-first:.3f}"
    moved = "grew" if last > first else "shrank"
    return f"The lead of {leader} {moved} from {first:.3f} at {lowest} to {last:.3f}"


def _say_lead(
    lead: PairAtTop, worth: float | None, budgets: Sequence[float], axis: Axis, maybe: str
) -> str:
    figure = f"{lead.delta_bits_per_byte:.3f} ± {half_width(lead):.3f} bits per byte"
    at_top = f"At {amount(budgets[-1], axis)} under {lead.model}"
    if lead.ci95[0] <= 0:
        return f"{at_top} {lead.a} and {lead.b} cannot be told apart ({figure})"
    if maybe:
        return f"{at_top} {lead.a} is ahead of {lead.b} by {figure}, {maybe}"
    times = budgets[-1] / budgets[0]
    times_text = f"{worth:.1f}" if worth else f"more than {times:.{0 if times >= 9.5 else 1}f}"
    return (
        f"{at_top} {lead.a} is ahead of {lead.b} by {figure}, as much as {times_text} times the "
        f"{GROWS[axis]}"
    )


def _say_order(bits: dict[str, list[float]]) -> str:
    before, last = (sorted(bits, key=lambda name: bits[name][r]) for r in (-2, -1))
    changes = "is the same at the last two rungs"
    if before != last:
        changes = "still changes between the last two rungs"
    return f"The order ({join_names(last)}) {changes}"


def _say_prediction(predicted: Sequence[PairAtTop], found: Sequence[PairAtTop]) -> str:
    held = sum(map(is_as_predicted, predicted, found))
    if held == len(found):
        return "The rungs below predicted the top rung"
    pairs = "pair" if len(found) == 1 else "pairs"
    return f"The rungs below predicted the top rung for {held} of {len(found)} {pairs}"


def half_width(pair: PairAtTop) -> float:
    """Return half the width of the interval."""
    return (pair.ci95[1] - pair.ci95[0]) / 2


def is_as_predicted(predicted: PairAtTop, found: PairAtTop) -> bool:
    """Return whether both agree within their intervals together: both have an error."""
    off = abs(predicted.delta_bits_per_byte - found.delta_bits_per_byte)
    return off <= math.hypot(half_width(predicted), half_width(found))
