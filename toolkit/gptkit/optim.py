"""Parameter groups, the learning-rate schedule, gradient clipping, and Muon in float32."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gptkit.config import TrainConfig
from gptkit.models import Model

# The quintic's coefficients and the scaling of the update are Keller Jordan's: "Muon: An optimizer
# for hidden layers in neural networks", 2024.
_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonalise(matrices: Tensor, steps: int = 5) -> Tensor:
    """About U Vᵀ of each matrix's singular value decomposition: (N, R, C) -> (N, R, C).

    Newton–Schulz iterations, batched over equal shapes, in the matrices' own precision. The
    singular values land near 1, between about 0.7 and 1.2, which is all Muon needs.
    """
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = matrices if wide else matrices.mT
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=_B, alpha=_C), x, beta=_A)
    return x if wide else x.mT


class Optimizer(Protocol):
    """What training needs of an optimiser: groups with a "lr", and two methods."""

    param_groups: list[dict[str, Any]]

    def step(self) -> Any: ...

    def zero_grad(self) -> None: ...


class Muon:
    """Momentum whose update is made orthogonal, for hidden matrices; in float32.

    `torch.optim.Muon` is the same rule, but orthogonalises in bfloat16. A CPU without bf16 units
    has to emulate it: 60 times slower than float32 where it was measured, with AVX2 alone (900 ms
    against 15 ms for one step of a four-layer decoder of width 128). So here the iterations run
    in float32, all matrices of one shape together, and every CPU gets the same numbers at about
    the speed of the bfloat16 of those that have it. On a GPU with native bf16,
    `make_optimizers` takes PyTorch's.

    Keller Jordan, "Muon: An optimizer for hidden layers in neural networks", 2024.
    """

    def __init__(self, params: Iterable[nn.Parameter], *, lr: float, momentum: float = 0.95):
        self.momentum = momentum
        self.param_groups: list[dict[str, Any]] = [{"params": list(params), "lr": lr}]
        self._by_shape: defaultdict[torch.Size, list[tuple[nn.Parameter, Tensor]]]
        self._by_shape = defaultdict(list)  # each matrix with its running mean gradient
        for p in self.param_groups[0]["params"]:
            self._by_shape[p.shape].append((p, torch.zeros_like(p)))

    @torch.no_grad()
    def step(self) -> None:
        for (rows, columns), members in self._by_shape.items():
            nesterov = []
            for p, mean in members:
                assert p.grad is not None
                mean.lerp_(p.grad, 1 - self.momentum)
                nesterov.append(p.grad.lerp(mean, self.momentum))
            lr = self.param_groups[0]["lr"] * math.sqrt(max(1, rows / columns))
            updates = orthogonalise(torch.stack(nesterov))
            for (p, _), update in zip(members, updates, strict=True):
                p.add_(update, alpha=-lr)

    def zero_grad(self) -> None:
        for p in self.param_groups[0]["params"]:
            p.grad = None


def bf16_is_native(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def make_optimizers(model: Model, config: TrainConfig) -> list[Optimizer]:
    """AdamW for embeddings, head and scalars; Muon for the body's matrices if it has a rate."""
    hidden = []
    if config.muon_learning_rate is not None:
        hidden = [p for n, p in model.named_parameters() if n.startswith("blocks.") and p.ndim == 2]
    muon = {id(p) for p in hidden}
    kept: list[nn.Parameter] = []
    decayed: list[nn.Parameter] = []
    for name, p in model.named_parameters():
        if id(p) not in muon:
            (kept if name.startswith(("embedding.", "position.")) else decayed).append(p)
    groups = [
        {"params": kept, "weight_decay": 0.0},
        {"params": decayed, "weight_decay": config.weight_decay},
    ]
    optimizers: list[Optimizer] = [
        torch.optim.AdamW(
            [g for g in groups if g["params"]],
            lr=config.learning_rate,
            betas=config.betas,
            fused=True,
        )
    ]
    if hidden:
        assert config.muon_learning_rate is not None
        if bf16_is_native(hidden[0].device):
            optimizers.append(
                torch.optim.Muon(hidden, lr=config.muon_learning_rate, weight_decay=0.0)
            )
        else:
            optimizers.append(Muon(hidden, lr=config.muon_learning_rate))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
    return optimizers


def rate_at(step: int, done: float, config: TrainConfig) -> float:
    """The fraction of the peak learning rate at a step.

    Args:
        step: counted from 0.
        done: the part of the training, in steps or in seconds, that lies before it.

    >>> config = TrainConfig(learning_rate=1.0, steps=8, warmup_steps=2, decay_fraction=0.5)
    >>> [rate_at(step, step / 8, config) for step in range(8)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]
    """
    rate = min(1.0, (step + 1) / config.warmup_steps) if config.warmup_steps else 1.0
    if config.decay_fraction is not None:
        rate = min(rate, (1 - done) / config.decay_fraction)
    return rate


@torch.no_grad()
def clip_gradients(model: Model, max_norm: float) -> None:
    """Scale all gradients so that their norm, counted as in the dense model, is at most max_norm.

    An entry of the compact softmax that stands for m of the dense model's counts m times.
    """
    copies = model.gradient_copies()
    gradients = [(p.grad, copies.get(p)) for p in model.parameters() if p.grad is not None]
    squares = [(g.square() if m is None else g.square() * m).sum() for g, m in gradients]
    scale = (max_norm / torch.stack(squares).sum().sqrt().clamp(min=1e-12)).clamp(max=1.0)
    for gradient, _ in gradients:
        gradient.mul_(scale)
