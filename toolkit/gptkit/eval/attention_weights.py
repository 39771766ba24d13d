"""Read the attention weights of a trained model."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gptkit.errors import ConfigError
from gptkit.models import Model
from gptkit.models.attention import ATTENTION


@torch.no_grad()
def attention_weights(model: Model, ids: Tensor) -> Tensor:
    """Return the attention weights of every head of every block: ids (T,) -> (L, H, T, T).

    Row i has the weights of position i on all positions. It sums to one, and is 0 after i.

    Raises:
        ConfigError: a model without attention, or more ids than the model's window holds.
    """
    kinds = tuple(ATTENTION.values())
    attentions = [module for module in model.modules() if isinstance(module, kinds)]
    if not attentions:
        raise ConfigError("the model has no attention. Give the run of a decoder.")
    if len(ids) > model.block_size:
        raise ConfigError(
            f"{len(ids)} tokens do not fit in the model's window of {model.block_size}.\n"
            "Give a shorter text."
        )
    found: list[Tensor] = []

    def keep_weights(attention: Any, inputs: tuple[Any, ...]) -> None:
        x, rotary, _ = inputs
        found.append(attention.weights(x, rotary)[0])

    hooks = [module.register_forward_pre_hook(keep_weights) for module in attentions]
    was_training = model.training
    model.eval()
    try:
        model.nll(ids.unsqueeze(0), ids.unsqueeze(0))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return torch.stack(found)
