"""Recipes that have a name: a model, how it is trained, and on how much text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gptkit.config import ModelConfig, OptimConfig, Recipe


def bigram() -> Recipe:
    """The lecture's bigram table."""
    return Recipe(model=ModelConfig(architecture="bigram"), optim=OptimConfig(learning_rate=0.3))


def decoder() -> Recipe:
    """A standard decoder, of the shape of nanochat's: transformers' `NanoChatForCausalLM`.

    RMSNorm without a gain, also after the embedding; rotary positions, QK-norm, ReLU², an untied
    head, no biases. It is sized so that a laptop's CPU trains it in well under a minute. Its
    momentum is short because its training is: some 600 steps.
    """
    return Recipe(
        model=ModelConfig(),
        optim=OptimConfig(
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
        optim=replace(small.optim.at_rate(2), embedding_learning_rate=0.1),
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
        optim=small.optim.at_rate(2),
    )


def fast() -> Recipe:
    """The decoder that learns soonest on characters; nobody trains such a model for use.

    A token shift and hashed n-grams of the last two to four tokens give a small vocabulary some
    of what a large one has already.
    """
    return Recipe(
        model=ModelConfig(n_layer=2, n_hidden=256, token_shift=True, ngram_rows=4096),
        optim=OptimConfig(
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
        optim=replace(small.optim, bf16=True, compiled=True),
        evaluations=20,
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
        optim=OptimConfig(learning_rate=1e-3, weight_decay=0.01, decay_fraction=None),
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
