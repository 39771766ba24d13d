"""What an experiment, a model and its training are made of: frozen, complete, JSON-ready.

Nothing is filled in later but what matching decides: the context, the batches, the steps and, for
equal parameters, the body's size.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, TypeVar

from gptkit.errors import ConfigError

Config = TypeVar("Config", "ModelConfig", "TrainConfig")


def from_dict(config: type[Config], data: dict[str, Any]) -> Config:
    """The config whose fields `asdict` gave; raises ConfigError for a field it does not have."""
    known = {f.name for f in fields(config)}
    unknown = sorted(set(data) - known)
    if unknown:
        raise ConfigError(
            f"{config.__name__} has no field {', '.join(unknown)}; "
            f"it has {', '.join(sorted(known))}."
        )
    return config(**data)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """One model. The defaults are a standard decoder; see `gptkit.plan.recipes` for others.

    The bigram reads `architecture` alone: its context is one token whatever the window.

    Attributes:
        block_size: the context in tokens.
        n_hidden: the MLP's width; None for 4 · n_embd.
        attention: weights by softmax of scores, or the same for every position: an average.
        mlp: whether an MLP follows attention.
        residual: whether both are projected and added to what they read; else they replace it.
        norm: "rms" is RMSNorm without a gain, "rms_gain" with one, "layer" is LayerNorm.
        positions: how a position is told from another; None for not at all.
        qk_norm: whether RMSNorm is applied to each head's queries and keys; with "rms_gain" it has
            a gain too.
        embedding_norm: whether the norm is applied to the embedding as well.
        token_shift, ngram_rows: see `gptkit.models.ngrams`; None for no hashed table.
        activation: the MLP's. "gelu" is GPT-2's tanh form of it; "swiglu" has two matrices of
            width n_hidden, of which one gates the other.
        init: "unit" keeps activations at unit variance, by weights of variance 1 / inputs, and
            learned positions start from sinusoids; "gpt2" draws all at a standard deviation of
            0.02, as GPT-2 did; "torch" leaves PyTorch's own, a third of unit's variance.
        zero_init_residual: whether the projections start at zero.
    """

    architecture: Literal["bigram", "decoder"] = "decoder"
    block_size: int = 256
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
        for name in ("block_size", "n_layer", "n_head", "n_embd"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if self.n_hidden is not None and self.n_hidden < 1:
            raise ConfigError(f"n_hidden is {self.n_hidden}; at least 1, or None for 4 · n_embd.")
        if self.ngram_rows is not None and self.ngram_rows < 1:
            raise ConfigError(f"ngram_rows is {self.ngram_rows}; at least 1, or None for off.")
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
                f"n_hidden {self.mlp_width} is not n_embd {self.n_embd}: without residual nothing "
                "projects back."
            )
        if self.dropout is not None and not 0 < self.dropout < 1:
            raise ConfigError(f"dropout is {self.dropout}; between 0 and 1, or None for off.")

    @property
    def head_dim(self) -> int:
        return self.n_embd // self.n_head

    @property
    def mlp_width(self) -> int:
        return 4 * self.n_embd if self.n_hidden is None else self.n_hidden


RATES = ("learning_rate", "embedding_learning_rate", "muon_learning_rate")


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How one arm is trained.

    Attributes:
        learning_rate: AdamW's peak.
        embedding_learning_rate: AdamW's peak for the tokens' embedding; None for learning_rate.
            Under Adam its best rate does not fall as the width grows, as other layers' does: Yang
            et al., "Tensor Programs V", 2022.
        muon_learning_rate: Muon's peak, for the hidden matrices; None leaves all to AdamW.
        muon_iterations: of the orthogonalisation in a step of Muon on a CPU.
        muon_momentum: of Muon's running mean gradient.
        betas, weight_decay: AdamW's; the embeddings of tokens and positions never decay. With Muon,
            neither do gains and biases.
        warmup_steps: steps of linear rise to the peak.
        decay_fraction: the last part of the training, over which the rate falls linearly to 0;
            None keeps it at its peak.
        steps, seconds: how long, the one or the other; seconds of training alone, by the clock.
        grad_clip: the largest gradient norm, counted as in the dense model.
        bytes_per_step: training text per step, to keep to which a step may take a window more or
            less than batch_size; None for batch_size windows at every step.
        batch_size: windows per step, on average.
        evaluations: how often the validation text is scored, evenly over the training; the last
            step's always is.
        eval_stride: tokens that evaluation windows advance; None for disjoint windows.
        bf16: forward passes of training in bfloat16, on a GPU that has it; evaluation never is.
        compiled: by torch.compile, on a GPU.
        seed: of the initial weights, the batches and the dropout.
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
    steps: int | None = 600
    seconds: float | None = None
    bytes_per_step: int | None = 1024
    batch_size: int = 8
    evaluations: int = 4
    eval_stride: int | None = None
    bf16: bool = False
    compiled: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "betas", tuple(self.betas))  # JSON knows only lists
        if (self.steps is None) == (self.seconds is None):
            raise ConfigError(
                f"steps is {self.steps} and seconds {self.seconds}: a training has the one or the "
                "other."
            )
        for name in ("steps", "batch_size", "evaluations", "muon_iterations"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}; it must be at least 1.")
        if self.muon_iterations > 5:
            raise ConfigError(f"muon_iterations is {self.muon_iterations}; it is at most 5.")
        if not 0 <= self.muon_momentum < 1:
            raise ConfigError(f"muon_momentum is {self.muon_momentum}; at least 0, and below 1.")
        for name in (*RATES, "grad_clip", "bytes_per_step", "seconds"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} is {value}; it must be positive.")


def at_rate(config: TrainConfig, factor: float) -> TrainConfig:
    """The config with its learning rates times `factor`."""
    rates = {name: getattr(config, name) for name in RATES}
    return replace(config, **{name: rate * factor for name, rate in rates.items() if rate})


@dataclass(frozen=True, kw_only=True)
class Arm:
    """One training of an experiment, complete: a tokenizer, a model and a seed."""

    tokenizer: str
    recipe: str
    model: ModelConfig
    train: TrainConfig

    @property
    def id(self) -> str:
        """The name of its folder, as in `char-decoder-s0`."""
        safe = re.sub(r"[^A-Za-z0-9_.+-]+", "_", self.tokenizer).strip(".")
        return f"{safe}-{self.recipe}-s{self.train.seed}"

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Arm:
        return cls(
            tokenizer=data["tokenizer"],
            recipe=data["recipe"],
            model=from_dict(ModelConfig, data["model"]),
            train=from_dict(TrainConfig, data["train"]),
        )
