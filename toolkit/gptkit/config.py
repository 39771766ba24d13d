"""Frozen configs of a model, its optimiser, a schedule, a recipe and an arm.

A recipe has what a user chooses once. A plan adds the rest for each tokenizer. An arm is complete.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from gptkit.errors import ConfigError, check_types

TRIAL_PART = 4  # a trial of a learning rate is 1 / TRIAL_PART of the arm's training
RATES = ("learning_rate", "embedding_learning_rate", "muon_learning_rate")
MAX_SLUG_CHARS = 48  # characters of a tokenizer's name in a folder's name


MAX_BLOCK_SIZE = 1_000_000  # tables of positions are this long


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """A model without its context length. The defaults are a standard decoder.

    The bigram uses only `architecture`.

    Attributes:
        n_hidden: width of the MLP; None for 4 · n_embd.
        attention: "softmax" weighs positions by scores; "average" gives all the same weight.
        mlp: whether an MLP follows attention.
        residual: whether the outputs of attention and MLP are projected and added to their input.
            If False, they replace it.
        norm: "rms" is RMSNorm without a gain, "rms_gain" with one, "layer" is LayerNorm.
        positions: how positions enter the model; None if they do not.
        qk_norm: whether RMSNorm is applied to each head's queries and keys; with "rms_gain" it has
            a gain too.
        embedding_norm: whether the norm is also applied to the embedding.
        token_shift: whether half of the channels come from the position before; see
            `gptkit.models.ngrams`.
        ngram_rows: rows of the table of hashed n-grams; None for no table.
        activation: the activation of the MLP. "gelu" is GPT-2's tanh form; "swiglu" has two
            matrices of width n_hidden, and one gates the other.
        bias: whether linear layers and LayerNorm have biases.
        dropout: the probability of dropping a value; None for no dropout.
        init: "unit" draws weights of variance 1 / inputs, so that activations keep unit variance,
            and starts learned positions from sinusoids; "gpt2" draws all weights at a standard
            deviation of 0.02, as GPT-2 did; "torch" keeps PyTorch's own, a third of unit variance.
        zero_init_residual: whether the projections start at zero.
    """

    architecture: Literal["bigram", "decoder"] = "decoder"
    n_layer: int = 3
    n_head: int = 2
    n_embd: int = 128
    n_hidden: int | None = 256
    attention: Literal["softmax", "average"] = "softmax"
    mlp: bool = True
    residual: bool = True
    norm: Literal["rms", "rms_gain", "layer"] | None = "rms"
    positions: Literal["rotary", "learned"] | None = "rotary"
    qk_norm: bool = True
    embedding_norm: bool = True
    token_shift: bool = False
    ngram_rows: int | None = None
    activation: Literal["relu2", "relu", "gelu", "swiglu"] = "relu2"
    bias: bool = False
    dropout: float | None = None
    init: Literal["unit", "gpt2", "torch"] = "unit"
    zero_init_residual: bool = True

    def __post_init__(self) -> None:
        check_types(self)
        _check_at_least_one(self, "n_layer", "n_head", "n_embd", "n_hidden", "ngram_rows")
        if self.token_shift and self.n_embd % 2:
            raise ConfigError(f"n_embd {self.n_embd} is odd: token_shift takes half the channels.")
        if self.n_embd % self.n_head:
            raise ConfigError(
                f"n_embd {self.n_embd} is not a multiple of n_head {self.n_head}: "
                "every head needs the same whole number of channels."
            )
        if self.positions == "rotary" and self.head_dim % 2:
            raise ConfigError(
                f"head_dim {self.head_dim} (n_embd / n_head) is odd: "
                "rotary positions turn channels in pairs."
            )
        if self.mlp and not self.residual and self.mlp_width != self.n_embd:
            raise ConfigError(
                f"n_hidden {self.mlp_width} is not n_embd {self.n_embd}: without residual, no "
                "layer projects back to n_embd."
            )
        if self.dropout is not None and not 0 < self.dropout < 1:
            raise ConfigError(f"dropout is {self.dropout}; between 0 and 1, or None for off.")

    @property
    def head_dim(self) -> int:
        return self.n_embd // self.n_head

    @property
    def mlp_width(self) -> int:
        return 4 * self.n_embd if self.n_hidden is None else self.n_hidden


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """How weights are updated: the part of training that a recipe decides.

    Attributes:
        learning_rate: the peak learning rate of AdamW.
        embedding_learning_rate: the same for the token embedding; None for learning_rate. Under
            Adam, its best rate does not fall as the width grows, unlike other layers' rates:
            Yang et al., "Tensor Programs V", 2022.
        muon_learning_rate: the peak learning rate of Muon, which updates the matrices of the
            body. None: AdamW updates all weights.
        muon_iterations: iterations of the orthogonalisation in each step of Muon on a CPU.
        muon_momentum: momentum of Muon's running mean gradient.
        betas, weight_decay: parameters of AdamW. The embeddings of tokens and positions never
            decay; with Muon, gains and biases do not either.
        warmup_steps: the rate rises linearly to its peak during these steps.
        decay_fraction: the rate falls linearly to 0 during this last part of the training. None
            keeps it at its peak.
        grad_clip: largest gradient norm, counted as in the dense model; None for no limit.
        bf16: whether training's forward passes use bfloat16 on a GPU that has it. Evaluation
            never does.
        compiled: whether torch.compile is used on a GPU.
    """

    learning_rate: float
    embedding_learning_rate: float | None = None
    muon_learning_rate: float | None = None
    muon_iterations: int = 3
    muon_momentum: float = 0.95
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    warmup_steps: int = 0
    decay_fraction: float | None = 1.0
    grad_clip: float | None = None
    bf16: bool = False
    compiled: bool = False

    def __post_init__(self) -> None:
        check_types(self)
        _check_at_least_one(self, "muon_iterations")
        if self.muon_iterations > 5:
            raise ConfigError(f"muon_iterations is {self.muon_iterations}; it is at most 5.")
        if not 0 <= self.muon_momentum < 1:
            raise ConfigError(f"muon_momentum is {self.muon_momentum}; at least 0, and below 1.")
        _check_positive(self, *RATES, "grad_clip")

    def rate_at(self, step: int, done: float) -> float:
        """Return the learning rate at a step, as a fraction of the peak.

        Args:
            step: the number of the step, from 0.
            done: how much of the training is done before it (in steps or seconds), from 0 to 1.

        >>> config = OptimConfig(learning_rate=1.0, warmup_steps=2, decay_fraction=0.5)
        >>> [config.rate_at(step, step / 8) for step in range(8)]
        [0.5, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]
        """
        rate = min(1.0, (step + 1) / self.warmup_steps) if self.warmup_steps else 1.0
        if self.decay_fraction is not None:
            rate = min(rate, (1 - done) / self.decay_fraction)
        return rate

    def at_rate(self, factor: float) -> OptimConfig:
        """The same config with its learning rates times `factor`."""
        rates = {name: getattr(self, name) for name in RATES}
        return replace(self, **{name: rate * factor for name, rate in rates.items() if rate})


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and on which batches an arm trains: the part that a plan adds to a recipe.

    Attributes:
        block_size: T, the model's context and a training window, in tokens.
        steps, seconds: length of the training; exactly one is given. Evaluation does not count.
        batch_size: B, windows per step; the mean if `bytes_per_step` is given.
        bytes_per_step: target bytes of training text per step. The number of windows varies by
            about one per step to meet it. None: every step has batch_size windows.
        evaluations: how often the validation text is scored, at even intervals; the last time
            after the last step.
        eval_stride: how many tokens evaluation windows advance; None for disjoint windows.
        seed: the seed for the initial weights, the batches and the dropout.
    """

    block_size: int
    batch_size: int = 8
    steps: int | None = None
    seconds: float | None = None
    bytes_per_step: int | None = None
    evaluations: int = 4
    eval_stride: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_types(self)
        if (self.steps is None) == (self.seconds is None):
            raise ConfigError(
                f"steps is {self.steps} and seconds is {self.seconds}: give exactly one of them."
            )
        _check_at_least_one(self, "block_size", "batch_size", "steps", "evaluations", "eval_stride")
        if self.block_size > MAX_BLOCK_SIZE:
            raise ConfigError(
                f"block_size is {self.block_size:,}; it is at most {MAX_BLOCK_SIZE:,} tokens.\n"
                "Give a shorter context."
            )
        _check_positive(self, "bytes_per_step", "seconds")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A model, its optimiser, and the default amount of text.

    Attributes:
        budget: training text per arm or steps, as in "600KB" or "5000steps".
        context_bytes: how far back the model sees, in bytes of text.
        bytes_per_step: bytes of training text per step; at least twice the context. With fewer
            windows per step, tokenizers would not read equally much text.
        evaluations: how often the validation text is scored during the training.
        rates_follow_tokens: whether learning rates are multiplied by √(tokens / bytes) of a step.
            A coarser tokenizer has fewer tokens in the same text, and their mean gradient is
            noisier. Adam's best rate grows with the square root of the batch size: Malladi et al.,
            "On the SDEs and scaling rules for adaptive gradient algorithms", 2022.
    """

    model: ModelConfig
    optim: OptimConfig
    budget: str = "600KB"
    context_bytes: int = 160
    bytes_per_step: int = 1024
    evaluations: int = 4
    rates_follow_tokens: bool = False

    def __post_init__(self) -> None:
        check_types(self)
        _check_at_least_one(self, "context_bytes", "bytes_per_step", "evaluations")
        if self.bytes_per_step < 2 * self.context_bytes:
            raise ConfigError(
                f"bytes_per_step is {self.bytes_per_step}, less than twice context_bytes "
                f"{self.context_bytes}: with so few windows per step, tokenizers would not read "
                "equally much text.\nGive more bytes per step, or a shorter context."
            )

    def optim_for(self, bytes_per_token: float) -> OptimConfig:
        """Return the optimiser's config for a tokenizer with this many bytes per token."""
        return self.optim.at_rate(bytes_per_token**-0.5) if self.rates_follow_tokens else self.optim


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One training of an experiment: a tokenizer, a model and a seed, with all settings.

    Attributes:
        tokenizer: the tokenizer's name in the experiment.
        recipe: the recipe's name in the experiment.
    """

    tokenizer: str
    recipe: str
    model: ModelConfig
    optim: OptimConfig
    schedule: Schedule

    @property
    def id(self) -> str:
        """The name of the arm's folder, as in `char-decoder-s0`; every file system allows it."""
        return f"{slug(self.tokenizer)}-{self.recipe}-s{self.schedule.seed}"


def slug(tokenizer: str) -> str:
    """Turn a tokenizer's name into a part of a folder's name: ASCII, short and unique.

    If characters or parent folders are dropped, eight digits of the name's hash are added. So
    `a/b.json` and `a_b.json` give different names. Specs of learned vocabularies get no hash.

    >>> slug("char+bytes"), slug("bpe:1024"), slug("my/tok.json")
    ('char+bytes', 'bpe_1024', 'tok.json-a48990d4')
    """
    if re.fullmatch(rf"[A-Za-z0-9_+][A-Za-z0-9_.+-]{{,{MAX_SLUG_CHARS}}}", tokenizer):
        return tokenizer
    if re.fullmatch(r"[a-z]+:[0-9]{1,9}", tokenizer):
        return tokenizer.replace(":", "_")
    import hashlib

    digest = hashlib.sha256(tokenizer.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    last = re.split(r"[/\\]", tokenizer.rstrip("/\\"))[-1]
    readable = re.sub(r"[^A-Za-z0-9_.+]+", "_", last)[-MAX_SLUG_CHARS:].strip("._")
    return "-".join(part for part in (readable, digest) if part)


def check_folders(tokenizers: Iterable[str], recipes: Collection[str]) -> None:
    """Refuse names whose arms would share a folder; upper and lower case count as equal.

    Raises:
        ConfigError: two arms have the same id; the message names both.
    """
    owners: dict[str, tuple[str, str]] = {}
    for tokenizer, recipe in product(tokenizers, recipes):
        folder = f"{slug(tokenizer)}-{recipe}"
        other = owners.setdefault(folder.casefold(), (tokenizer, recipe))
        if other != (tokenizer, recipe):
            raise ConfigError(
                f"two arms would share the folder {folder}: {other[0]} under {other[1]}, and "
                f"{tokenizer} under {recipe}.\nGive one of the tokenizers or models another name."
            )


def split_shares(split: float | Sequence[float]) -> tuple[float, ...]:
    """Return the shares of train, val and perhaps test: 0.9 gives (0.9, 0.1).

    Raises:
        ConfigError: these are not two or three positive shares that sum to 1.
    """
    given = (split,) if isinstance(split, int | float) else tuple(split)
    shares = (*given, 1 - given[0]) if len(given) == 1 else given
    if len(shares) not in (2, 3) or not (
        all(0 < share < 1 for share in shares) and abs(sum(shares) - 1) < 1e-9
    ):
        raise ConfigError(
            f"split is {','.join(map(str, given))}; it must be the training share between 0 and 1, "
            "as in 0.9, or the\npositive shares of train, val and test that sum to 1, as in "
            "0.9,0.05,0.05."
        )
    return shares


def _check_at_least_one(config: object, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value is not None and value < 1:
            raise ConfigError(f"{name} is {value}; it must be at least 1.")


def _check_positive(config: object, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value is not None and not 0 < value < math.inf:
            raise ConfigError(f"{name} is {value}; it must be positive.")
