"""The lecture's trick, computed: means of what came before as one masked softmax; and the weights
that a trained model's attention has put in their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from gptkit.errors import ConfigError
from gptkit.models import Decoder, Model
from gptkit.models.attention import ATTENTION


@dataclass(frozen=True)
class Toy:
    """The 3 x 3 example: `c` = `a` @ `b`; `means` are of the first 1, 2 and 3 rows of `b`."""

    a: Tensor
    b: Tensor
    c: Tensor
    means: Tensor


def toy() -> Toy:
    """Means of rows as a product with a lower-triangular matrix, from seed 42.

    >>> [[round(x, 4) for x in row] for row in toy().c.tolist()]
    [[2.0, 7.0], [4.0, 5.5], [4.6667, 5.3333]]
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(42)
        a = torch.tril(torch.ones(3, 3))
        a = a / a.sum(1, keepdim=True)
        b = torch.randint(0, 10, (3, 2)).float()
    return Toy(a, b, a @ b, torch.stack([b[: i + 1].mean(0) for i in range(3)]))


@dataclass(frozen=True)
class Batch:
    """Three ways to the same means over a batch x (B, T, C).

    Attributes:
        by_loop, by_product, by_softmax: (B, T, C) each.
        weights: (T, T), the softmax's.
    """

    x: Tensor
    by_loop: Tensor
    by_product: Tensor
    by_softmax: Tensor
    weights: Tensor

    @property
    def largest_difference(self) -> float:
        """Between any two of the three, over all entries."""
        three = torch.stack([self.by_loop, self.by_product, self.by_softmax])
        return float((three.amax(0) - three.amin(0)).max())


def batch() -> Batch:
    """B, T, C = 4, 8, 32 from seed 1337: a loop of means, a product, a masked softmax."""
    B, T, C = 4, 8, 32
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1337)
        x = torch.randn(B, T, C)
    by_loop = torch.empty(B, T, C)
    for b in range(B):
        for t in range(T):
            by_loop[b, t] = x[b, : t + 1].mean(0)  # (C,)
    tril = torch.tril(torch.ones(T, T))
    triangle = tril / tril.sum(1, keepdim=True)
    scores = torch.zeros(T, T).masked_fill(tril == 0, -torch.inf)
    weights = F.softmax(scores, dim=-1)
    return Batch(x, by_loop, triangle @ x, weights @ x, weights)


@torch.no_grad()
def attention_weights(model: Model, ids: Tensor) -> Tensor:
    """How much of each token every head of every block mixes in: ids (T,) -> (L, H, T, T).

    Row i says what position i attends to, and sums to one; what comes after i has none.

    Raises:
        ConfigError: a bigram, or more ids than the model's window holds.
    """
    if not isinstance(model, Decoder):
        raise ConfigError("a bigram attends to nothing. Give the run of a decoder.")
    if len(ids) > model.config.block_size:
        raise ConfigError(
            f"{len(ids)} tokens do not fit in the model's window of {model.config.block_size}.\n"
            "Give a shorter text."
        )
    found: list[Tensor] = []

    def hear(attention: Any, inputs: tuple[Any, ...]) -> None:
        x, rotary, _ = inputs
        found.append(attention.weights(x, rotary)[0])

    kinds = tuple(ATTENTION.values())
    hooks = [m.register_forward_pre_hook(hear) for m in model.modules() if isinstance(m, kinds)]
    was_training = model.training
    model.eval()
    try:
        model.hidden(ids.unsqueeze(0))
    finally:
        model.train(was_training)
        for hook in hooks:
            hook.remove()
    return torch.stack(found)
