"""Recipes by name: a model, its optimiser, and the amount of text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from gptkit.config import ModelConfig, OptimConfig, Recipe


def bigram() -> Recipe:
    """Return the lecture's bigram table."""
    return Recipe(model=ModelConfig(architecture="bigram"), optim=OptimConfig(learning_rate=0.3))


def decoder() -> Recipe:
    """Return a standard decoder with the shape of transformers' `NanoChatForCausalLM`.

    RMSNorm without a gain, also after the embedding; rotary positions, QK-norm, ReLU², an untied
    head, no biases. Its size is chosen so that a laptop's CPU trains it in well under a minute. Its
    momentum is short because its training is short: about 600 steps.
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
    """Return a decoder with the shape of transformers' `GPT2LMHeadModel` with an untied head.

    LayerNorm, learned positions, GELU, an MLP of 4 · n_embd, biases. Radford et al., "Language
    models are unsupervised multitask learners", 2019. The positions start from sinusoids: about
    600 steps are too few to learn positions from noise.
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
    """Return a decoder with the shape of transformers' `Qwen3ForCausalLM` with an untied head.

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
    """Return the decoder that learns fastest on characters. Nobody trains such a model for use.

    A token shift and hashed n-grams of the last two to four tokens give a small vocabulary part of
    what a large vocabulary has already.
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
    """Return `decoder` in the size of nanoGPT's model for a GPU: 6 layers, 6 heads, width 384."""
    recipe = _for_gpu(decoder())
    optim = replace(
        recipe.optim,
        learning_rate=3e-3,
        embedding_learning_rate=0.06,
        muon_learning_rate=0.04,
    )
    return replace(recipe, optim=optim)


def large_gpt2() -> Recipe:
    """Return `gpt2` in the size of `large`."""
    return _for_gpu(gpt2())


def large_qwen3() -> Recipe:
    """Return `qwen3` in the size of `large`; its MLP has three matrices of 8/3 the width."""
    return _for_gpu(qwen3(), n_hidden=1024)


def _for_gpu(recipe: Recipe, *, n_hidden: int | None = None) -> Recipe:
    """Return a recipe in the size of nanoGPT's model for a GPU, with dropout, in bf16."""
    model = replace(recipe.model, n_layer=6, n_head=6, n_embd=384, n_hidden=n_hidden, dropout=0.2)
    return replace(recipe, model=model, optim=replace(recipe.optim, bf16=True), evaluations=20)


def lecture() -> Recipe:
    """Return the lecture's decoder at about the size of `decoder`."""
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
    "large-gpt2": large_gpt2,
    "large-qwen3": large_qwen3,
    "lecture": lecture,
}
