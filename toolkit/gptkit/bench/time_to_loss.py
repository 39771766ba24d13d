"""How soon the recipe reaches the loss that people know, and how far it comes in the same time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

from gptkit.bench.measure import Measurement
from gptkit.config import ModelConfig, TrainConfig
from gptkit.corpus import load_corpus
from gptkit.encoded import EncodedCorpus, encode_corpus
from gptkit.evaluation import Evaluation
from gptkit.models import Decoder, build_model
from gptkit.recipes import decoder, lecture
from gptkit.training import Evaluated, train

TARGET = 1.8857  # nats per character: nanoGPT's recipe for a CPU, after its 2,000 steps
LONG_LOSS = 1.62  # to be reached in the baseline's whole time
BLOCK_SIZE = 64
STEPS = 128  # of ours, to the target

Configs = tuple[ModelConfig, TrainConfig]


def baseline(*, steps: int = 2000) -> Configs:
    """The lecture's decoder with nanoGPT's hyper-parameters for tiny Shakespeare on a CPU."""
    recipe = lecture()
    return (
        replace(recipe.model, block_size=BLOCK_SIZE, n_layer=4, bias=False, dropout=None),
        replace(
            recipe.train,
            betas=(0.9, 0.99),
            weight_decay=0.1,
            warmup_steps=100,
            decay_fraction=1.0,
            grad_clip=1.0,
            steps=steps,
            bytes_per_step=None,
            batch_size=12,
            evaluations=1,
        ),
    )


def ours(*, steps: int | None = STEPS, seconds: float | None = None, batch_size: int) -> Configs:
    """The kit's decoder, at its own rates, for so many steps or seconds."""
    recipe = decoder()
    return (
        replace(recipe.model, block_size=BLOCK_SIZE),
        replace(
            recipe.train,
            steps=steps,
            seconds=seconds,
            bytes_per_step=None,
            batch_size=batch_size,
            evaluations=1,
        ),
    )


def trained(configs: Configs, corpus: EncodedCorpus, *, seed: int) -> tuple[float, Evaluation]:
    """Seconds of training alone, and the validation text's loss after it."""
    model_config, training = configs
    V = corpus.tokenizer.vocab_size
    model = build_model(model_config, vocab_size=V, train_ids=corpus.train.ids, seed=seed)
    last = None
    for event in train(model, corpus, replace(training, seed=seed)):
        if isinstance(event, Evaluated):
            last = event
    assert last is not None
    return last.seconds, last.evaluation


def measure(
    rounds: int,
    *,
    baseline: Callable[[], Configs] = baseline,
    target: float = TARGET,
    corpus: EncodedCorpus | None = None,
) -> list[Measurement]:
    """Characters of tiny Shakespeare, context 64; each round has a seed of its own.

    A round in which ours misses the target counts as one that never ends.
    """
    corpus = corpus or encode_corpus(load_corpus(), "char")
    V = corpus.tokenizer.vocab_size
    sizes = [
        Decoder.count_params(model, V)["total"] for model, _ in (baseline(), ours(batch_size=16))
    ]
    assert sizes[1] <= sizes[0]
    times, losses = [], []
    for seed in range(rounds):
        whole, known = trained(baseline(), corpus, seed=seed)
        soon, reached = trained(ours(batch_size=16), corpus, seed=seed)
        _, far = trained(ours(steps=None, seconds=whole, batch_size=32), corpus, seed=seed)
        times.append((whole, soon if reached.nats_per_char <= target else math.inf))
        losses.append((known.nats_per_char, far.nats_per_char))
    against = f"the lecture recipe with nanoGPT's CPU settings, {sizes[0]:,} parameters"
    return [
        Measurement(
            name="time-to-loss",
            what=f"training to {target} nats per character, {sizes[1]:,} parameters",
            against=f"{against}: its 2,000 steps",
            reach=6,
            rounds=tuple(times),
        ),
        Measurement(
            name="loss-in-time",
            what="loss after the baseline's whole time",
            against=against,
            unit="nats per character",
            reach=TARGET / LONG_LOSS,
            rounds=tuple(losses),
        ),
    ]
