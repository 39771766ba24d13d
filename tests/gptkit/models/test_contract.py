"""The contract suite: every model in `MODELS` does what `gptkit.models.Model` says.

A new architecture gets these tests by being added to `MODELS`.
"""

import numpy as np
import pytest
import torch

from gptkit.config import ModelConfig
from gptkit.models import MODELS, build_model

V, B, T = 40, 3, 12
RNG = np.random.default_rng(0)
TRAIN = RNG.integers(0, 25, size=500).astype(np.uint8)  # 15 ids unused
EVERY_ID = np.concatenate([RNG.permutation(V) for _ in range(10)]).astype(np.uint8)

VARIANTS = {
    "default": {},
    "biases": {"norm": "layer", "positions": "learned", "bias": True, "dropout": 0.1},
    "gains": {"norm": "rms_gain", "activation": "swiglu"},
    "n-grams": {"ngram_rows": 64, "token_shift": True},
    "average": {
        "attention": "average",
        "residual": False,
        "norm": None,
        "positions": "learned",
        "n_hidden": 16,
        "activation": "relu",
        "init": "torch",
    },
}
GROUPS = {"matrices", "embedding", "positions", "vectors", "other"}


@pytest.fixture(params=VARIANTS)
def variant(request):
    return VARIANTS[request.param]


@pytest.fixture(params=MODELS)
def config(request, variant):
    small = {"n_layer": 2, "n_head": 2, "n_embd": 16, "n_hidden": 24}
    return ModelConfig(architecture=request.param, **(small | variant))


def build(config, *, train_ids=TRAIN):
    return build_model(config, block_size=T, vocab_size=V, train_ids=train_ids, seed=0)


def build_trained(config, *, train_ids=TRAIN):
    """A model with no parameter at its initial value, in float64."""
    model = build(config, train_ids=train_ids).double().eval()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.3)
    return model


def test_a_model_keeps_its_sizes(config):
    model = build(config)
    assert (model.block_size, model.vocab_size) == (T, V)


@pytest.mark.parametrize("length", [1, T])
def test_nll_has_a_loss_for_each_target(config, length):
    ids, targets = torch.randint(0, V, (2, B, length))
    nll = build_trained(config).nll(ids, targets)
    assert nll.shape == (B, length)
    assert (nll >= 0).all()
    assert nll.std() > 0.01  # the targets are told apart


@pytest.mark.parametrize("length", [1, T])
def test_next_log_probs_sum_to_one(config, length):
    model = build_trained(config)
    ids = torch.randint(0, V, (B, length))
    log_probs = model.next_log_probs(ids)
    assert log_probs.shape == (B, V)
    # float64 rounding of a sum of V exponentials
    assert torch.allclose(log_probs.exp().sum(1), torch.ones(B).double(), rtol=1e-12)


def test_the_losses_of_all_targets_are_a_distribution(config):
    model = build_trained(config)
    ids = torch.randint(0, V, (1, T)).expand(V, T)
    targets = torch.arange(V)[:, None].expand(V, T)
    total = (-model.nll(ids, targets)).exp().sum(0)  # (T,)
    assert torch.allclose(total, torch.ones(T).double(), rtol=1e-12)


def test_parameter_groups_have_every_parameter_once(config):
    model = build(config)
    groups = model.parameter_groups()
    grouped = [id(p) for group in groups.values() for p in group]
    assert sorted(grouped) == sorted(id(p) for p in model.parameters())
    assert groups.keys() <= GROUPS
    assert all(p.ndim == 2 for p in groups.get("matrices", []))  # Muon orthogonalises matrices
    assert all(p.ndim == 1 for p in groups.get("vectors", []))


def test_count_params_are_num_params(config):
    counts = MODELS[config.architecture].count_params(config, vocab_size=V, block_size=T)
    assert build(config).num_params() == counts
    assert counts.total == counts.embedding + counts.body + counts.head


def test_count_params_are_those_of_the_built_model(config):
    # Each entry counts as many times as the dense model has it. The text uses every id, because
    # the embedding's rows of unused ids are not parameters.
    model = build(config, train_ids=EVERY_ID)
    copies = model.gradient_copies()
    built = sum(
        int(copies[p].expand_as(p).sum()) if p in copies else p.numel() for p in model.parameters()
    )
    counts = type(model).count_params(config, vocab_size=V, block_size=T)
    assert built == counts.total


def test_every_parameter_gets_a_gradient(config):
    model = build_trained(config)
    ids, targets = (torch.from_numpy(TRAIN[i : i + 8 * T].astype(np.int64)) for i in (0, 1))
    model.nll(ids.view(8, T), targets.view(8, T)).mean().backward()
    without = [name for name, p in model.named_parameters() if p.grad is None]
    assert without == []


def test_a_cache_changes_no_probability(config):
    model = build_trained(config)
    ids = torch.randint(0, V, (B, T))
    cache = model.new_cache()
    model.next_log_probs(ids[:, :5], cache)
    for i in range(5, T):
        cached = model.next_log_probs(ids[:, i : i + 1], cache)
        assert torch.allclose(cached, model.next_log_probs(ids[:, : i + 1]), rtol=1e-9)
