"""Measure the recipe `fast` without each of its choices: the time to a loss, and losses."""

from __future__ import annotations

import math
from dataclasses import replace

from gptkit.bench.time_to_loss import TARGET, Configs, ours, trained
from gptkit.config import ModelConfig, OptimConfig
from gptkit.data.corpus import load_corpus
from gptkit.data.encoding import EncodedCorpus, encode_corpus
from gptkit.data.prepare import prepare
from gptkit.plan.experiment_config import Options
from gptkit.plan.matching import Request, match_bytes
from gptkit.plan.recipes import fast
from gptkit.results.studies import Ablations, BitsWithout, StepsToLoss

# Each choice with what takes it out. AdamW alone diverges at Muon's rates: it has 3e-3.
CHOICES: dict[str, Options] = {
    "nothing": {},
    "token shift": {"token_shift": False},
    "hashed n-grams": {"ngram_rows": None},
    "two narrow layers": {"n_layer": 4, "n_head": 4, "n_hidden": None},
    "a rate of its own for the embedding": {"embedding_learning_rate": None},
    "weight decay": {"weight_decay": 0.0},
    "Muon": {"muon_learning_rate": None, "learning_rate": 3e-3},
    "three iterations, not five": {"muon_iterations": 5},
    "a rate that falls": {"decay_fraction": None},
}
MAX_STEPS = 1500  # after which a loss counts as out of reach
GROWTH = 1.25  # of the number of steps from one attempt to the next


def without(choice: str, configs: Configs) -> Configs:
    """Return the configs without one of `CHOICES`."""
    model, optim, schedule = configs
    off = CHOICES[choice]
    of_model = {k: v for k, v in off.items() if k in ModelConfig.__dataclass_fields__}
    of_optim = {k: v for k, v in off.items() if k in OptimConfig.__dataclass_fields__}
    return replace(model, **of_model), replace(optim, **of_optim), schedule


def time_to_loss(
    choice: str, corpus: EncodedCorpus, *, target: float = TARGET, first: int = 60
) -> StepsToLoss:
    """Find the shortest training that reaches the target; each try is longer by a quarter."""
    steps = first
    while True:
        configs = without(choice, ours(fast(), steps=steps, batch_size=16))
        seconds, loss = trained(configs, corpus, seed=0)
        reached = loss.nats_per_char <= target
        if reached or steps * GROWTH > MAX_STEPS:
            return StepsToLoss(without=choice, steps=steps, seconds=seconds, reached=reached)
        steps = math.ceil(steps * GROWTH)


def bits_without(choice: str, texts: dict[str, EncodedCorpus], budget: str) -> BitsWithout:
    """Return each tokenizer's bits per byte under `fast` without the choice."""
    request = Request(recipes={"fast": replace(fast(), budget=budget, evaluations=1)}, seeds=(0,))
    bits = {}
    for arm in match_bytes(texts, request).arms:
        configs = without(choice, (arm.model, arm.optim, arm.schedule))
        bits[arm.tokenizer] = trained(configs, texts[arm.tokenizer], seed=0)[1].bits_per_byte
    return BitsWithout(without=choice, bits_per_byte=bits)


def measure_ablations(*, budget: str = "300KB") -> Ablations:
    """Measure times and losses on tiny Shakespeare, and losses on python-docs too."""
    char = encode_corpus(load_corpus(), "char")
    tables = {}
    for data in ("tinyshakespeare", "python-docs"):
        texts = prepare(load_corpus(data), {"char": "char", "gpt2": "gpt2"}).texts
        tables[data] = [bits_without(choice, texts, budget) for choice in CHOICES]
    return Ablations(
        target=TARGET,
        budget=budget,
        time_to_loss=[time_to_loss(choice, char) for choice in CHOICES],
        bits_per_byte=tables,
    )
