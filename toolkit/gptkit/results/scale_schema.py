"""The types of scale.json: a ladder of budgets or sizes, and where the order flips."""

from __future__ import annotations

from typing import Literal

from gptkit.plan.experiment_config import ExperimentConfig
from gptkit.plan.scale import Axis
from gptkit.results.schema import Interval, Record

Status = Literal["crossover", "none within range", "not identified"]


class Rung(Record, frozen=True, kw_only=True):
    """One tokenizer under one model at one rung.

    Attributes:
        folder: the experiment's folder inside the ladder's.
        bytes: the training text that an arm read, the mean over seeds.
        params: parameters of the body.
        std: of bits_per_byte over seeds; None with one seed.
    """

    folder: str
    tokenizer: str
    model: str
    bytes: float
    params: int
    epochs: float
    bits_per_byte: float
    std: float | None
    seconds: float


class Fit(Record, frozen=True, kw_only=True):
    """A law fitted to all rungs of a model.

    Attributes:
        top_error: root mean square of the error at the top rung, over pairs of tokenizers, of the
            law fitted to the rungs below; None if these are too few for the law.
        chosen: whether this is the simplest law whose top_error is lowest within its noise.
        exponents: of the budget, by tokenizer; empty for laws without.
        floor: bits per byte; None for laws without a shared one.
    """

    model: str
    law: str
    top_error: float | None
    chosen: bool
    exponents: dict[str, float]
    floor: float | None


class PairAtTop(Record, frozen=True, kw_only=True):
    """The difference b - a at the top rung, in bits per byte, with a 95 % interval."""

    model: str
    a: str
    b: str
    delta_bits_per_byte: float
    ci95: Interval


class Crossover(Record, frozen=True, kw_only=True):
    """Whether and where the order of two tokenizers flips; a leads at the top rung.

    Attributes:
        text: one of several texts; None for all of them.
        status: "crossover" if the 95 % band of the difference is on one side of zero at some
            budgets, and on the other side at larger ones; "none within range" if it is on one side
            from the top rung to the end of the range; else "not identified".
        at: the budget of the crossover, by the median of the difference; None without one.
        set_bytes: the smallest interval that holds all budgets at which the difference may be
            zero; of a crossover, from the last budget before it that is sure to the first after it.
            A bound of None is open: below the lowest rung, or beyond the range. None for an empty
            set. If only the size grows, the set is in parameters.
        worth: how many times the text b needs for the loss that a has; None if a reached that
            loss before the lowest rung.
        band: (budget, low, median, high) of the difference b - a.
    """

    model: str
    text: str | None = None
    a: str
    b: str
    status: Status
    at: float | None
    set_bytes: tuple[float | None, float | None] | None
    worth: float | None
    says: str
    band: list[tuple[float, float, float, float]]


class Scale(Record, frozen=True, kw_only=True, tag_field="kind", tag="scale"):
    """scale.json.

    Attributes:
        experiment: the config of the top rung.
        axis: what grows from rung to rung.
        extrapolate: how far the bands reach, in times of the largest rung.
        predicted: from the rungs below the top one.
        found: what the top rung showed.
        says: the answer in a paragraph, by model.
    """

    format: Literal[1] = 1
    gptkit: str
    name: str
    experiment: ExperimentConfig
    axis: Axis
    factor: float
    extrapolate: float
    rungs: list[Rung]
    fits: list[Fit]
    predicted: list[PairAtTop]
    found: list[PairAtTop]
    crossovers: list[Crossover]
    says: dict[str, str]
    warnings: list[str]
    seconds: float
