"""The types of results.json. `results.schema.json` beside this file is generated from them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from gptkit.data.corpus_facts import CorpusFacts
from gptkit.data.parity import TextTokens
from gptkit.events.losses import Baseline, Loss
from gptkit.plan.experiment_config import ExperimentConfig

Interval = tuple[float, float]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON object; unknown keys are errors."""


class Params(Record, frozen=True, kw_only=True):
    """Parameters of the dense model."""

    embedding: int
    body: int
    head: int
    total: int


class Training(Record, frozen=True, kw_only=True):
    """What an arm's training used. `flops` counts the compact softmax, as it is computed."""

    bytes: int
    tokens: int
    epochs: float
    flops: float
    flops_full_softmax: float
    seconds: float


class CurvePoint(Record, frozen=True, kw_only=True):
    """An evaluation of the validation text during the training."""

    step: int
    train_bytes: int
    seconds: float
    val_bits_per_byte: float


class LastEvaluation(Record, frozen=True, kw_only=True):
    """The evaluation after the last step; another one may be the best."""

    step: int
    bits_per_byte: float


class Sample(Record, frozen=True, kw_only=True):
    """Text that the model wrote after a prompt."""

    prompt: str
    text: str


class ArmResult(Record, frozen=True, kw_only=True):
    """One arm: a tokenizer, a model and a seed.

    Attributes:
        vocab_seen: number of ids that the training text uses.
        context_bytes: the mean length of block_size tokens in bytes of training text.
        best_step: the step of the evaluation with the lowest validation loss. `val`, `test` and
            the samples use the weights of this step.
    """

    id: str
    tokenizer: str
    model: str
    seed: int
    vocab_size: int
    vocab_seen: int
    block_size: int
    context_bytes: float
    batch_size: int
    steps: int
    learning_rate: float
    params: Params
    train: Training
    last: LastEvaluation
    curve: list[CurvePoint]
    best_step: int
    val: Loss
    test: Loss | None = None
    samples: list[Sample]

    @property
    def reported(self) -> Loss:
        """The loss of the test text, or of the validation text if there is no test text."""
        return self.val if self.test is None else self.test


class Stretch(Record, frozen=True, kw_only=True):
    """A part of the text. Tokenizer a needs `bits_per_byte` fewer bits per byte on it than b."""

    start: int
    end: int
    text: str
    bits_per_byte: float


class Stretches(Record, frozen=True, kw_only=True):
    """The stretches where tokenizer a saves most over b, and least; the most extreme first."""

    most: list[Stretch]
    least: list[Stretch]


class Verdict(Record, frozen=True, kw_only=True):
    """The comparison of two tokenizers under one model; a is the better one.

    Attributes:
        delta_bits_per_byte: b's mean over seeds minus a's.
        ci95: the widest of the three intervals below; None with one seed.
        ci95_text, ci95_seeds, ci95_both: 95 % intervals from the text, from the seeds, and from
            both together; None with one block of text or one seed.
        p_holm: p-value, corrected for all pairs; None with one seed.
        significant: whether the difference is significant; None if there is one seed, and the
            interval from the text excludes zero.
        more_seeds, more_text: if it is not, about how many more seeds would show the difference
            that was seen, or else how many times the validation text. None if neither would, or
            with one seed.
    """

    a: str
    b: str
    model: str
    delta_bits_per_byte: float
    ci95: Interval | None
    ci95_text: Interval | None
    ci95_seeds: Interval | None
    ci95_both: Interval | None
    p_holm: float | None
    seeds: int
    significant: bool | None
    message: str
    more_seeds: int | None = None
    more_text: float | None = None
    stretches: Stretches


class Best(Record, frozen=True, kw_only=True):
    """The best tokenizer under a model, and those without a significant difference from it."""

    tokenizer: str
    not_told_apart: list[str]


class Reversal(Record, frozen=True, kw_only=True):
    """Two tokenizers with significant differences in opposite directions.

    Attributes:
        bits_per_byte: the smaller of the largest differences in the two directions.
        significant: None with one seed, when only the text interval excludes zero.
    """

    a: str
    b: str
    a_better_under: list[str]
    b_better_under: list[str]
    bits_per_byte: float
    significant: bool | None


class Robustness(Record, frozen=True, kw_only=True):
    """Whether the answer depends on the model."""

    best: dict[str, Best]
    reversals: list[Reversal]
    depends_on_model: bool
    message: str


class Match(Record, frozen=True, kw_only=True):
    """What was matched, and what came out equal.

    Attributes:
        by: bytes, tokens, flops, params or time.
        equal, unequal: quantities that agree within 1 % under every model, and the others.
        max_over_min: by model, each quantity's largest value over its smallest; None if that is 0.
    """

    by: str
    notes: list[str]
    equal: list[str]
    unequal: list[str]
    max_over_min: dict[str, dict[str, float | None]]


class Machine(Record, frozen=True, kw_only=True):
    """The machine that computed the results.

    Attributes:
        threads: those of the process that wrote the results.
        processes_per_arm: how many processes of torchrun trained each arm together.
    """

    torch: str
    device: str
    threads: int
    arms_at_a_time: int
    processes_per_arm: int = 1


class Trial(Record, frozen=True, kw_only=True):
    """A trial of a learning rate; see `gptkit.events.TrialDone`."""

    factor: float
    bits_per_byte: float | None
    part: float
    learning_rate: float


class Tuning(Record, frozen=True, kw_only=True):
    """The trials for a tokenizer and a model; `factor` is that of the best trial."""

    tokenizer: str
    model: str
    trials: list[Trial]
    factor: float


COUNTED_BIGRAM = "counted bigram"  # what stands for a model where pairs of ids are counted


class Marginal(Record, frozen=True, kw_only=True):
    """The loss over all tokenizations of a part of the text; see `gptkit.eval.marginal`.

    Attributes:
        model: a model of the experiment, its first seed; `COUNTED_BIGRAM` for the counts.
        bytes: of the part.
        canonical: bits per byte of the part as the tokenizer cuts it.
        bits_per_byte: over all tokenizations: exact, or an upper bound that was estimated.
        error: standard error of canonical - bits_per_byte; None if it is exact.
    """

    tokenizer: str
    model: str
    bytes: int
    canonical: float
    bits_per_byte: float
    error: float | None

    @property
    def gap(self) -> float:
        """What the one tokenization costs, in bits per byte."""
        return self.canonical - self.bits_per_byte


ALL = "all texts, equal weights"


class TextLoss(Record, frozen=True, kw_only=True):
    """A tokenizer's loss on one of several texts, the mean over seeds."""

    text: str
    tokenizer: str
    model: str
    bytes: int
    bits_per_byte: float
    std: float | None


class TextVerdict(Record, frozen=True, kw_only=True):
    """The comparison of two tokenizers on one text, or on all with equal weights; a is better."""

    text: str
    model: str
    a: str
    b: str
    delta_bits_per_byte: float
    ci95: Interval | None
    p_holm: float | None
    significant: bool | None
    message: str


class ByText(Record, frozen=True, kw_only=True):
    """Losses, verdicts and tokens by text, for a corpus of several texts."""

    losses: list[TextLoss]
    verdicts: list[TextVerdict]
    tokens: list[TextTokens]


class Perturbed(Record, frozen=True, kw_only=True):
    """A tokenizer and a model on a perturbed text; see `gptkit.eval.perturb`.

    Attributes:
        kind: the perturbation.
        delta_bits_per_byte: above the loss on the text itself; None if the tokenizer cannot encode
            the perturbed text.
        ci95: from the text and the seeds.
    """

    tokenizer: str
    model: str
    kind: str
    delta_bits_per_byte: float | None
    ci95: Interval | None


class Look(Record, frozen=True, kw_only=True):
    """A look at the verdicts after a number of seeds; see `gptkit.results.sequential`.

    Attributes:
        level: a corrected p-value below it is significant.
        decided: whether the best tokenizer was better than every other under each model.
    """

    seeds: int
    level: float
    decided: bool


class Results(Record, frozen=True, kw_only=True, tag_field="kind", tag="experiment"):
    """results.json of an experiment.

    Attributes:
        gptkit: the version that wrote the file.
        name: the name of the experiment's folder.
        experiment: the experiment's config; `data` is None for a text given as an object.
        ladder: the preset of the lecture's ladder if the models are its stages, else None.
        reported_split: the text that the losses are from: test if there is one, else val.
        looks: at the verdicts, if seeds were added until they decided.
        marginals: the losses over all tokenizations, if they were asked for.
        perturbed: the losses on perturbed texts, if they were asked for.
        by_text: for a corpus of several texts, what it shows of each; else None.
        seconds: the duration of the experiment.
    """

    format: Literal[1] = 1
    gptkit: str
    name: str
    experiment: ExperimentConfig
    ladder: Literal["cpu", "gpu"] | None = None
    corpus: CorpusFacts
    reported_split: Literal["val", "test"]
    match: Match
    machine: Machine
    tuning: list[Tuning]
    arms: Annotated[list[ArmResult], msgspec.Meta(min_length=1)]
    baselines: list[Baseline]
    verdict: list[Verdict]
    robustness: Robustness | None
    looks: list[Look] = []
    marginals: list[Marginal] = []
    perturbed: list[Perturbed] = []
    by_text: ByText | None = None
    warnings: list[str]
    seconds: float

    @property
    def n_seeds(self) -> int:
        """The number of seeds of each arm."""
        return len({arm.seed for arm in self.arms})

    @property
    def reported_bytes(self) -> int:
        """The number of bytes of the text that the losses are from."""
        return self.arms[0].reported.bytes
