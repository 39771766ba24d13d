"""Estimate how a difference changes with the budget, from a few noisy rungs, with a band.

A difference of two tokenizers is modelled as

    level + slope · z + deviation(z) + noise,    z = ln B, or a power B^(-β) for some β.

The first two terms are the laws people fit: with slope 0 a constant lead; with z = ln B a lead
that grows by the same amount at each doubling; with a power, a difference of two curves
E + K·B^(-β) with floors of their own. The deviation is what such a law leaves over. It is a smooth
random curve (Wahba, "Bayesian confidence intervals for the cross-validated smoothing spline",
1983), and its size is learned from the rungs. β, that size and the size of the noise are not chosen
but averaged over, each weighted by how well it explains the rungs.

A law fitted alone gives bands that are too narrow: no law is exact, and four rungs cannot show by
how much. `gptkit calibrate scale` measures both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

EXPONENTS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.8)  # β; 0 stands for ln B
DEVIATION_SCALE = 0.5  # of the range of the rungs: the half-Cauchy prior's scale
WANDERING = 0.1  # the deviation's curvature: the share that varies, of the share that is constant
BEYOND = 0.2  # of the range: the error added at one ladder's length beyond the top rung
NOISE_QUANTILES = (0.1, 0.3, 0.5, 0.7, 0.9)
DRAWS = 2000


@dataclass(frozen=True, kw_only=True)
class Rungs:
    """Differences of pairs of tokenizers at the rungs of a ladder, and their noise.

    Attributes:
        budgets: (R,), ascending.
        means: (P, R), for P pairs, in bits per byte.
        text: (P, R, R), covariance of the noise from the text, which all rungs share.
        seeds: (P, R), variance of the noise from the seeds.
        degrees: degrees of freedom of `seeds`; None with one seed.
        weight: of each pair's likelihood. T tokenizers have T (T - 1) / 2 pairs, but only T - 1
            independent differences, so it is 2 / T.
    """

    budgets: np.ndarray
    means: np.ndarray
    text: np.ndarray
    seeds: np.ndarray
    degrees: float | None
    weight: float


def draw_trends(
    rungs: Rungs, at: np.ndarray, *, law_alone: bool = False, seed: int = 0, n: int = DRAWS
) -> np.ndarray:
    """Draw the differences (n, P, X) at the budgets `at` (X,) from what the rungs leave possible.

    Args:
        law_alone: whether there is no deviation from a law, which makes the bands too narrow.
    """
    rng = np.random.default_rng(seed)
    u, v = np.log(rungs.budgets), np.log(at)
    u, v = (u - u[0]) / (u[-1] - u[0]), (v - u[0]) / (u[-1] - u[0])  # 0 to 1 over the ladder
    length = float(np.log(rungs.budgets[-1] / rungs.budgets[0]))
    ranges = np.ptp(rungs.means, axis=1)  # (P,)
    noise = _noise_scales(rungs.degrees)  # (L,)
    sizes = _deviation_sizes(rungs, ranges.max())[: 1 if law_alone else None]  # (D,)
    scale = DEVIATION_SCALE * max(ranges.max(), sizes[0])
    prior = np.log(sizes) - np.log1p((sizes / scale) ** 2)  # of ln size: half-Cauchy
    weights, means, variances = [], [], []
    for exponent in EXPONENTS:
        z, ahead = (_coordinate(x, exponent * length) for x in (u, v))
        likelihood = np.broadcast_to(prior, (len(noise), len(sizes))).copy()
        of_pair = []
        for mean, text, seeds in zip(rungs.means, rungs.text, rungs.seeds, strict=True):
            covariance = text + noise[:, None, None] * np.diag(seeds)  # (L, R, R)
            log_likelihood, *moments = _predict(mean, covariance, sizes, z, ahead)
            likelihood += rungs.weight * log_likelihood
            of_pair.append(moments)
        weights.append(likelihood.ravel())
        means.append(np.stack([m.reshape(-1, len(v)) for m, _ in of_pair]))
        variances.append(np.stack([s.reshape(-1, len(v)) for _, s in of_pair]))
    weight = np.exp(np.concatenate(weights) - np.concatenate(weights).max())
    pick = rng.choice(len(weight), size=n, p=weight / weight.sum())
    mean = np.concatenate(means, axis=1)[:, pick]  # (P, n, X)
    spread = np.sqrt(np.concatenate(variances, axis=1)[:, pick])
    beyond = 0.0 if law_alone else BEYOND
    far = beyond * ranges[:, None, None] * np.maximum(0, v - 1) ** 3
    drawn = mean + spread * rng.normal(size=mean.shape[:2])[..., None]
    drawn += far * rng.normal(size=mean.shape[:2])[..., None]
    return np.swapaxes(drawn, 0, 1)


def _noise_scales(degrees: float | None) -> np.ndarray:
    """Return likely ratios of the true variance over seeds to the estimated one, equally likely."""
    if degrees is None:
        return np.ones(1)
    return degrees / special.chdtri(degrees, 1 - np.array(NOISE_QUANTILES))


def _deviation_sizes(rungs: Rungs, range_: float) -> np.ndarray:
    variance = rungs.seeds + np.diagonal(rungs.text, axis1=1, axis2=2)
    smallest = max(float(np.sqrt(variance.mean())), 1e-9)
    return np.geomspace(0.1 * smallest, 30 * max(range_, smallest), 24)


def _coordinate(u: np.ndarray, exponent: float) -> np.ndarray:
    """Map ln B, from 0 to 1 over the ladder, to a power of B, from 0 to 1 over it, too."""
    return u if exponent == 0 else np.expm1(-exponent * u) / np.expm1(-exponent)


def _kernel(s: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Return the covariance (S, T) of a curve whose curvature is constant plus a random walk."""
    low, high = np.minimum.outer(s, t), np.maximum.outer(s, t)
    return np.multiply.outer(s, t) ** 2 / 4 + WANDERING * low**2 * (3 * high - low) / 6


def _predict(
    y: np.ndarray, noise: np.ndarray, sizes: np.ndarray, z: np.ndarray, ahead: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit level, slope and deviation to y (R,): log-likelihood (L, D), mean and variance (L, D, X).

    Universal kriging, with a flat prior on level and slope, and their restricted likelihood
    (Rasmussen and Williams, "Gaussian processes for machine learning", 2006, section 2.7).

    Args:
        noise: (L, R, R).
        sizes: (D,), of the deviation.
        z, ahead: coordinates (R,) of the rungs, and (X,) of the predictions.
    """
    trend, trend_ahead = (np.stack([np.ones_like(x), x], axis=1) for x in (z, ahead))
    power = (sizes**2)[:, None, None]
    covariance = noise[:, None] + power * _kernel(z, z)  # (L, D, R, R)
    inverse = np.linalg.inv(covariance)
    projected = trend.T @ inverse  # (L, D, 2, R)
    information = projected @ trend
    solved = np.linalg.inv(information)
    line = solved @ projected @ y  # (L, D, 2)
    left = y - line @ trend.T  # (L, D, R)
    likelihood = -0.5 * (
        np.linalg.slogdet(covariance)[1]
        + np.linalg.slogdet(information)[1]
        + np.einsum("ldr,ldrs,lds->ld", left, inverse, left)
    )
    cross = power * _kernel(ahead, z)  # (D, X, R)
    gain = cross @ inverse  # (L, D, X, R)
    mean = line @ trend_ahead.T + np.einsum("ldxr,ldr->ldx", gain, left)
    off = trend_ahead - gain @ trend
    variance = (
        (sizes**2)[:, None] * np.diagonal(_kernel(ahead, ahead))
        - np.einsum("ldxr,dxr->ldx", gain, cross)
        + np.einsum("ldxi,ldij,ldxj->ldx", off, solved, off)
    )
    return likelihood, mean, np.maximum(variance, 0)
