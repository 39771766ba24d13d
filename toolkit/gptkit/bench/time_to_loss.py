"""Time how fast our recipes reach a well-known loss, and the loss they reach in the same time."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

from gptkit.bench.measure import Measurement
from gptkit.config import ModelConfig, OptimConfig, Recipe, Schedule
from gptkit.data.corpus import load_corpus
from gptkit.data.encoding import EncodedCorpus, encode_corpus
from gptkit.events.losses import Loss
from gptkit.models import MODELS, build_model
from gptkit.plan.recipes import RECIPES, lecture
from gptkit.train.loop import train_to_end

TARGET = 1.8857  # nats per character: nanoGPT's recipe for a CPU, after its 2,000 steps
BLOCK_SIZE = 64


@dataclass(frozen=True, kw_only=True)
class Entrant:
    """A recipe that is compared with the baseline.

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

Configs = tuple[ModelConfig, OptimConfig, Schedule]


def baseline(*, steps: int = 2000) -> Configs:
    """Return the lecture's decoder with nanoGPT's settings for tiny Shakespeare on a CPU."""
    recipe = lecture()
    return (
        replace(recipe.model, n_layer=4, bias=False, dropout=None),
        replace(
            recipe.optim,
            betas=(0.9, 0.99),
            weight_decay=0.1,
            warmup_steps=100,
            decay_fraction=1.0,
            grad_clip=1.0,
        ),
        Schedule(block_size=BLOCK_SIZE, batch_size=12, steps=steps, evaluations=1),
    )


def ours(
    recipe: Recipe, *, steps: int | None = None, seconds: float | None = None, batch_size: int
) -> Configs:
    """Return one of our recipes, at its own rates, for a number of steps or seconds."""
    schedule = Schedule(
        block_size=BLOCK_SIZE, batch_size=batch_size, steps=steps, seconds=seconds, evaluations=1
    )
    return recipe.model, recipe.optim, schedule


def trained(configs: Configs, corpus: EncodedCorpus, *, seed: int) -> tuple[float, Loss]:
    """Return the seconds of training, and the validation loss after it."""
    model_config, optim, schedule = configs
    model = build_model(
        model_config,
        block_size=schedule.block_size,
        vocab_size=corpus.tokenizer.vocab_size,
        train_ids=corpus.train.ids,
        seed=seed,
    )
    last = train_to_end(model, corpus, optim, replace(schedule, seed=seed)).event
    return last.seconds, last.loss


def measure(
    rounds: int,
    *,
    baseline: Callable[[], Configs] = baseline,
    target: float = TARGET,
    corpus: EncodedCorpus | None = None,
) -> list[Measurement]:
    """Time training on characters of tiny Shakespeare, context 64; each round has its own seed.

    A round in which a recipe misses the target counts as one that never ends.
    """
    corpus = corpus or encode_corpus(load_corpus(), "char")
    V = corpus.tokenizer.vocab_size
    size = _params(baseline()[0], V)
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
        own = _params(RECIPES[name]().model, V)
        assert own <= size
        measured += [
            Measurement(
                name=f"time-to-loss-{name}",
                what=f"{name}: training to {target} nats per character, {own:,} parameters",
                against=f"{against}: its 2,000 steps",
                goal=entrant.times_sooner,
                rounds=tuple(times[name]),
            ),
            Measurement(
                name=f"loss-in-time-{name}",
                what=f"{name}: loss after the baseline's whole time",
                against=against,
                unit="nats per character",
                goal=TARGET / entrant.loss,
                rounds=tuple(losses[name]),
            ),
        ]
    return measured


def _params(model: ModelConfig, vocab_size: int) -> int:
    counts = MODELS[model.architecture].count_params(
        model, vocab_size=vocab_size, block_size=BLOCK_SIZE
    )
    return counts.total
