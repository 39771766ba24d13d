"""Time the loss of the whole validation text, every byte once."""

from __future__ import annotations

import numpy as np
import torch

from gptkit.bench.measure import Measurement, alternate
from gptkit.config import ModelConfig
from gptkit.data.batches import make_batch
from gptkit.data.corpus import load_corpus
from gptkit.data.encoding import encode_corpus
from gptkit.eval.evaluation import evaluate
from gptkit.models import build_model

BLOCK_SIZE, BATCH_SIZE, BATCHES = 64, 12, 200


def measure(rounds: int) -> list[Measurement]:
    """Time a decoder of four layers, width 128 and block size 64, over characters."""
    corpus = encode_corpus(load_corpus(), "char")
    model = build_model(
        ModelConfig(n_layer=4, n_head=4, n_hidden=None),
        block_size=BLOCK_SIZE,
        vocab_size=corpus.tokenizer.vocab_size,
        train_ids=corpus.train.ids,
        seed=0,
    ).eval()

    @torch.no_grad()
    def random_batches() -> float:
        rng = np.random.default_rng(0)
        losses = []
        for _ in range(BATCHES):
            starts = rng.integers(0, len(corpus.val.ids) - BLOCK_SIZE, size=BATCH_SIZE)
            ids, targets = make_batch(
                corpus.val.ids, starts, block_size=BLOCK_SIZE, device=torch.device("cpu")
            )
            losses.append(model.nll(ids, targets).mean().item())
        return float(np.mean(losses))

    return [
        Measurement(
            name="sweep",
            what="full validation sweep, exact",
            against=f"the lecture's {BATCHES} random batches, {BATCH_SIZE} windows of {BLOCK_SIZE}",
            goal=1,
            rounds=alternate(
                random_batches,
                lambda: evaluate(model, corpus.val, before=corpus.train.ids),
                rounds=rounds,
            ),
        )
    ]
