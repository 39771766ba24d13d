"""The processes that train one arm together, and what they add up.

Every process has the whole model, and computes its share of the windows. Sums over all of them are
divided by the number of all tokens, never means of means: shares may have unequal lengths.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Group:
    """A process's place among those that train together; by default it is alone.

    Attributes:
        rank: its number, from 0. Process 0 writes, prints and decides.
        size: how many processes there are.
        device: where tensors are added up.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = torch.device("cpu")

    def share(self, items: np.ndarray) -> np.ndarray:
        """Return this process's part of what all processes know.

        >>> [Group(rank, 2).share(np.arange(5)).tolist() for rank in (0, 1)]
        [[0, 2, 4], [1, 3]]
        """
        return items[self.rank :: self.size]

    def add(self, tensor: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes, which each of them gets."""
        if self.size == 1:
            return tensor
        total = tensor.to(self.device)
        torch.distributed.all_reduce(total)
        return total.to(tensor.device)

    def add_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Replace each gradient by its sum over all processes, in one message."""
        if self.size == 1:
            return
        found = list(parameters)
        for p in found:
            if p.grad is None:
                p.grad = torch.zeros_like(p)
        gradients = [p.grad for p in found if p.grad is not None]
        total = self.add(torch.cat([gradient.flatten() for gradient in gradients]))
        parts = total.split([gradient.numel() for gradient in gradients])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))

    def from_first(self, value: Any) -> Any:
        """Return what process 0 gave, in every process."""
        if self.size == 1:
            return value
        values = [value if self.rank == 0 else None]
        torch.distributed.broadcast_object_list(values, src=0, device=self.device)
        return values[0]


ALONE = Group()
