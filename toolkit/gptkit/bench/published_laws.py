"""Published scaling laws, fitted again: do we get the published coefficients?

Two data sets. Points read off Chinchilla's figure (Hoffmann et al., "Training compute-optimal large
language models", 2022), with the law loss = E + A / N^α + B / D^β. And the runs of Tao et al.,
"Scaling laws with vocabulary", 2024, with a law for the vocabulary:

    loss = -E + A1 / N^β + A2 / (V d)^α2 + B / D^β

where N are the parameters outside the vocabulary in millions, V d those of the vocabulary in
millions, and D the tokens in billions.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np

from gptkit.errors import CorpusError
from gptkit.results.power_law import PowerLaw, fit_power_law
from gptkit.results.studies import Coefficient, PublishedFit, PublishedLaws

HUBER = 1e-3
TAILS = [0.025, 0.975]
MAX_LOSS = 3.5  # four points of Chinchilla's figure above it are outliers at 1e19 FLOPs
MIN_FLOPS = 2.18e17  # Tao et al. leave out smaller runs
CHINCHILLA = {"E": 1.8608, "A": 4.1479, "B": 1.0546, "alpha": 0.36, "beta": 0.40}
TAO = {"E": 5.533, "A1": 1.831, "A2": 0.1958, "B": 2.124, "alpha2": 0.6707, "beta": 0.4466}
LARGE_PARAMS, LARGE_WIDTH = 70_000.0, 8.192  # millions, and thousands of channels
LARGE_TOKENS_PER_PARAM = 20.0
MAX_VOCABULARY = 4_000_000


def read_columns(path: Path, *names: str) -> list[np.ndarray]:
    """Read columns of numbers of a CSV file.

    Raises:
        CorpusError: the file or a column is missing, or holds something else.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        return [np.array([float(row[name]) for row in rows]) for name in names]
    except (OSError, UnicodeDecodeError, KeyError, ValueError, TypeError) as error:
        raise CorpusError(
            f"{path} does not hold the columns {', '.join(names)}: {error!r}."
        ) from error


def fit_chinchilla(
    folder: Path, *, draws: int = 100, on_draw: Callable[[], None] = lambda: None
) -> PublishedFit:
    """Fit the points of Chinchilla's figure; the published fit is of another reading of it.

    The published exponents are those of a grid with steps of 0.01, and the loss is nearly flat
    around them. So the intervals say more than the digits: they resample the points.
    """
    params, tokens, loss = read_columns(
        folder / "chinchilla-isoflops.csv", "params", "tokens", "loss"
    )
    kept = loss <= MAX_LOSS
    x, y = np.stack([params[kept] / 1e6, tokens[kept] / 1e9]), loss[kept]
    law = fit_power_law(x, y, huber=HUBER)
    rng = np.random.default_rng(0)
    resampled = []
    for _ in range(draws):
        drawn = rng.integers(len(y), size=len(y))
        resampled.append(fit_power_law(x[:, drawn], y[drawn], huber=HUBER))
        on_draw()
    return PublishedFit(
        law="E + A / N^alpha + B / D^beta, N in millions, D in billions of tokens",
        source="Chinchilla; published by vpnls for another reading of its figure",
        points=len(y),
        resampled="points",
        coefficients=_coefficients(CHINCHILLA, of_chinchilla, law, resampled),
        loss=law.loss,
    )


def of_chinchilla(law: PowerLaw) -> list[float]:
    """Return E, A, B, alpha and beta."""
    return [law.floor, *law.scales, *law.exponents]


def of_tao(law: PowerLaw) -> list[float]:
    """Return E, A1, A2, B, alpha2 and beta."""
    return [-law.floor, *law.scales, law.exponents[1], law.exponents[0]]


class VocabularyRuns:
    """The runs of Tao et al., each scored at twenty points of its training."""

    def __init__(self, folder: Path) -> None:
        vocabulary, width, characters, params, flops, loss = read_columns(
            folder / "tao2024-vocabulary.csv",
            *("vocab_size", "embed_dim", "num_characters", "Non_vocab_parameters"),
            *("FLOPs", "Lossu"),
        )
        kept = flops >= MIN_FLOPS
        self.vocabulary = vocabulary[kept] / 1e3  # their unit, in the tokens per character, too
        tokens = characters[kept] / 1e9 * tokens_per_character(self.vocabulary)
        self.x = np.stack([params[kept] / 1e6, self.vocabulary * width[kept] / 1e3, tokens])
        self.y = loss[kept]
        _, self.run = np.unique(
            np.stack([vocabulary[kept], params[kept]]), axis=1, return_inverse=True
        )

    def fit(self, chosen: np.ndarray) -> PowerLaw:
        """Fit the law to some of the points."""
        return fit_power_law(self.x[:, chosen], self.y[chosen], tied=(0, 1, 0), huber=HUBER)


def tokens_per_character(vocabulary: np.ndarray) -> np.ndarray:
    """Return the curve of Tao et al.; their code reads it at thousands of ids, and so do we."""
    log = np.log(np.minimum(vocabulary, 200_000))
    return np.asarray(0.00639222 * log**2 - 0.15811069 * log + 1.20470122)


def best_vocabulary(law: PowerLaw) -> float:
    """Return the vocabulary with the lowest loss for 70 billion parameters at a fixed compute.

    The compute is 6 · parameters · tokens, with 20 tokens for each parameter outside the
    vocabulary. A larger vocabulary leaves fewer tokens.
    """
    sizes = np.geomspace(1.0, MAX_VOCABULARY / 1e3, 4000)  # thousands of ids
    in_vocabulary = sizes * LARGE_WIDTH  # millions
    compute = LARGE_PARAMS * LARGE_PARAMS * LARGE_TOKENS_PER_PARAM
    tokens = compute / (LARGE_PARAMS + in_vocabulary) / 1e3  # billions
    x = np.stack([np.full(len(sizes), LARGE_PARAMS), in_vocabulary, tokens])
    return float(sizes[law(x).argmin()] * 1e3)


def published_laws(
    folder: Path, *, draws: int = 100, on_draw: Callable[[], None] = lambda: None
) -> PublishedLaws:
    """Fit both laws, and resample the points of the first and the runs of the second.

    Args:
        folder: holds `chinchilla-isoflops.csv` and `tao2024-vocabulary.csv`.
    """
    runs = VocabularyRuns(folder)
    every = np.arange(len(runs.y))
    law = runs.fit(every)
    rng = np.random.default_rng(0)
    by_run = [np.flatnonzero(runs.run == run) for run in range(int(runs.run.max()) + 1)]
    resampled = []
    for _ in range(draws):
        drawn = rng.integers(len(by_run), size=len(by_run))
        resampled.append(runs.fit(np.concatenate([by_run[i] for i in drawn])))
        on_draw()
    low, high = _interval([best_vocabulary(one) for one in resampled])
    return PublishedLaws(
        gptkit=version("gptkit"),
        fits=[
            fit_chinchilla(folder, draws=draws, on_draw=on_draw),
            PublishedFit(
                law="-E + A1 / N^beta + A2 / (V d)^alpha2 + B / D^beta",
                source="Tao et al., 2024",
                points=len(runs.y),
                resampled="runs",
                coefficients=_coefficients(TAO, of_tao, law, resampled),
                loss=law.loss,
            ),
        ],
        optimum=best_vocabulary(law),
        interval=(low, high if high < 0.99 * MAX_VOCABULARY else None),
        draws=draws,
    )


def _interval(resampled: Sequence[float]) -> tuple[float, float]:
    """Return the 95 % percentile interval, from the (n + 1) · p th of n values.

    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 12.
    """
    low, high = np.quantile(resampled, TAILS, method="weibull").tolist()
    return low, high


def _coefficients(
    published: dict[str, float],
    read: Callable[[PowerLaw], list[float]],
    law: PowerLaw,
    resampled: Sequence[PowerLaw],
) -> list[Coefficient]:
    intervals = [_interval(values) for values in zip(*map(read, resampled), strict=True)]
    return [
        Coefficient(name=name, published=value, fitted=float(read(law)[i]), interval=intervals[i])
        for i, (name, value) in enumerate(published.items())
    ]
