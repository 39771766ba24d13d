"""How soon our recipes reach the loss that people know, and how far they come in the same time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from gptkit.bench.measure import Measurement
from gptkit.config import ModelConfig, TrainConfig
from gptkit.data.corpus import load_corpus
from gptkit.data.encoding import EncodedCorpus, encode_corpus
from gptkit.eval.evaluation import Evaluation
from gptkit.models import Decoder, build_model
from gptkit.plan.recipes import RECIPES, Recipe, lecture
from gptkit.train.loop import Evaluated, train

TARGET = 1.8857  # nats per character: nanoGPT's recipe for a CPU, after its 2,000 steps
BLOCK_SIZE = 64


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """A recipe that is held against the baseline.

    Attributes:
        steps: of its training to `TARGET`.
        times_sooner: than the baseline, to be reached.
        loss: in nats per character, to be reached in the baseline's whole time.
    """

    steps: int
    times_sooner: float
    loss: float


ENTRANTS = {
    "fast": Entrant(steps=128, times_sooner=12, loss=1.62),
    "decoder": Entrant(steps=300, times_sooner=6, loss=1.62),
}

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


def ours(
    recipe: Recipe, *, steps: int | None = None, seconds: float | None = None, batch_size: int
) -> Configs:
    """One of the kit's recipes, at its own rates, for so many steps or seconds."""
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

    A round in which a recipe misses the target counts as one that never ends.
    """
    corpus = corpus or encode_corpus(load_corpus(), "char")
    V = corpus.tokenizer.vocab_size
    size = Decoder.count_params(baseline()[0], V)["total"]
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in ENTRANTS}
    losses: dict[str, list[tuple[float, float]]] = {name: [] for name in ENTRANTS}
    for seed in range(rounds):
        whole, known = trained(baseline(), corpus, seed=seed)
        for name, entrant in ENTRANTS.items():
            recipe = RECIPES[name]()
            short = ours(recipe, steps=entrant.steps, batch_size=16)
            soon, reached = trained(short, corpus, seed=seed)
            _, far = trained(ours(recipe, seconds=whole, batch_size=32), corpus, seed=seed)
            times[name].append((whole, soon if reached.nats_per_char <= target else math.inf))
            losses[name].append((known.nats_per_char, far.nats_per_char))
    against = f"the lecture recipe with nanoGPT's CPU settings, {size:,} parameters"
    measured = []
    for name, entrant in ENTRANTS.items():
        own = Decoder.count_params(RECIPES[name]().model, V)["total"]
        assert own <= size
        measured += [
            Measurement(
                name=f"time-to-loss-{name}",
                what=f"{name}: training to {target} nats per character, {own:,} parameters",
                against=f"{against}: its 2,000 steps",
                reach=entrant.times_sooner,
                rounds=tuple(times[name]),
            ),
            Measurement(
                name=f"loss-in-time-{name}",
                what=f"{name}: loss after the baseline's whole time",
                against=against,
                unit="nats per character",
                reach=TARGET / entrant.loss,
                rounds=tuple(losses[name]),
            ),
        ]
    return measured
