"""What each choice of the recipe `fast` is worth: without it, the time to a loss, and losses."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from gptkit.bench.time_to_loss import TARGET, Configs, ours, trained
from gptkit.config import ModelConfig, TrainConfig
from gptkit.data.corpus import load_corpus
from gptkit.data.encoding import EncodedCorpus, encode_corpus
from gptkit.plan.matching import Request, match_bytes
from gptkit.plan.recipes import fast

# Each choice with what takes it out. AdamW alone diverges at Muon's rates: it has 3e-3.
CHOICES: dict[str, dict[str, Any]] = {
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
LONGEST = 1500  # steps, after which a loss counts as out of reach
GROWTH = 1.25


def without(choice: str, configs: Configs) -> Configs:
    model, training = configs
    off = CHOICES[choice]
    of_model = {k: v for k, v in off.items() if k in ModelConfig.__dataclass_fields__}
    of_training = {k: v for k, v in off.items() if k in TrainConfig.__dataclass_fields__}
    return replace(model, **of_model), replace(training, **of_training)


def time_to_loss(
    choice: str, corpus: EncodedCorpus, *, target: float = TARGET, first: int = 60
) -> dict[str, Any]:
    """The shortest training, of lengths that grow by a quarter, that ends at the target."""
    steps = first
    while True:
        configs = without(choice, ours(fast(), steps=steps, batch_size=16))
        seconds, found = trained(configs, corpus, seed=0)
        reached = found.nats_per_char <= target
        if reached or steps * GROWTH > LONGEST:
            return {"without": choice, "steps": steps, "seconds": seconds, "reached": reached}
        steps = math.ceil(steps * GROWTH)


def bits_per_byte(choice: str, encoded: dict[str, EncodedCorpus], budget: str) -> dict[str, Any]:
    """Each tokenizer's, as `gptkit compare` trains `fast`, without the choice."""
    asked = Request(recipes={"fast": replace(fast(), budget=budget)}, seeds=(0,))
    row: dict[str, Any] = {"without": choice}
    for arm in match_bytes(encoded, asked).arms:
        configs = without(choice, (arm.model, replace(arm.train, evaluations=1)))
        row[arm.tokenizer] = trained(configs, encoded[arm.tokenizer], seed=0)[1].bits_per_byte
    return row


def measure(*, budget: str = "300KB") -> dict[str, Any]:
    """Rows for both, on tiny Shakespeare; the second on the interpreter's own docs as well."""
    char = encode_corpus(load_corpus(), "char")
    tables = {}
    for data in ("tinyshakespeare", "python-docs"):
        corpus = load_corpus(data)
        encoded = {spec: encode_corpus(corpus, spec) for spec in ("char", "gpt2")}
        tables[data] = [bits_per_byte(choice, encoded, budget) for choice in CHOICES]
    return {
        "target": TARGET,
        "budget": budget,
        "time_to_loss": [time_to_loss(choice, char) for choice in CHOICES],
        "bits_per_byte": tables,
    }
