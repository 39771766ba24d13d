"""The laws that a ladder's differences are held against, from a constant lead to a shared floor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from scipy import optimize

from gptkit.results.power_law import MAX_EXPONENT, MIN_EXPONENT

Predict = Callable[[np.ndarray], np.ndarray]  # budgets (X,) -> curves (T, X), up to a common one


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """A law fitted to curves (T, R).

    Attributes:
        predict: curves (T, X) at budgets (X,); only their differences count.
        exponents: (T,), of the budget; empty for a law without.
        floor: the floor that all tokenizers share; None for a law without.
    """

    predict: Predict
    exponents: list[float] = field(default_factory=list)
    floor: float | None = None


@dataclass(frozen=True, kw_only=True)
class Law:
    """A law by name, the fewest rungs it can be fitted to, and how."""

    name: str
    min_rungs: int
    fit: Callable[[np.ndarray, np.ndarray], Fitted]


def _around_mean(curves: np.ndarray) -> np.ndarray:
    return curves - curves.mean(axis=0)


def _fit_columns(
    columns: Callable[[np.ndarray], np.ndarray], budgets: np.ndarray, curves: np.ndarray
) -> tuple[Predict, float]:
    """Fit each difference from the mean curve by least squares, and return the squared residual."""
    y = _around_mean(curves)
    found, *_ = np.linalg.lstsq(columns(budgets), y.T, rcond=None)  # (columns, T)
    residual = y.T - columns(budgets) @ found
    return lambda at: (columns(at) @ found).T, float((residual**2).sum())


def fit_constant(budgets: np.ndarray, curves: np.ndarray) -> Fitted:
    """Fit a lead that does not change."""
    return Fitted(predict=_fit_columns(lambda b: np.ones((len(b), 1)), budgets, curves)[0])


def fit_log_linear(budgets: np.ndarray, curves: np.ndarray) -> Fitted:
    """Fit a lead that changes by the same amount at each doubling of the budget."""
    return Fitted(
        predict=_fit_columns(
            lambda b: np.stack([np.ones(len(b)), np.log(b)], axis=1), budgets, curves
        )[0]
    )


def fit_own_floors(budgets: np.ndarray, curves: np.ndarray) -> Fitted:
    """Fit differences of curves E_t + K_t · B^(-β): own floors, one exponent of the differences."""
    top = budgets[-1]

    def at_exponent(exponent: float) -> tuple[Predict, float]:
        return _fit_columns(
            lambda b: np.stack([np.ones(len(b)), (b / top) ** -exponent], axis=1), budgets, curves
        )

    exponent = optimize.minimize_scalar(
        lambda e: at_exponent(e)[1], bounds=(MIN_EXPONENT, MAX_EXPONENT), method="bounded"
    ).x
    return Fitted(predict=at_exponent(exponent)[0], exponents=[float(exponent)] * len(curves))


def fit_shared_floor(budgets: np.ndarray, curves: np.ndarray) -> Fitted:
    """Fit curves E + K_t · B^(-β_t): all tokenizers spell the same text, so they share E.

    For a given floor, each curve is a scale that is not negative times a power; the exponent is
    searched, and so is the floor.
    """
    x = np.log(budgets / budgets[-1])
    grid = np.geomspace(MIN_EXPONENT, MAX_EXPONENT, 2000)
    powers = np.exp(-grid[:, None] * x)  # (G, R)
    norms = (powers**2).sum(axis=1)

    def at_floor(floor: float) -> tuple[np.ndarray, np.ndarray, float]:
        left = curves - floor  # (T, R)
        scales = np.maximum(0, left @ powers.T / norms)  # (T, G)
        errors = (left**2).sum(axis=1)[:, None] - scales**2 * norms
        best = errors.argmin(axis=1)
        at = np.arange(len(curves)), best
        return scales[at], grid[best], float(errors[at].sum())

    floor = float(
        optimize.minimize_scalar(
            lambda e: at_floor(e)[2], bounds=(0.0, float(curves.min())), method="bounded"
        ).x
    )
    scales, exponents, _ = at_floor(floor)
    return Fitted(
        predict=lambda at: (
            floor + scales[:, None] * np.exp(-exponents[:, None] * np.log(at / budgets[-1]))
        ),
        exponents=exponents.tolist(),
        floor=floor,
    )


LAWS = (
    Law(name="constant lead", min_rungs=1, fit=fit_constant),
    Law(name="log-linear lead", min_rungs=2, fit=fit_log_linear),
    Law(name="power law, own floors", min_rungs=3, fit=fit_own_floors),
    Law(name="power law, shared floor", min_rungs=3, fit=fit_shared_floor),
)
