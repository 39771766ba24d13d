import pytest
import torch

from gptkit.config import ModelConfig, TrainConfig
from gptkit.models import Decoder
from gptkit.optim import _A, _B, _C, Muon, make_optimizers, orthogonalise


@pytest.mark.parametrize("shape", [(3, 6, 6), (2, 4, 10), (2, 10, 4)])
def test_newton_schulz_acts_on_the_singular_values_alone(shape):
    # Applied to U S Vᵀ an odd matrix polynomial gives U p(S) Vᵀ: five times the quintic, after
    # scaling by the Frobenius norm. Exact in exact arithmetic, so float64 rounding is the bound.
    matrices = torch.randn(shape, dtype=torch.float64)
    u, s, vt = torch.linalg.svd(matrices, full_matrices=False)
    s = s / matrices.norm(dim=(-2, -1)).unsqueeze(-1)
    for _ in range(5):
        s = _A * s + _B * s**3 + _C * s**5
    assert torch.allclose(orthogonalise(matrices), u * s.unsqueeze(-2) @ vt, atol=1e-10)


def test_muon_is_pytorchs_rule():
    # PyTorch's iterates in bfloat16, with 8 bits of precision: the updates may differ by a few
    # hundredths of their size, and by no more.
    start = torch.randn(16, 8)
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    a = Muon([ours], lr=0.1)
    b = torch.optim.Muon([theirs], lr=0.1, weight_decay=0.0)
    for seed in range(3):
        gradient = torch.randn(16, 8, generator=torch.Generator().manual_seed(seed))
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        a.step()
        b.step()
    moved = (theirs - start).norm()
    assert (ours - theirs).norm() < 0.05 * moved


def test_groups():
    model = Decoder(ModelConfig(block_size=4, n_embd=8, n_head=2), 20, torch.arange(5))
    adamw, muon = make_optimizers(
        model, TrainConfig(learning_rate=0.1, muon_learning_rate=0.2, weight_decay=0.3)
    )
    kept, decayed = adamw.param_groups
    assert [p is model.embedding.weight for p in kept["params"]] == [True]
    assert kept["weight_decay"] == 0
    assert [p is model.head.weight for p in decayed["params"]] == [True]
    assert decayed["weight_decay"] == 0.3
    assert {id(p) for p in muon.param_groups[0]["params"]} == {
        id(p) for p in model.blocks.parameters()
    }
    (alone,) = make_optimizers(model, TrainConfig(learning_rate=0.1))
    assert sum(len(g["params"]) for g in alone.param_groups) == len(list(model.parameters()))
