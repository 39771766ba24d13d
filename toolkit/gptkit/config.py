"""Frozen configs: a model, its optimiser, a schedule, an arm, and what the user asks of them.

An arm is complete. A recipe has what a user chooses once; a plan adds the rest for each tokenizer.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

from gptkit.errors import ConfigError

TRIAL_PART = 4  # a trial of a learning rate is 1 / TRIAL_PART of the arm's training
RATES = ("learning_rate", "embedding_learning_rate", "muon_learning_rate")
MAX_SLUG_CHARS = 48  # of a tokenizer's name in a folder's name


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """One model without its context length. The defaults are a standard decoder.

    The bigram reads `architecture` alone.

    Attributes:
        n_hidden: width of the MLP; None for 4 · n_embd.
        attention: "softmax" weighs positions by scores; "average" weighs them all alike.
        mlp: whether an MLP follows attention.
        residual: whether the outputs of attention and MLP are projected and added to their input.
            If False, they replace it.
        norm: "rms" is RMSNorm without a gain, "rms_gain" with one, "layer" is LayerNorm.
        positions: how the model tells positions apart; None if it cannot.
        qk_norm: whether RMSNorm is applied to each head's queries and keys; with "rms_gain" it has
            a gain too.
        embedding_norm: whether the norm is also applied to the embedding.
        token_shift: whether half of the channels come from the position before; see
            `gptkit.models.ngrams`.
        ngram_rows: rows of the table of hashed n-grams; None for no table.
        activation: the MLP's. "gelu" is GPT-2's tanh form; "swiglu" has two matrices of width
            n_hidden, and one gates the other.
        bias: whether linear layers and LayerNorm have biases.
        dropout: probability; None for none.
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
    """How weights are updated: what a recipe decides about training.

    Attributes:
        learning_rate: AdamW's peak.
        embedding_learning_rate: AdamW's peak for the token embedding; None for learning_rate.
            Under Adam its best rate does not fall as the width grows, unlike other layers' rates:
            Yang et al., "Tensor Programs V", 2022.
        muon_learning_rate: Muon's peak, for the hidden matrices; None gives all weights to AdamW.
        muon_iterations: iterations of the orthogonalisation in each step of Muon on a CPU.
        muon_momentum: momentum of Muon's running mean gradient.
        betas, weight_decay: AdamW's. The embeddings of tokens and positions never decay; with
            Muon, gains and biases do not either.
        warmup_steps: steps over which the rate rises linearly to its peak.
        decay_fraction: the last part of the training, over which the rate falls linearly to 0;
            None keeps it at its peak.
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
        _check_at_least_one(self, "muon_iterations")
        if self.muon_iterations > 5:
            raise ConfigError(f"muon_iterations is {self.muon_iterations}; it is at most 5.")
        if not 0 <= self.muon_momentum < 1:
            raise ConfigError(f"muon_momentum is {self.muon_momentum}; at least 0, and below 1.")
        _check_positive(self, *RATES, "grad_clip")

    def at_rate(self, factor: float) -> OptimConfig:
        """The same config with its learning rates times `factor`."""
        rates = {name: getattr(self, name) for name in RATES}
        return replace(self, **{name: rate * factor for name, rate in rates.items() if rate})


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and on which batches an arm trains: what a plan adds to a recipe.

    Attributes:
        block_size: T, the model's context and a training window, in tokens.
        steps, seconds: length of the training; exactly one of them. Seconds are of training alone.
        batch_size: B, windows per step; the mean if `bytes_per_step` is given.
        bytes_per_step: target bytes of training text per step. The number of windows varies by
            about one per step to meet it. None for batch_size windows at every step.
        evaluations: how often the validation text is scored, evenly over the training; the last
            time after the last step.
        eval_stride: how many tokens evaluation windows advance; None for disjoint windows.
        seed: of the initial weights, the batches and the dropout.
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
        if (self.steps is None) == (self.seconds is None):
            raise ConfigError(
                f"steps is {self.steps} and seconds is {self.seconds}: give exactly one of them."
            )
        _check_at_least_one(self, "block_size", "batch_size", "steps", "evaluations", "eval_stride")
        _check_positive(self, "bytes_per_step", "seconds")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A model, how its weights are updated, and on how much text if an experiment does not say.

    Attributes:
        budget: training text per arm or steps, as in "600KB" or "5000steps".
        context_bytes: how far back the model sees, in bytes of text.
        bytes_per_step: bytes of training text per step; at least twice the context, because with
            fewer windows the tokenizers could not be kept level.
        evaluations: how often the validation text is scored during the training.
        rates_follow_tokens: whether learning rates are multiplied by √(tokens / bytes) of a step.
            A coarser tokenizer makes fewer tokens of the same text, and their mean gradient is
            noisier. Adam's best rate goes with the square root of the batch: Malladi et al., "On
            the SDEs and scaling rules for adaptive gradient algorithms", 2022.
    """

    model: ModelConfig
    optim: OptimConfig
    budget: str = "600KB"
    context_bytes: int = 160
    bytes_per_step: int = 1024
    evaluations: int = 4
    rates_follow_tokens: bool = False

    def __post_init__(self) -> None:
        _check_at_least_one(self, "context_bytes", "bytes_per_step", "evaluations")
        if self.bytes_per_step < 2 * self.context_bytes:
            raise ConfigError(
                f"bytes_per_step is {self.bytes_per_step}, less than twice context_bytes "
                f"{self.context_bytes}: with so few windows per step, tokenizers cannot be kept "
                "level.\nGive more bytes per step, or a shorter context."
            )

    def optim_for(self, bytes_per_token: float) -> OptimConfig:
        """The optimiser's config under a tokenizer with so many bytes per token."""
        return self.optim.at_rate(bytes_per_token**-0.5) if self.rates_follow_tokens else self.optim


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One training of an experiment, complete: a tokenizer, a model and a seed.

    Attributes:
        tokenizer: its name in the experiment.
        recipe: name of the recipe in the experiment.
    """

    tokenizer: str
    recipe: str
    model: ModelConfig
    optim: OptimConfig
    schedule: Schedule

    @property
    def id(self) -> str:
        """Name of the arm's folder, as in `char-decoder-s0`: legal on every file system."""
        return f"{slug(self.tokenizer)}-{self.recipe}-s{self.schedule.seed}"


def slug(tokenizer: str) -> str:
    """A tokenizer's name as part of a folder's name: ASCII, short, and its own.

    A name that loses characters, or the folders before it, gets eight digits of its hash, so that
    `a/b.json` and `a_b.json` stay apart. The specs of learned vocabularies are short as they are.

    >>> slug("char+bytes"), slug("bpe:1024"), slug("my/tok.json")
    ('char+bytes', 'bpe_1024', 'tok.json-a48990d4')
    """
    if re.fullmatch(rf"[A-Za-z0-9_+][A-Za-z0-9_.+-]{{,{MAX_SLUG_CHARS}}}", tokenizer):
        return tokenizer
    if re.fullmatch(r"[a-z]+:[0-9]{1,9}", tokenizer):
        return tokenizer.replace(":", "_")
    digest = hashlib.sha256(tokenizer.encode("utf-8", "surrogateescape")).hexdigest()[:8]
    last = re.split(r"[/\\]", tokenizer.rstrip("/\\"))[-1]
    readable = re.sub(r"[^A-Za-z0-9_.+]+", "_", last)[-MAX_SLUG_CHARS:].strip("._")
    return "-".join(part for part in (readable, digest) if part)


def check_folders(tokenizers: Iterable[str], recipes: Collection[str]) -> None:
    """Refuse names whose arms would share a folder, also where file names ignore case.

    Raises:
        ConfigError: two arms with the same id; it names both.
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
    """The shares of train, val and perhaps test: 0.9 is (0.9, 0.1).

    Raises:
        ConfigError: not two or three positive shares that sum to 1.
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
