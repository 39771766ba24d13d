"""The contract suite of the models, and what each alone must keep."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from gptkit.config import ConfigError, ModelConfig
from gptkit.models import MODELS, Decoder, build_model
from gptkit.models.attention import rotary_table, rotate
from gptkit.models.decoder import sinusoids
from gptkit.models.elementwise import SquaredReLU, rms_norm
from gptkit.plan.ladder import ladder
from gptkit.plan.recipes import RECIPES

V, T = 40, 12
TRAIN = np.random.default_rng(0).integers(0, 25, size=500).astype(np.uint8)  # 15 ids unused


def small(name):
    """The model's config of a recipe, or of a stage of the ladder, at a size for tests."""
    if name in RECIPES:
        return replace(RECIPES[name]().model, n_embd=16, n_head=2, n_layer=2)
    model = ladder()[name].model
    return replace(model, n_embd=16, n_hidden=model.n_hidden and 16)


def build(config, *, vocab_size=V, train_ids=TRAIN, seed=0):
    return build_model(config, block_size=T, vocab_size=vocab_size, train_ids=train_ids, seed=seed)


def make(recipe, *, trained=True, train_ids=TRAIN):
    model = build(small(recipe), train_ids=train_ids).double().eval()
    if trained:  # as good as trained: no parameter at its initial value
        with torch.no_grad():
            for p in model.parameters():
                p.add_(torch.randn_like(p) * 0.3)
    return model


ALL = sorted(RECIPES.keys() | ladder().keys() - {"scaled", "today"})  # those are of other names
WITH_CACHE = [name for name in ALL if name not in ("bigram", "large")]


@pytest.fixture(params=ALL)
def recipe(request):
    return request.param


def test_every_architecture_has_a_recipe():
    assert {make().model.architecture for make in RECIPES.values()} == set(MODELS)


def test_an_untrained_model_is_uniform(recipe):
    ids = torch.randint(0, V, (3, T + 1))
    nll = make(recipe, trained=False).nll(ids[:, :-1], ids[:, 1:])
    assert nll.shape == (3, T)
    # float64 rounding of a sum of V exponentials
    assert torch.allclose(nll, torch.full_like(nll, np.log(V)), rtol=1e-14)


def test_next_log_probs_sum_to_one_and_agree_with_nll(recipe):
    model = make(recipe)
    ids = torch.randint(0, V, (3, T))
    log_probs = model.next_log_probs(ids)
    assert log_probs.shape == (3, V)
    assert torch.allclose(log_probs.exp().sum(1), torch.ones(3).double(), rtol=1e-12)
    for i in range(V):
        targets = torch.cat([ids[:, 1:], torch.full((3, 1), i)], dim=1)
        assert torch.allclose(model.nll(ids, targets)[:, -1], -log_probs[:, i], rtol=1e-9)


def test_later_ids_do_not_change_earlier_losses(recipe):
    model = make(recipe)
    ids, targets = torch.randint(0, V, (2, T)), torch.randint(0, V, (2, T))
    before = model.nll(ids, targets)
    ids[:, 7:] = (ids[:, 7:] + 1) % V
    after = model.nll(ids, targets)
    assert torch.equal(before[:, :7], after[:, :7])
    assert not torch.equal(before[:, 7:], after[:, 7:])


def test_num_params_are_the_dense_models(recipe):
    counts = make(recipe).num_params()
    assert counts.total == counts.embedding + counts.body + counts.head
    if recipe == "bigram":
        assert counts.total == torch.nn.Embedding(V, V).weight.numel()
    else:
        everything = np.arange(V, dtype=np.uint8)
        dense = make(recipe, train_ids=everything)
        assert counts.total == sum(p.numel() for p in dense.parameters())


def test_flops_are_those_of_pytorchs_counter(recipe):
    model = make(recipe).float().train()
    model = replace_dropout(model)
    ids = torch.from_numpy(TRAIN[: 4 * T + 1].astype(np.int64))
    x, y = ids[:-1].view(4, T), ids[1:].view(4, T)
    # The fused attention of the CPU is unknown to the counter; the plain products it can count.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model.nll(x, y).mean().backward()
    columns = len(np.unique(TRAIN)) + 1  # the others share one
    per_token = model.flops_per_token(small(recipe), columns=columns, block_size=T)
    assert counter.get_total_flops() == per_token * 4 * T


def test_flops_of_the_full_softmax_are_those_of_a_text_that_uses_every_id():
    config = replace(RECIPES["decoder"]().model, n_embd=16, n_head=2, n_hidden=37)
    model = build(config, train_ids=np.arange(V))
    assert model.num_params().total == sum(p.numel() for p in model.parameters())
    ids = torch.randint(0, V, (4, T))
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model.nll(ids, ids).mean().backward()
    per_token = model.flops_per_token(config, columns=V, block_size=T)
    assert counter.get_total_flops() == per_token * 4 * T


def replace_dropout(model):
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


@pytest.mark.parametrize("recipe", WITH_CACHE)
def test_the_cache_changes_no_logit(recipe):
    model = make(recipe)
    ids = torch.randint(0, V, (2, T))
    cache = model.new_cache()
    for i in range(T):
        # the first three ids at once, as a prompt is read, then one by one
        if i < 2:
            continue
        unread = ids[:, :3] if i == 2 else ids[:, i : i + 1]
        cached = model.next_log_probs(unread, cache)
        assert torch.allclose(cached, model.next_log_probs(ids[:, : i + 1]), rtol=1e-9)


@pytest.mark.parametrize("recipe", WITH_CACHE)
def test_the_cache_takes_several_ids_after_others(recipe):
    model = make(recipe)
    ids = torch.randint(0, V, (2, T))
    cache = model.new_cache()
    model.next_log_probs(ids[:, :4], cache)
    cached = model.next_log_probs(ids[:, 4:9], cache)
    assert torch.allclose(cached, model.next_log_probs(ids[:, :9]), rtol=1e-9)


def test_two_vocabularies_start_from_the_same_body():
    config = ModelConfig(n_embd=16, n_head=2)
    few = build(config, vocab_size=30, seed=4)
    many = build(config, vocab_size=99, seed=4)
    other = build(config, vocab_size=99, seed=5)
    a, b, c = (dict(m.blocks.named_parameters()) for m in (few, many, other))
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert any(not torch.equal(a[name], c[name]) for name in a)


def test_building_a_model_leaves_the_random_state_alone():
    before = torch.get_rng_state()
    make("decoder", trained=False)
    assert torch.equal(before, torch.get_rng_state())


def test_the_lecture_recipe_is_the_lectures():
    model = make("lecture")
    kinds = {type(m).__name__ for m in model.modules()}
    assert "LayerNorm" in kinds
    assert "RMSNorm" not in kinds
    assert model.position.weight.shape == (T, 16)
    assert model.dropout.p == 0.2
    ids = torch.randint(0, 25, (2, T))
    model.train()
    assert not torch.equal(model.nll(ids, ids), model.nll(ids, ids))  # dropout draws


def test_rotary_scores_depend_on_the_distance_alone():
    cos, sin = (t.double() for t in rotary_table(T, 8))
    q, k = torch.randn(8).double(), torch.randn(8).double()
    rows = rotate(q.expand(1, 1, T, 8), cos, sin) @ rotate(k.expand(1, 1, T, 8), cos, sin).mT
    for distance in range(T):
        diagonal = rows[0, 0].diagonal(-distance)
        # the table is float32, whose rounding over T positions is all that may differ
        assert torch.allclose(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-5)


def test_learned_positions_start_from_sinusoids():
    # Vaswani et al., section 3.5: sin and cos of t / 10000^(2i / C), here side by side, times √2.
    found = sinusoids(5, 6)
    for t in range(5):
        angles = [t / 10_000 ** (2 * i / 6) for i in range(3)]
        expected = [math.sqrt(2) * f(a) for f in (math.sin, math.cos) for a in angles]
        assert found[t].tolist() == pytest.approx(expected, abs=1e-6)
    assert sinusoids(4, 7).shape == (4, 7)
    model = make("gpt2", trained=False)
    assert torch.equal(model.position.weight.float(), sinusoids(T, 16))


def test_more_than_a_window_is_refused():
    model = make("decoder")
    with pytest.raises(ValueError, match="13 positions do not fit in block_size 12"):
        model.hidden(torch.zeros(1, T + 1, dtype=torch.long))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n_embd": 10, "n_head": 4}, "not a multiple"),
        ({"n_layer": 0}, "at least 1"),
        ({"dropout": 0.0}, "None for off"),
        ({"n_embd": 12, "n_head": 4}, "is odd"),
        ({"residual": False, "n_hidden": None}, "no layer projects back"),
    ],
)
def test_an_impossible_config_is_refused(options, says):
    with pytest.raises(ConfigError, match=says):
        ModelConfig(**options)


def test_an_untrained_table_of_gpt2s_size_is_small():
    ids = np.random.default_rng(0).integers(0, 50_257, size=300_000).astype(np.uint16)
    model = build(ModelConfig(architecture="bigram"), vocab_size=50_257, train_ids=ids)
    assert sum(t.numel() * t.element_size() for t in model.state_dict().values()) < 5e6
    assert isinstance(model, MODELS["bigram"])
    assert not isinstance(model, Decoder)


def test_rms_norm_is_pytorchs_and_its_gradient_true():
    x = torch.randn(3, 5, 8, dtype=torch.float64, requires_grad=True)
    assert torch.allclose(rms_norm(x), F.rms_norm(x, (8,)), rtol=1e-14, atol=0)
    assert torch.autograd.gradcheck(rms_norm, (x,))
    assert torch.autograd.gradcheck(SquaredReLU.apply, (x,))
    zero = torch.zeros(2, 8, requires_grad=True)
    rms_norm(zero).sum().backward()
    assert zero.grad.isfinite().all()
