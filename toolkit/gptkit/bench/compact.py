"""Time a training step on GPT-2's ids, with the compact softmax and with the full one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from gptkit.bench.measure import Measurement, alternate
from gptkit.data.corpus import load_corpus
from gptkit.data.encoding import encode_corpus
from gptkit.data.id_array import IdArray
from gptkit.engines.process_memory import keep_freed_memory
from gptkit.models import Decoder, build_model
from gptkit.plan.matching import Request, match_bytes
from gptkit.plan.recipes import decoder
from gptkit.train.optim import make_optimizers
from gptkit.train.step import batches_of, take_step

MAX_DIFFERENCE = 1e-4  # nats: the losses of both, which are the same function in exact arithmetic


def plain_nll(weight: Tensor, x: Tensor, targets: Tensor) -> Tensor:
    """Compute PyTorch's cross-entropy over every id: x (B, T, C), targets (B, T) -> (B, T)."""
    logits = F.linear(x, weight).flatten(0, -2)  # (B T, V)
    return F.cross_entropy(logits, targets.flatten(), reduction="none").view_as(targets)


def measure(rounds: int, *, steps: int = 10) -> list[Measurement]:
    """Time the default decoder's step in `gptkit compare`, on the same batches each round."""
    keep_freed_memory()
    corpus = encode_corpus(load_corpus(), "gpt2")
    V = corpus.tokenizer.vocab_size
    recipe = decoder()
    request = Request(recipes={"decoder": recipe}, seeds=(0,))
    (arm,) = match_bytes({"gpt2": corpus}, request).arms
    cpu = torch.device("cpu")
    batches = list(islice(batches_of(corpus.train, arm.schedule, cpu), steps))

    losses: dict[str, list[float]] = {"dense": [], "compact": []}

    def trainer(name: str, ids: IdArray) -> Callable[[], None]:
        model = build_model(
            arm.model, block_size=arm.schedule.block_size, vocab_size=V, train_ids=ids, seed=0
        )
        if name == "dense":
            assert isinstance(model, Decoder)
            model.head.nll = partial(plain_nll, model.head.weight)  # type: ignore[method-assign]
        optimizers = make_optimizers(model, recipe.optim)

        def train() -> None:
            for batch in batches:
                pair = batch.ids, batch.targets
                loss = take_step(model, optimizers, *pair, config=recipe.optim)
                losses[name].append(loss.item())

        return train

    measured = alternate(
        trainer("dense", np.arange(V)), trainer("compact", corpus.train.ids), rounds=rounds
    )
    first = zip(losses["dense"][:steps], losses["compact"][:steps], strict=True)
    assert max(abs(a - b) for a, b in first) < MAX_DIFFERENCE
    return [
        Measurement(
            name="compact",
            what=f"{steps} decoder steps on GPT-2 ids, compact softmax, same losses",
            against=f"the dense {V:,}-way softmax",
            goal=4,
            rounds=measured,
        )
    ]
