import inspect

import pytest
import torch

from gptkit.config import ModelConfig, OptimConfig
from gptkit.models import Decoder
from gptkit.train.optim import POLAR_EXPRESS, AdamW, Muon, make_optimizers, orthogonalise


@pytest.mark.parametrize("shape", [(3, 6, 6), (2, 4, 10), (2, 10, 4)])
@pytest.mark.parametrize("iterations", [3, 5])
def test_newton_schulz_acts_on_the_singular_values_alone(shape, iterations):
    # Applied to U S Vᵀ an odd matrix polynomial gives U p(S) Vᵀ: one quintic after another, after
    # scaling by the Frobenius norm. Exact in exact arithmetic, so float64 rounding is the bound,
    # and the 1e-7 that keeps a matrix of zeros from division by zero.
    matrices = torch.randn(shape, dtype=torch.float64)
    u, s, vt = torch.linalg.svd(matrices, full_matrices=False)
    s = s / (1.01 * matrices.norm(dim=(-2, -1)).unsqueeze(-1) + 1e-7)
    for a, b, c in POLAR_EXPRESS[:iterations]:
        s = a * s + b * s**3 + c * s**5
    expected = u * s.unsqueeze(-2) @ vt
    assert torch.allclose(orthogonalise(matrices, iterations), expected, atol=1e-10)


@pytest.mark.parametrize(("iterations", "lowest", "highest"), [(3, 0.13, 1.87), (5, 0.87, 1.13)])
def test_singular_values_land_where_the_docstring_says(iterations, lowest, highest):
    # From 0.001 of the norm up, as in the range that the coefficients are the best for.
    values = torch.logspace(-3, 0, 400, dtype=torch.float64)
    matrices = torch.zeros(400, 2, 2, dtype=torch.float64)
    matrices[:, 0, 0], matrices[:, 1, 1] = values, (1 - values**2).clamp(min=0).sqrt()
    landed = orthogonalise(matrices, iterations)[:, 0, 0]
    assert lowest < landed.min() < landed.max() < highest


def test_adamw_is_pytorchs():
    start = torch.randn(16, 8)
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    options = {"lr": 0.1, "betas": (0.9, 0.95), "weight_decay": 0.1, "fused": True}
    optimizers = AdamW([ours], **options), torch.optim.AdamW([theirs], **options)
    for _ in range(3):
        gradient = torch.randn(16, 8)
        for p, optimizer in zip((ours, theirs), optimizers, strict=True):
            p.grad = gradient.clone()
            optimizer.step()
            optimizer.zero_grad()
            assert p.grad is None
        assert torch.equal(ours, theirs)
    state, same = (optimizer.state_dict() for optimizer in optimizers)
    assert state["state"][0].keys() == same["state"][0].keys()
    fresh = AdamW([ours], lr=1.0)
    fresh.load_state_dict(state)
    assert torch.equal(fresh.state[ours]["exp_avg"], optimizers[1].state[theirs]["exp_avg"])
    assert fresh.param_groups[0]["lr"] == 0.1


@pytest.mark.parametrize("ours", [AdamW, Muon])
def test_no_method_is_one_that_imports_the_compiler(ours):
    wrapper = torch._compile.__file__
    wrapped = [
        name
        for name, method in vars(torch.optim.Optimizer).items()
        if inspect.isfunction(method) and method.__code__.co_filename == wrapper
    ]
    assert "load_state_dict" in wrapped
    assert not [name for name in wrapped if hasattr(getattr(ours, name), "__wrapped__")]


def test_muon_is_pytorchs_rule():
    # PyTorch's takes another quintic, whose singular values end between 0.68 and 1.13 (Jordan,
    # 2024), ours between 0.87 and 1.13. Two matrices with the same singular vectors, of which
    # one's values are r = 0.77 to 1.66 times the other's, have a cosine of at least
    # 2 √(r₁ r₂) / (r₁ + r₂) = 0.93 (Kantorovich's inequality), and a ratio of norms within r.
    start = torch.randn(16, 8)
    ours, theirs = torch.nn.Parameter(start.clone()), torch.nn.Parameter(start.clone())
    a = Muon([ours], lr=0.1)
    b = torch.optim.Muon([theirs], lr=0.1, weight_decay=0.0)
    for seed in range(3):
        gradient = torch.randn(16, 8, generator=torch.Generator().manual_seed(seed))
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        a.step()
        b.step()
        mine, other = (ours - start).flatten(), (theirs - start).flatten()
        assert torch.cosine_similarity(mine, other, dim=0) > 0.93
        assert 0.77 < mine.norm() / other.norm() < 1.66


def test_groups():
    config = ModelConfig(n_embd=8, n_head=2, ngram_rows=64)
    model = Decoder(config, 20, torch.arange(5), block_size=4)
    adamw, muon = make_optimizers(
        model,
        OptimConfig(
            learning_rate=0.1,
            embedding_learning_rate=0.5,
            muon_learning_rate=0.2,
            weight_decay=0.3,
        ),
    )
    kept, decayed = adamw.param_groups
    assert [p is model.embedding.weight for p in kept["params"]] == [True]
    assert (kept["lr"], kept["weight_decay"]) == (0.5, 0)
    assert {id(p) for p in decayed["params"]} == {id(model.head.weight), id(model.ngrams.weight)}
    assert (decayed["lr"], decayed["weight_decay"]) == (0.1, 0.3)
    assert {id(p) for p in muon.param_groups[0]["params"]} == {
        id(p) for p in model.blocks.parameters()
    }
    (alone,) = make_optimizers(model, OptimConfig(learning_rate=0.1))
    assert sum(len(g["params"]) for g in alone.param_groups) == len(list(model.parameters()))


def test_gains_and_biases_decay_only_where_adamw_trains_everything():
    config = ModelConfig(n_embd=8, n_head=2, norm="layer", positions="learned", bias=True)
    model = Decoder(config, 20, torch.arange(5), block_size=4)
    vectors = {id(p) for p in model.parameters() if p.ndim == 1}

    def decay(**rates):
        adamw = make_optimizers(model, OptimConfig(learning_rate=0.1, weight_decay=0.3, **rates))[0]
        return {id(p): g["weight_decay"] for g in adamw.param_groups for p in g["params"]}

    with_muon, alone = decay(muon_learning_rate=0.2), decay()
    assert vectors
    assert {with_muon[p] for p in vectors} == {0.0}
    assert with_muon[id(model.head.weight)] == 0.3
    assert {alone[p] for p in vectors} == {0.3}  # PyTorch's rule, and the lecture's
    for groups in (with_muon, alone):
        assert groups[id(model.position.weight)] == groups[id(model.embedding.weight)] == 0.0
