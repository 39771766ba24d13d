"""The types of results.json for studies that are not one experiment: speed, rates, calibration."""

from __future__ import annotations

from typing import Literal

from gptkit.data.corpus_facts import CorpusFacts
from gptkit.results.cluster_schema import ClusterSpeed
from gptkit.results.gpu_schema import GpuSpeed
from gptkit.results.schema import Interval, Machine, Record
from gptkit.results.stress_schema import Durability

RULE = "rule"  # the recipe's own way of choosing rates, in place of a factor
FAIR = 0.01  # bits per byte that a tokenizer may lose to its own best rate


class MeasuredRow(Record, frozen=True, kw_only=True):
    """One comparison of speed or size, ours against a baseline.

    Attributes:
        what, against: the work as we do it, and as the baseline does.
        unit: of both; less is better.
        goal: the ratio to be reached.
        baseline, ours: medians over rounds.
        ratio: baseline over ours; above 1 means that ours is better.
        rounds: (baseline, ours) of each round.
    """

    name: str
    what: str
    against: str
    unit: str
    goal: float
    baseline: float
    ours: float
    ratio: float
    lowest: float
    highest: float
    rounds: list[tuple[float, float | None]]


class SpeedMachine(Record, frozen=True, kw_only=True):
    """What speed was measured on."""

    processor: str
    cores: int | None
    threads: int
    python: str
    torch: str


class StepsToLoss(Record, frozen=True, kw_only=True):
    """The shortest training that reaches a loss without one of a recipe's choices."""

    without: str
    steps: int
    seconds: float
    reached: bool


class BitsWithout(Record, frozen=True, kw_only=True):
    """Bits per byte by tokenizer without one of a recipe's choices."""

    without: str
    bits_per_byte: dict[str, float]


class Ablations(Record, frozen=True, kw_only=True):
    """What each choice of the recipe `fast` is worth.

    Attributes:
        target: nats per character.
        bits_per_byte: by corpus.
    """

    target: float
    budget: str
    time_to_loss: list[StepsToLoss]
    bits_per_byte: dict[str, list[BitsWithout]]


class Speed(Record, frozen=True, kw_only=True, tag_field="kind", tag="speed"):
    """What `gptkit bench` measured."""

    format: Literal[1] = 1
    machine: SpeedMachine
    rounds: int
    measurements: list[MeasuredRow]
    ablations: Ablations | None = None


class Regret(Record, frozen=True, kw_only=True):
    """What a setting costs a tokenizer: its loss above that at its own best, in bits per byte.

    `error` is the standard error of the mean over texts and seeds.
    """

    mean: float
    error: float


class PairDifference(Record, frozen=True, kw_only=True):
    """By how many bits per byte a is better than b on a text.

    Attributes:
        text: index of the text.
        own_best: each at its own best setting.
        by_way: under each way of choosing rates.
    """

    text: int
    a: str
    b: str
    own_best: float
    by_way: dict[str, float]


class RecipeRates(Record, frozen=True, kw_only=True):
    """A recipe at a grid of learning rates.

    Attributes:
        rates: at factor 1.
        losses: by text, tokenizer and setting, of each seed, in bits per byte.
        own_best: each tokenizer's best setting.
        shared: the factor whose largest regret is smallest.
        regret: by way of choosing, then by tokenizer.
    """

    model: str
    rates: dict[str, float]
    losses: list[dict[str, dict[str, list[float]]]]
    own_best: dict[str, str]
    shared: str
    regret: dict[str, dict[str, Regret]]
    pairs: list[PairDifference]


class RatesStudy(Record, frozen=True, kw_only=True, tag_field="kind", tag="rates"):
    """Whether recipes' learning rates favour a tokenizer.

    Attributes:
        texts: the training parts that were used.
        data: corpora as they were named.
    """

    format: Literal[1] = 1
    gptkit: str
    tokenizers: list[str]
    texts: list[CorpusFacts]
    data: list[str]
    factors: list[float]
    seeds: int
    budget: str
    machine: Machine
    recipes: list[RecipeRates]


class Coverage(Record, frozen=True, kw_only=True):
    """The share of 95 % intervals that hold a known difference, under one kind of noise.

    Attributes:
        text, seeds: standard deviations of the mean difference, in bits per byte.
    """

    text: float
    seeds: float
    n_seeds: int
    covered: float


class Copies(Record, frozen=True, kw_only=True):
    """The share of comparisons between copies of one tokenizer that claim no difference."""

    trained: int
    seeds: int
    not_told_apart: float


class Calibration(Record, frozen=True, kw_only=True, tag_field="kind", tag="calibration"):
    """The verdict held against known differences."""

    format: Literal[1] = 1
    trials: int
    difference: float
    coverage: list[Coverage]
    copies: Copies


class LadderCoverage(Record, frozen=True, kw_only=True):
    """How often what a ladder says of its pairs holds, for one kind of arms.

    Attributes:
        ladders: how many; each has the same number of pairs.
        top: the share of pairs whose difference at the top rung is in the interval that the rungs
            below predict.
        top_by_law: the same for intervals without a deviation from the fitted law.
        sign_by_fit, sign_by_rung: the share of pairs whose order at the top rung is as predicted by
            the rungs below, and as it was at the last of them; None for pairs without a
            difference.
        crossovers: the pairs with a true crossover within range.
        in_set: the share of these whose crossover is in the reported set.
        claimed: the share of these that are reported as a crossover.
        false_crossovers: the share of the other pairs that are reported as a crossover.
        false_leads: the share of all pairs that are reported as without a crossover, although the
            first does not lead from the top rung to the end of the range.
    """

    arms: str
    ladders: int
    pairs: int
    top: float
    top_by_law: float
    sign_by_fit: float | None
    sign_by_rung: float | None
    crossovers: int
    in_set: float | None
    claimed: float | None
    false_crossovers: float | None
    false_leads: float | None = None


class ScaleCalibration(
    Record, frozen=True, kw_only=True, tag_field="kind", tag="scale-calibration"
):
    """Ladders held against known truths, on texts from Markov sources."""

    format: Literal[1] = 1
    gptkit: str
    ladders: int
    pool: int
    coverage: list[LadderCoverage]


class SequentialCalibration(Record, frozen=True, kw_only=True, tag_field="kind", tag="sequential"):
    """Comparisons without a difference, with a look after each seed.

    Attributes:
        first, most: seeds at the first look and at the last.
        false_claims: by kind of noise, the share of comparisons that were decided.
        without_levels: the same if each look had the level of a single one.
    """

    format: Literal[1] = 1
    gptkit: str
    trials: int
    first: int
    most: int
    false_claims: dict[str, float]
    without_levels: dict[str, float]


class Coefficient(Record, frozen=True, kw_only=True):
    """A coefficient of a published law: as published, and as fitted here.

    Attributes:
        interval: 95 %, over resampled points or runs.
    """

    name: str
    published: float
    fitted: float
    interval: Interval


class PublishedFit(Record, frozen=True, kw_only=True):
    """A published scaling law, fitted again to its points.

    Attributes:
        resampled: what the intervals resample.
    """

    law: str
    source: str
    points: int
    resampled: str
    coefficients: list[Coefficient]
    loss: float


class PublishedLaws(Record, frozen=True, kw_only=True, tag_field="kind", tag="published-laws"):
    """Published laws fitted again, and what a bootstrap says of one's prediction.

    Attributes:
        optimum: the best vocabulary for 70 billion parameters by the second law, in ids.
        interval: of the optimum, 95 %, over resampled runs; a bound of None is beyond 4 million.
        draws: of the bootstrap.
    """

    format: Literal[1] = 1
    gptkit: str
    fits: list[PublishedFit]
    optimum: float
    interval: tuple[float, float | None]
    draws: int


Study = (
    ClusterSpeed
    | Durability
    | GpuSpeed
    | Speed
    | RatesStudy
    | Calibration
    | ScaleCalibration
    | SequentialCalibration
    | PublishedLaws
)
