"""Fit a floor and falling power laws: y = floor + Σ scale_k · x_k^(-exponent_k)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize

MIN_EXPONENT, MAX_EXPONENT = 0.02, 2.0
GRID = np.geomspace(0.05, 1.2, 16)  # exponents from which the search starts


@dataclass(frozen=True, kw_only=True)
class PowerLaw:
    """A fitted law.

    Attributes:
        floor: what is left as every x grows without bound.
        scales, exponents: (K,), one for each term.
        loss: Σ residual², or Σ Huber(residual).
    """

    floor: float
    scales: np.ndarray
    exponents: np.ndarray
    loss: float

    def __call__(self, x: np.ndarray) -> np.ndarray:
        """Return y (N,) at x (K, N)."""
        return self.floor + self.scales @ np.power(x, -self.exponents[:, None])


def fit_power_law(
    x: np.ndarray, y: np.ndarray, *, tied: Sequence[int] | None = None, huber: float | None = None
) -> PowerLaw:
    """Fit a law by least squares, or by Huber's loss.

    For given exponents the rest is a linear problem, with scales that are not negative. So only
    the exponents are searched: variable projection (Golub and Pereyra, "The differentiation of
    pseudo-inverses and nonlinear least squares problems whose variables separate", 1973) with
    non-negative least squares. Huber's loss then starts from that solution.

    Args:
        x: (K, N), positive. Choose units in which they are about 1 to 1000.
        y: (N,).
        tied: (K,), which exponent each term has, counted from 0; None for one each.
        huber: residuals above this count by their size, not their square; None for squares.

    >>> x = np.array([[1.0, 2.0, 4.0, 8.0, 16.0]])
    >>> law = fit_power_law(x, 0.5 + 3.0 * x[0] ** -0.5)
    >>> print(f"{law.floor:.4f} {law.scales[0]:.4f} {law.exponents[0]:.4f}")
    0.5000 3.0000 0.5000
    """
    of_term = np.arange(len(x)) if tied is None else np.asarray(tied)
    n_exponents = int(of_term.max()) + 1

    def linear(exponents: np.ndarray) -> tuple[np.ndarray, float]:
        powers = np.power(x, -exponents[of_term][:, None])  # (K, N)
        columns = np.stack([np.ones_like(y), -np.ones_like(y), *powers], axis=1)
        found, residual = optimize.nnls(columns, y)
        return found, residual**2

    starts = [np.array(p) for p in itertools.product(GRID, repeat=n_exponents)]
    best = min(starts, key=lambda exponents: linear(exponents)[1])
    search = optimize.minimize(
        lambda exponents: linear(np.clip(exponents, MIN_EXPONENT, MAX_EXPONENT))[1],
        best,
        method="Nelder-Mead",
        options={"xatol": 1e-7, "fatol": 1e-14, "maxiter": 4000},
    )
    exponents = np.clip(search.x, MIN_EXPONENT, MAX_EXPONENT)
    found, loss = linear(exponents)
    floor, scales = found[0] - found[1], found[2:]
    law = PowerLaw(floor=floor, scales=scales, exponents=exponents[of_term], loss=loss)
    return law if huber is None else _with_huber(x, y, law, exponents, of_term, huber)


def _with_huber(
    x: np.ndarray,
    y: np.ndarray,
    start: PowerLaw,
    exponents: np.ndarray,
    of_term: np.ndarray,
    huber: float,
) -> PowerLaw:
    """Fit by Huber's loss from a least-squares fit and its distinct exponents."""
    n_exponents = len(exponents)

    def residuals(p: np.ndarray) -> np.ndarray:
        powers = np.power(x, -p[1 + len(x) :][of_term][:, None])
        return p[0] + p[1 : 1 + len(x)] @ powers - y

    lowest = [-np.inf, *[0.0] * len(x), *[MIN_EXPONENT] * n_exponents]
    highest = [np.inf, *[np.inf] * len(x), *[MAX_EXPONENT] * n_exponents]
    robust = optimize.least_squares(
        residuals,
        np.concatenate([[start.floor], start.scales, exponents]),
        bounds=(lowest, highest),
        loss="huber",
        f_scale=huber,
        x_scale="jac",
        xtol=1e-12,
        ftol=1e-14,
        gtol=1e-12,
        max_nfev=5000,
    )
    p = robust.x
    return PowerLaw(
        floor=p[0],
        scales=p[1 : 1 + len(x)],
        exponents=p[1 + len(x) :][of_term],
        loss=float(robust.cost),
    )
