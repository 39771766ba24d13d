"""The models by architecture, and a function that builds one for a training text."""

from __future__ import annotations

import torch

from gptkit.config import ModelConfig
from gptkit.data.id_array import IdArray
from gptkit.models.bigram import Bigram
from gptkit.models.decoder import Decoder
from gptkit.models.protocol import Model, ParamCounts

MODELS: dict[str, type[Model]] = {"bigram": Bigram, "decoder": Decoder}

__all__ = ["MODELS", "Bigram", "Decoder", "Model", "ParamCounts", "build_model"]


def build_model(
    config: ModelConfig, *, block_size: int, vocab_size: int, train_ids: IdArray, seed: int
) -> Model:
    """Build a fresh model for a training text's ids (N,); torch's random state does not change."""
    model = MODELS[config.architecture]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        support = model.find_support(train_ids, vocab_size)
        return model(config, vocab_size, support, block_size=block_size)
