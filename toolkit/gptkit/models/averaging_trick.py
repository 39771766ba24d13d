"""The lecture's averaging trick: running means as a matrix product, and as a masked softmax."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor


@dataclass(frozen=True)
class Toy:
    """The 3 x 3 example.

    Attributes:
        c: a @ b.
        means: the means of the first 1, 2 and 3 rows of b.
    """

    a: Tensor
    b: Tensor
    c: Tensor
    means: Tensor


def toy() -> Toy:
    """Compute means of rows by a product with a lower-triangular matrix, from seed 42.

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
    """Three ways to compute the same means over a batch x (B, T, C).

    Attributes:
        by_loop, by_product, by_softmax: (B, T, C) each.
        weights: (T, T), the weights from the softmax.
    """

    x: Tensor
    by_loop: Tensor
    by_product: Tensor
    by_softmax: Tensor
    weights: Tensor

    @property
    def largest_difference(self) -> float:
        """The largest difference between any two of the three, over all entries."""
        three = torch.stack([self.by_loop, self.by_product, self.by_softmax])
        return float((three.amax(0) - three.amin(0)).max())


def batch() -> Batch:
    """Compute the means of a batch (4, 8, 32) from seed 1337 by a loop, a product and a softmax."""
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
