"""Judge a ladder: who leads at the top, whether that was predicted, and where the order flips."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gptkit.results.ladder_laws import LAWS
from gptkit.results.scale_schema import Axis, Crossover, Fit, PairAtTop, Status
from gptkit.results.statistics import CONFIDENCE, half_width_of, p_value
from gptkit.results.trend import Rungs, draw_trends

BAND_POINTS = 96
TAILS = [(1 - CONFIDENCE) / 2, 0.5, (1 + CONFIDENCE) / 2]
# The share of the band's width that holds 95 % of true differences one rung ahead, by the number of
# rungs below. Few rungs do not show how a law fails, so the band allows for more than ladders do.
# It is measured on 432 pairs of other Markov sources than those of `gptkit calibrate scale`, as
# split conformal prediction does (Lei et al., "Distribution-free predictive inference for
# regression", 2018). The command checks those for 4 and 6 rungs.
ONE_RUNG_AHEAD = {2: 0.2, 3: 0.6, 4: 0.95}
MORE_RUNGS_AHEAD = 1.1


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """The losses of a model's arms at the rungs of a ladder.

    Attributes:
        tokenizers: (T,).
        budgets: (R,), ascending: bytes of training text, or parameters.
        bits: (T, R, S, K) bits of each seed on each of K blocks of the text.
        block_bytes: (K,).
    """

    tokenizers: Sequence[str]
    budgets: np.ndarray
    bits: np.ndarray
    block_bytes: np.ndarray

    def curves(self) -> np.ndarray:
        """Return bits per byte (T, R), the mean over seeds."""
        return self.bits.sum(axis=3).mean(axis=2) / self.block_bytes.sum()

    def below_top(self) -> Ladder:
        """Return all rungs but the largest."""
        return replace(self, budgets=self.budgets[:-1], bits=self.bits[:, :-1])

    def largest(self, n: int) -> Ladder:
        """Return the n largest rungs."""
        return replace(self, budgets=self.budgets[-n:], bits=self.bits[:, -n:])


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """What a ladder shows of one model.

    Attributes:
        p_values: of no difference at the top rung, for each of `found`.
    """

    fits: list[Fit]
    predicted: list[PairAtTop]
    found: list[PairAtTop]
    p_values: list[float]
    crossovers: list[Crossover]


def judge_ladder(
    ladder: Ladder, *, model: str, axis: Axis = "bytes", extrapolate: float = 10.0
) -> Judgement:
    """Judge each pair of tokenizers, the one that leads at the top rung first.

    Args:
        extrapolate: how far the bands reach, in times of the largest rung.
    """
    curves = ladder.curves()
    order = np.argsort(curves[:, -1], kind="stable")
    pairs = list(itertools.combinations(order.tolist(), 2))
    rungs = rungs_of(ladder, pairs)
    top = ladder.budgets[-1:]
    grid = np.unique(
        np.concatenate([np.geomspace(ladder.budgets[0], top[0] * extrapolate, BAND_POINTS), top])
    )
    ahead = draw_trends(rungs_of(ladder.below_top(), pairs), top)[:, :, 0]  # (n, P)
    bands = np.quantile(draw_trends(rungs, grid), TAILS, axis=0)  # (3, P, X)
    share = ONE_RUNG_AHEAD.get(len(ladder.budgets) - 1, MORE_RUNGS_AHEAD)
    predicted, found, p_values, crossovers = [], [], [], []
    noise = np.sqrt(rungs.text[:, -1, -1] + rungs.seeds[:, -1])
    for i, (a, b) in enumerate(pairs):
        names = {"model": model, "a": ladder.tokenizers[a], "b": ladder.tokenizers[b]}
        low, middle, high = map(float, np.quantile(ahead[:, i], TAILS))
        half = share * (high - low) / 2
        ci95 = (middle - half, middle + half)
        predicted.append(PairAtTop(**names, delta_bits_per_byte=middle, ci95=ci95))
        mean = float(rungs.means[i, -1])
        error = float(np.sqrt(rungs.text[i, -1, -1] + rungs.seeds[i, -1]))
        degrees = rungs.degrees or len(ladder.block_bytes) - 1
        half = half_width_of(error, degrees)
        found.append(PairAtTop(**names, delta_bits_per_byte=mean, ci95=(mean - half, mean + half)))
        p_values.append(p_value(mean, error, degrees))
        crossovers.append(
            _crossover(names, ladder, grid, bands[:, i], axis, worth_of_lead(ladder, a, b))
        )
    return Judgement(
        fits=_fits(ladder, model, curves, pairs, float(noise.mean())),
        predicted=predicted,
        found=found,
        p_values=p_values,
        crossovers=crossovers,
    )


def rungs_of(ladder: Ladder, pairs: Sequence[tuple[int, int]]) -> Rungs:
    """Return the differences b - a of pairs of tokenizers, and their noise.

    The noise from the text is the covariance that a bootstrap over the blocks has, in closed
    form. The variance over seeds is half a rung's own and half the mean over rungs: three seeds
    say little about a variance. Its degrees of freedom are Satterthwaite's ("An approximate
    distribution of estimates of variance components", 1946): of R rungs, the weights are
    (R + 1) / 2R for the rung's own variance and 1 / 2R for each other's.
    """
    n_bytes, n_seeds, n_rungs = ladder.block_bytes.sum(), ladder.bits.shape[2], len(ladder.budgets)
    means, text, seeds = [], [], []
    for a, b in pairs:
        bits = ladder.bits[b] - ladder.bits[a]  # (R, S, K)
        per_seed = bits.sum(axis=2) / n_bytes  # (R, S)
        mean = per_seed.mean(axis=1)
        left = bits.mean(axis=1) - mean[:, None] * ladder.block_bytes  # (R, K)
        n_blocks = left.shape[1]
        means.append(mean)
        text.append(left @ left.T / n_bytes**2 * n_blocks / max(1, n_blocks - 1))
        own = per_seed.var(axis=1, ddof=1) / n_seeds if n_seeds > 1 else np.zeros(n_rungs)
        seeds.append((own + own.mean()) / 2)
    smallest = 1e-12 * np.eye(n_rungs)  # two copies of one tokenizer have no noise from the text
    return Rungs(
        budgets=ladder.budgets.astype(float),
        means=np.stack(means),
        text=np.stack(text) + smallest,
        seeds=np.stack(seeds),
        degrees=(n_seeds - 1) * 4 * n_rungs / (n_rungs + 3) if n_seeds > 1 else None,
        weight=2 / len(ladder.tokenizers),
    )


def worth_of_lead(ladder: Ladder, a: int, b: int) -> float | None:
    """Return how many times the budget b spent for the loss that a reaches with less.

    That is the top rung divided by the budget at which a's curve, interpolated between rungs in the
    logarithm of the budget, has the loss of b at the top rung. None if a had it before the lowest
    rung.
    """
    curves = ladder.curves()
    target, curve = curves[b, -1], np.minimum.accumulate(curves[a])
    if curve[0] <= target:
        return None
    at = np.exp(np.interp(-target, -curve, np.log(ladder.budgets)))
    return float(ladder.budgets[-1] / at)


def _crossover(
    names: dict[str, str],
    ladder: Ladder,
    grid: np.ndarray,
    band: np.ndarray,
    axis: Axis,
    worth: float | None,
) -> Crossover:
    low, middle, high = band  # each (X,)
    sign = np.where(low > 0, 1, np.where(high < 0, -1, 0))
    from_top = sign[grid >= ladder.budgets[-1]]
    known = np.flatnonzero(sign)
    flips = np.flatnonzero(np.diff(sign[known]))
    status: Status = "not identified"
    possible = np.flatnonzero(sign == 0)
    at = None
    held: tuple[float | None, float | None] | None = None
    if len(flips):
        status = "crossover"
        before, after = known[flips[-1]], known[flips[-1] + 1]
        held = (float(grid[before]), float(grid[after]))
        turn = before + int(np.flatnonzero(np.diff(np.sign(middle[before : after + 1])))[-1])
        at = float(np.sqrt(grid[turn] * grid[turn + 1]))
    elif abs(from_top.sum()) == len(from_top):
        status = "none within range"
    if held is None and len(possible):
        first, last = possible[0], possible[-1]
        held = (
            None if first == 0 else float(grid[first]),
            None if last == len(grid) - 1 else float(grid[last]),
        )
    return Crossover(
        **names,
        status=status,
        at=at,
        set_bytes=held,
        worth=worth,
        says="",
        band=[
            (float(budget), float(least), float(median), float(most))
            for budget, least, median, most in zip(grid, low, middle, high, strict=True)
        ],
    )


def _fits(
    ladder: Ladder, model: str, curves: np.ndarray, pairs: Sequence[tuple[int, int]], noise: float
) -> list[Fit]:
    """Fit each law; choose the simplest whose error at the top is within noise of the lowest."""
    budgets, n = ladder.budgets.astype(float), len(ladder.budgets)
    errors = {}
    for law in LAWS:
        if n - 1 >= law.min_rungs:
            ahead = law.fit(budgets[:-1], curves[:, :-1]).predict(budgets[-1:])[:, 0]  # (T,)
            off = [(ahead[b] - ahead[a]) - (curves[b, -1] - curves[a, -1]) for a, b in pairs]
            errors[law.name] = float(np.sqrt(np.mean(np.square(off))))
    lowest = min(errors.values())
    chosen = next(name for name, error in errors.items() if error <= lowest + noise)
    fits = []
    for law in LAWS:
        if n < law.min_rungs:
            continue
        fitted = law.fit(budgets, curves)
        fits.append(
            Fit(
                model=model,
                law=law.name,
                top_error=errors.get(law.name),
                chosen=law.name == chosen,
                exponents=dict(zip(ladder.tokenizers, fitted.exponents, strict=False)),
                floor=fitted.floor,
            )
        )
    return fits
