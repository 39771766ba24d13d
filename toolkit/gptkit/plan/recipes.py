"""Models with the training and the text they are meant for, and those that have a name.

A named recipe is a function that returns a complete `Recipe`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from gptkit.config import ModelConfig, TrainConfig, at_rate, from_dict
from gptkit.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A model, how it is trained, and on how much text where an experiment does not say.

    An experiment sets from these, for each tokenizer, the model's `block_size` and the training's
    `steps`, `batch_size` and `bytes_per_step`: what those are here does not count.

    Attributes:
        budget: training text per arm, or steps, as in "600KB" or "5000steps".
        context_bytes: how far back the model sees.
        bytes_per_step: text per training step; at least twice the context, or tokenizers could
            not be kept level.
        rates_follow_tokens: whether a step of fewer tokens has lower learning rates: they are
            multiplied by √(tokens / bytes). Of the same text a coarser tokenizer makes fewer
            tokens, whose mean gradient is noisier. Adam's best rate goes with the square root of
            the batch: Malladi et al., "On the SDEs and scaling rules for adaptive gradient
            algorithms", 2022.
    """

    model: ModelConfig
    train: TrainConfig
    budget: str = "600KB"
    context_bytes: int = 160
    bytes_per_step: int = 1024
    rates_follow_tokens: bool = False

    def __post_init__(self) -> None:
        for name in ("context_bytes", "bytes_per_step"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; it must be at least 1.")
        if self.bytes_per_step < 2 * self.context_bytes:
            raise ConfigError(
                f"bytes_per_step is {self.bytes_per_step}, less than twice context_bytes "
                f"{self.context_bytes}: with so few windows a step, tokenizers cannot be kept "
                "level.\nGive more bytes per step, or a shorter context."
            )

    def train_for(self, bytes_per_token: float) -> TrainConfig:
        """The training under a tokenizer of so many bytes per token, its rates set."""
        if not self.rates_follow_tokens:
            return self.train
        return at_rate(self.train, bytes_per_token**-0.5)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Recipe:
        """The recipe whose `asdict` this is."""
        model, train = (
            from_dict(ModelConfig, data["model"]),
            from_dict(TrainConfig, data["train"]),
        )
        return cls(**{**data, "model": model, "train": train})


OF_TEXT = ("budget", "context_bytes", "bytes_per_step")  # fields of a recipe, not of its model


def common(recipes: Iterable[Recipe], field: str) -> Any:
    """What all recipes have in a field, or None where they differ.

    >>> common([bigram(), decoder()], "budget")
    '600KB'
    """
    values = {getattr(recipe, field) for recipe in recipes}
    return values.pop() if len(values) == 1 else None


def bigram() -> Recipe:
    """The lecture's bigram table."""
    return Recipe(model=ModelConfig(architecture="bigram"), train=TrainConfig(learning_rate=0.3))


def decoder() -> Recipe:
    """A standard decoder, of the shape of nanochat's: transformers' `NanoChatForCausalLM`.

    RMSNorm without a gain, also after the embedding; rotary positions, QK-norm, ReLU², an untied
    head, no biases. It is sized so that a laptop's CPU trains it in well under a minute. Its
    momentum is short because its training is: some 600 steps.
    """
    return Recipe(
        model=ModelConfig(),
        train=TrainConfig(
            learning_rate=1e-2,
            embedding_learning_rate=0.2,
            muon_learning_rate=2e-2,
            muon_momentum=0.9,
            betas=(0.7, 0.999),
            weight_decay=0.2,
        ),
        rates_follow_tokens=True,
    )


def gpt2() -> Recipe:
    """A decoder of the shape of GPT-2: transformers' `GPT2LMHeadModel`, its head untied.

    LayerNorm, learned positions, GELU, an MLP of 4 · n_embd, biases. Radford et al., "Language
    models are unsupervised multitask learners", 2019. The positions start from sinusoids: some
    600 steps are too few to learn an order from noise.
    """
    small = decoder()
    return replace(
        small,
        model=replace(
            small.model,
            n_layer=2,
            n_hidden=None,
            norm="layer",
            positions="learned",
            qk_norm=False,
            embedding_norm=False,
            activation="gelu",
            bias=True,
        ),
        train=replace(at_rate(small.train, 2), embedding_learning_rate=0.1),
    )


def qwen3() -> Recipe:
    """A decoder of the shape of Qwen3: transformers' `Qwen3ForCausalLM`, its head untied.

    RMSNorm with a gain, rotary positions, QK-norm, SwiGLU, no biases. Yang et al., "Qwen3
    technical report", 2025.
    """
    small = decoder()
    return replace(
        small,
        model=replace(
            small.model, n_hidden=176, norm="rms_gain", embedding_norm=False, activation="swiglu"
        ),
        train=at_rate(small.train, 2),
    )


def fast() -> Recipe:
    """The decoder that learns soonest on characters; nobody trains such a model for use.

    A token shift and hashed n-grams of the last two to four tokens give a small vocabulary some
    of what a large one has already.
    """
    return Recipe(
        model=ModelConfig(n_layer=2, n_hidden=256, token_shift=True, ngram_rows=4096),
        train=TrainConfig(
            learning_rate=1e-2,
            embedding_learning_rate=0.1,
            muon_learning_rate=2e-2,
            weight_decay=0.2,
        ),
    )


def large() -> Recipe:
    """The decoder at the size of nanoGPT's for tiny Shakespeare on one GPU: 6 x 6 x 384."""
    small = decoder()
    return replace(
        small,
        model=replace(small.model, n_layer=6, n_head=6, n_embd=384, n_hidden=None, dropout=0.2),
        train=replace(small.train, evaluations=20, bf16=True, compiled=True),
    )


def lecture() -> Recipe:
    """The lecture's decoder, near `decoder`'s size: what a follower of the lecture builds."""
    return Recipe(
        model=ModelConfig(
            n_layer=3,
            n_head=4,
            n_embd=128,
            n_hidden=None,
            norm="layer",
            positions="learned",
            qk_norm=False,
            embedding_norm=False,
            activation="relu",
            bias=True,
            dropout=0.2,
            init="gpt2",
            zero_init_residual=False,
        ),
        train=TrainConfig(learning_rate=1e-3, weight_decay=0.01, decay_fraction=None),
    )


RECIPES: dict[str, Callable[[], Recipe]] = {
    "bigram": bigram,
    "decoder": decoder,
    "gpt2": gpt2,
    "qwen3": qwen3,
    "fast": fast,
    "large": large,
    "lecture": lecture,
}

PRESETS: dict[str, dict[str, Any]] = {
    "cpu": {},
    "gpu": {
        "models": ("bigram", "large"),
        "budget": "12MB",
        "context_bytes": 256,
        "bytes_per_step": 16_384,
    },
}
"""An experiment's fields for a machine, where they are not `Experiment`'s defaults."""
