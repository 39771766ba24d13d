"""Time the generation of 512 tokens, with a cache of keys and values."""

from __future__ import annotations

from itertools import islice

import numpy as np
import torch

from gptkit.bench.measure import Measurement, alternate
from gptkit.config import ModelConfig
from gptkit.eval.sampling import draw, generate
from gptkit.models import Model, build_model

VOCAB_SIZE, BLOCK_SIZE = 65, 256


@torch.inference_mode()
def recompute(model: Model, n: int) -> list[int]:
    """Generate n ids; each reads the whole window again."""
    generator = torch.Generator().manual_seed(0)
    ids = [0]
    for _ in range(n):
        log_probs = model.next_log_probs(torch.tensor([ids[-BLOCK_SIZE:]]))[0]
        ids.append(draw(log_probs, temperature=1.0, top_k=None, generator=generator))
    return ids[1:]


def measure(rounds: int, *, n_tokens: int = 512) -> list[Measurement]:
    """Time a decoder of four layers, width 128 and block size 256, over characters."""
    model = build_model(
        ModelConfig(n_layer=4, n_head=4, n_hidden=None),
        block_size=BLOCK_SIZE,
        vocab_size=VOCAB_SIZE,
        train_ids=np.arange(VOCAB_SIZE),
        seed=0,
    ).eval()
    return [
        Measurement(
            name="generate",
            what=f"cached generation, {n_tokens} tokens, block {BLOCK_SIZE}",
            against="recomputing the window each token",
            goal=5,
            rounds=alternate(
                lambda: recompute(model, n_tokens),
                lambda: list(islice(generate(model, [0]), n_tokens)),
                rounds=rounds,
            ),
        )
    ]
