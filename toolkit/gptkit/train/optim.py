"""Parameter groups, the learning-rate schedule, gradient clipping, and Muon in batches."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from inspect import unwrap

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from gptkit.config import OptimConfig
from gptkit.models import Model

# a, b, c of each iteration x -> a x + b x³ + c x⁵, optimal for singular values from 0.001 to 1.
# Amsel et al., "The Polar Express", 2025. They divide the input and the output of every iteration
# by 1.01, so that rounding cannot push a value out of the range.
POLAR_EXPRESS = (
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
)


def orthogonalise(matrices: Tensor, iterations: int = 5) -> Tensor:
    """Return about U Vᵀ of each matrix's singular value decomposition: (N, R, C) -> (N, R, C).

    At most five Polar Express iterations (`POLAR_EXPRESS`), in the matrices' own precision. After
    three iterations, singular values above 0.001 of the norm are between 0.13 and 1.87; after
    five, between 0.87 and 1.13.

    bfloat16 is too coarse: the first iteration gives singular values of up to 2, where the second
    one multiplies an error by 12.
    """
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x = matrices if wide else matrices.mT
    norm = x.square().sum(-1, keepdim=True).sum(-2, keepdim=True).sqrt()
    x = x / (1.01 * norm + 1e-7)
    for a, b, c in POLAR_EXPRESS[:iterations]:
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x if wide else x.mT


class EagerOptimizer(Optimizer):
    """An optimizer that does not import PyTorch's compiler, which takes 1.5 seconds.

    PyTorch keeps its compiler out of these methods by wrappers, which import it.
    """

    add_param_group = unwrap(Optimizer.add_param_group)
    state_dict = unwrap(Optimizer.state_dict)
    load_state_dict = unwrap(Optimizer.load_state_dict)
    zero_grad = unwrap(Optimizer.zero_grad)


class AdamW(EagerOptimizer, torch.optim.AdamW):
    """PyTorch's AdamW, see `EagerOptimizer`."""

    step = torch.no_grad()(unwrap(torch.optim.AdamW.step))


class Muon(EagerOptimizer):
    """Muon in batches: momentum with an orthogonal update, for the matrices of the body.

    `torch.optim.Muon` is the same rule, but it orthogonalises in bfloat16. A CPU without bf16
    units must emulate that, which was 60 times slower than float32 on a CPU with AVX2 alone
    (900 ms against 15 ms for one step of a four-layer decoder of width 128). Here the iterations
    run in float32, for all matrices of one shape together. Every CPU gets the same numbers, at
    about the speed of bfloat16 on a CPU with bf16 units. On a GPU, a few trainings in a hundred
    ended far off when these iterations ran in bfloat16.

    Keller Jordan, "Muon: An optimizer for hidden layers in neural networks", 2024.
    """

    def __init__(
        self,
        params: Iterable[nn.Parameter],
        *,
        lr: float,
        momentum: float = 0.95,
        iterations: int = 5,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "iterations": iterations})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # of no use here
        """Update all matrices; each must have a gradient."""
        for group in self.param_groups:
            by_shape: defaultdict[torch.Size, list[nn.Parameter]] = defaultdict(list)
            for p in group["params"]:
                by_shape[p.shape].append(p)
            for (rows, columns), members in by_shape.items():
                nesterov = [self._nesterov(p, group["momentum"]) for p in members]
                lr = group["lr"] * math.sqrt(max(1, rows / columns))
                updates = orthogonalise(torch.stack(nesterov), group["iterations"])
                for p, update in zip(members, updates, strict=True):
                    if isinstance(lr, Tensor):  # on a GPU, whose graph reads it at each step
                        p.sub_(update * lr)
                    else:
                        p.add_(update, alpha=-lr)

    def _nesterov(self, p: nn.Parameter, momentum: float) -> Tensor:
        assert p.grad is not None
        state = self.state[p]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(p)
        mean = state["momentum_buffer"].lerp_(p.grad, 1 - momentum)
        return p.grad.lerp(mean, momentum)


def bf16_is_native(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)


def make_optimizers(model: Model, config: OptimConfig) -> list[Optimizer]:
    """Make AdamW for all parameters, and Muon for the body's matrices if it has a learning rate."""
    device = next(model.parameters()).device
    on_gpu = device.type == "cuda"
    groups = model.parameter_groups()
    muon = groups.pop("matrices", []) if config.muon_learning_rate is not None else []
    embedding, positions = groups.pop("embedding", []), groups.pop("positions", [])
    vectors = groups.pop("vectors", []) if muon else []
    decayed = [p for group in groups.values() for p in group]
    adamw_groups = [
        {
            "params": embedding,
            "lr": config.embedding_learning_rate or config.learning_rate,
            "weight_decay": 0.0,
        },
        {"params": positions + vectors, "weight_decay": 0.0},
        {"params": decayed, "weight_decay": config.weight_decay},
    ]
    optimizers: list[Optimizer] = [
        AdamW(
            [group for group in adamw_groups if group["params"]],
            lr=config.learning_rate,
            betas=config.betas,
            fused=True,
            capturable=on_gpu,
        )
    ]
    if muon:
        optimizers.append(_make_muon(muon, config))
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["peak"] = group["lr"]
            if on_gpu:
                group["lr"] = torch.tensor(group["lr"], device=device)
    return optimizers


def _make_muon(matrices: list[nn.Parameter], config: OptimConfig) -> Optimizer:
    assert config.muon_learning_rate is not None
    on_gpu = bf16_is_native(matrices[0].device)
    return Muon(
        matrices,
        lr=config.muon_learning_rate,
        momentum=config.muon_momentum,
        iterations=len(POLAR_EXPRESS) if on_gpu else config.muon_iterations,
    )


@torch.no_grad()
def clip_gradients(model: Model, max_norm: float) -> None:
    """Scale all gradients so that the norm of the dense model's gradient is at most max_norm.

    An entry of the compact softmax that stands for m dense entries counts m times.
    """
    copies = model.gradient_copies()
    gradients = [(p.grad, copies.get(p)) for p in model.parameters() if p.grad is not None]
    squares = [(g.square() if m is None else g.square() * m).sum() for g, m in gradients]
    scale = (max_norm / torch.stack(squares).sum().sqrt().clamp(min=1e-12)).clamp(max=1.0)
    torch._foreach_mul_([gradient for gradient, _ in gradients], scale)
