"""The models, by architecture, and how one is built from a training text."""

from __future__ import annotations

import numpy as np
import torch

from gptkit.config import ModelConfig
from gptkit.models.bigram import Bigram
from gptkit.models.decoder import Decoder

Model = Bigram | Decoder
MODELS: dict[str, type[Bigram] | type[Decoder]] = {"bigram": Bigram, "decoder": Decoder}

__all__ = ["MODELS", "Bigram", "Decoder", "Model", "build_model"]


def build_model(config: ModelConfig, *, vocab_size: int, train_ids: np.ndarray, seed: int) -> Model:
    """A fresh model for a training text's ids (N,); torch's random state is left as it was."""
    model = MODELS[config.architecture]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return model(config, vocab_size, model.find_support(train_ids, vocab_size))
