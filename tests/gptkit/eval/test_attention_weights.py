"""The lecture's trick and its checks: positions, masks and scale, not trusted but tested."""

import json
import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch
from rich.cells import cell_len
from rich.console import Console

from gptkit.config import ModelConfig
from gptkit.eval.attention_weights import attention_weights
from gptkit.experiment import Experiment
from gptkit.models import build_model
from gptkit.models.attention import CausalAverage, CausalSelfAttention
from gptkit.models.averaging_trick import batch, toy
from gptkit.plan.ladder import ladder
from gptkit.plan.recipes import decoder
from gptkit.report.lecture import INDENT_COLUMNS, SHADES, fitting, heat_map

T, V = 12, 40
IDS = torch.arange(500) % V


def built(config, *, block_size=T, seed=0):
    model = build_model(
        config, block_size=block_size, vocab_size=V, train_ids=IDS.numpy(), seed=seed
    )
    return model.eval()


def test_the_toys_numbers_are_the_lectures():
    # Karpathy's notebook gpt-dev.ipynb, "toy example illustrating how matrix multiplication can be
    # used for a weighted aggregation"
    found = toy()
    assert found.b.tolist() == [[2.0, 7.0], [6.0, 4.0], [6.0, 5.0]]
    assert found.a[1].tolist() == [0.5, 0.5, 0.0]
    expected = torch.tensor([[2.0, 7.0], [4.0, 5.5], [4.6667, 5.3333]])
    assert torch.allclose(found.c, expected, rtol=0, atol=5e-5)  # as printed, to four decimals
    assert torch.allclose(found.c, found.means, rtol=1e-6)


def test_the_three_ways_agree():
    found = batch()
    assert found.by_softmax.shape == (4, 8, 32)
    # the first draw of seed 1337, as the lecture's notebook shows it
    assert found.x[0, 0, 0].item() == pytest.approx(0.1808, abs=5e-5)
    assert 0 < found.largest_difference < 1e-6  # float32 rounding of sums of eight
    assert torch.equal(found.weights.triu(1), torch.zeros(8, 8))
    assert found.weights[7].tolist() == [0.125] * 8
    assert torch.allclose(found.by_loop, found.x.cumsum(1) / torch.arange(1, 9)[:, None], atol=1e-6)


def test_the_random_state_is_left_alone():
    before = torch.get_rng_state()
    toy(), batch()
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("stage", [name for name in ladder() if name != "bigram"])
def test_no_stage_sees_the_future(stage):
    model = built(ladder()[stage].model).double()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.3)
    ids = torch.randint(0, V, (2, T))
    before = model.hidden(ids)
    for changed in range(1, T):
        other = ids.clone()
        other[:, changed] = (other[:, changed] + 1) % V
        after = model.hidden(other)
        assert torch.equal(before[:, :changed], after[:, :changed])
        assert not torch.equal(before[:, changed], after[:, changed])


@pytest.mark.parametrize("positions", [None, "learned", "rotary"])
@pytest.mark.parametrize("attention", ["softmax", "average"])
def test_attention_without_positions_is_blind_to_order(attention, positions):
    config = ModelConfig(
        n_embd=16,
        attention=attention,
        positions=positions,
        n_layer=1,
        zero_init_residual=False,
    )
    model = built(config).double()
    ids = torch.randperm(V)[:T].unsqueeze(0)
    order = torch.cat([torch.randperm(T - 1).roll(1), torch.tensor([T - 1])])  # the last one stays
    assert not torch.equal(order, torch.arange(T))
    last, shuffled = model.hidden(ids)[0, -1], model.hidden(ids[:, order])[0, -1]
    # rotary positions are in the scores alone, which an average has none of
    blind = positions is None or (attention, positions) == ("average", "rotary")
    # float64 sums in another order, or another sum
    assert torch.allclose(last, shuffled, rtol=0, atol=1e-12) == blind


def score_variances(config, n=200):
    """Measure the variance of scores over n fresh attentions, for inputs of unit variance."""
    found, unscaled = [], []
    for seed in range(n):
        torch.manual_seed(seed)
        attention = CausalSelfAttention(config)
        torch.nn.init.normal_(attention.qkv.weight, std=1 / math.sqrt(config.n_embd))
        scores = attention.scores(torch.randn(1, 32, config.n_embd), None)
        found.append(scores.var().item())
        unscaled.append(config.head_dim * scores.var().item())
    return torch.tensor(found), torch.tensor(unscaled)


@pytest.mark.parametrize("qk_norm", [False, True])
def test_scaled_scores_have_unit_variance_at_initialisation(qk_norm):
    config = replace(decoder().model, n_embd=64, n_head=2, qk_norm=qk_norm)
    variances, unscaled = score_variances(config)
    error = variances.std() / math.sqrt(len(variances))  # of their mean
    assert error < 0.01  # so that four of them can tell 1 from 1.04
    assert abs(variances.mean() - 1) < 4 * error
    assert abs(unscaled.mean() - 32) < 4 * 32 * error  # head_dim: what 1 / sqrt(D) is for


def first_inputs(model, ids):
    """What the first block's attention is given: x (1, T, C) and the rotary table."""
    heard = []
    attention = model.blocks[0].attention
    hook = attention.register_forward_pre_hook(lambda module, inputs: heard.append(inputs))
    model.hidden(ids.unsqueeze(0))
    hook.remove()
    x, rotary, _ = heard[0]
    return x, rotary


def test_the_decoder_draws_its_scores_at_unit_variance():
    config = replace(decoder().model, qk_norm=False)
    found = []
    for seed in range(40):
        model = built(config, block_size=64, seed=seed)
        x, rotary = first_inputs(model, torch.randperm(V))
        found.append(model.blocks[0].attention.scores(x, rotary).var().item())
    variances = torch.tensor(found)
    error = variances.std() / math.sqrt(len(variances))
    assert error < 0.03
    assert abs(variances.mean() - 1) < 4 * error


def test_the_average_is_the_running_mean():
    attention = CausalAverage(ladder()["average"].model).double()
    x = torch.randn(2, T, 32).double()
    values = attention.value(x)
    found = attention(x, None, None)
    for t in range(T):
        assert torch.allclose(found[:, t], values[:, : t + 1].mean(1), rtol=1e-12)


@pytest.mark.parametrize("stage", ["average", "heads", "norm", "today"])
def test_weights_are_those_that_the_forward_pass_uses(stage):
    model = built(ladder()[stage].model).double()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.3)
    ids = torch.randint(0, V, (T,))
    weights = attention_weights(model, ids)
    config = model.config
    heads = 1 if stage == "average" else config.n_head
    assert weights.shape == (config.n_layer, heads, T, T)
    assert torch.equal(weights.triu(1), torch.zeros_like(weights))
    assert torch.allclose(weights.sum(-1), torch.ones_like(weights[..., 0]), rtol=1e-12)

    x, rotary = first_inputs(model, ids)
    attention = model.blocks[0].attention
    output = attention(x, rotary, None)
    if stage == "average":
        values = attention.value(x).unsqueeze(1)
    else:
        values = attention._heads(x, rotary)[2]  # (1, H, T, D)
    mixed = (weights[0] @ values[0]).transpose(0, 1).reshape(1, T, -1)
    assert torch.allclose(attention.proj(mixed), output, rtol=1e-9)


def drawn(renderable, width=80):
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get().splitlines()


def test_a_heat_map_leaves_the_future_empty():
    weights = [[1.0, 0.0, 0.0], [0.2, 0.8, 0.0], [0.001, 0.05, 0.949]]
    lines = drawn(heat_map(weights, ["to", " be", "\n"], width=80))
    assert [line.rstrip() for line in lines[:-1]] == [
        "      ·",
        "    t b",
        "    o e ␊",
        " to ██",
        "·be ▒▒██",
        "  ␊ ..░░██",
    ]
    assert all(mark * 2 in lines[-1] for mark in SHADES)


TEXTS = (["a", " token", "\x1b[31m"], [" breathless!"], ["天", "地"], ["e\u0301", "x"])


@pytest.mark.parametrize("width", [40, 80, 120])
@pytest.mark.parametrize("tokens", TEXTS)
def test_as_many_tokens_as_fit(width, tokens):
    tokens = tokens * 200
    most = fitting(width, tokens)
    for n in {1, most // 2, most // 2 + 1, most - 1, most}:
        here = tokens[-n:]
        lines = drawn(heat_map(torch.eye(n).tolist(), here, width=width), width - INDENT_COLUMNS)
        rows = [line.rstrip() for line in lines if line.rstrip().endswith(SHADES[-1])]
        assert len(rows) == n  # no row is broken
        ends = [cell_len(row) for row in rows]
        steps = {b - a for a, b in pairwise(ends)}
        assert steps <= {1, 2}
        assert len(steps) <= 1  # each cell is as wide as the others, whatever the letters
        assert max(ends) <= width - INDENT_COLUMNS
    assert not any("\x1b" in line for line in lines)


@pytest.fixture(scope="module")
def run(tmp_path_factory, english):
    """The folder of a trained arm; those of the other stages and tokenizers are beside it."""
    folder = tmp_path_factory.mktemp("runs")
    text = folder / "text.txt"
    text.write_text(english, encoding="utf-8")
    small = {"budget": "4steps", "bytes_per_step": 256, "context_bytes": 32, "sample_bytes": 5}
    stages = ladder(stages=["bigram", "average", "heads"])
    result = Experiment(
        tokenizers=["char", "byte"],
        models=stages,
        data=str(text),
        out=folder,
        name="x",
        **small,
    ).run()
    return result.folder / "char-heads-s0"


def test_trick_prints_every_step(gptkit):
    code, out, err = gptkit("lecture", "trick")
    assert (code, err) == (0, "")
    assert "torch.Size([4, 8, 32])" in out
    assert "4.6667  5.3333" in out
    assert "largest difference between the three" in out
    assert max(map(len, out.splitlines())) <= 80
    found = json.loads(gptkit("lecture", "trick", "--json")[1])
    assert found["toy"]["c"][1] == [4.0, 5.5]
    assert found["batch"]["shape"] == [4, 8, 32]


def test_attention_of_a_run(gptkit, run):
    code, out, err = gptkit("lecture", "attention", run, "the king", "--head", "2")
    assert (code, err) == (0, "")
    assert "layer 1 of 1, head 2 of 4" in out
    found = json.loads(gptkit("lecture", "attention", run, "the king", "--json")[1])
    assert found["tokens"] == list("the king")
    assert [sum(row) for row in found["weights"]] == pytest.approx([1.0] * 8)

    code, out, err = gptkit("lecture", "attention", run, "the king shall not speak of love and so")
    assert code == 0
    assert "a softmax of query times key" in out
    assert "only the last 30 of 39 tokens are shown: the model's window" in err
    _, _, err = gptkit("lecture", "attention", run, "a" * 39, "--json")
    assert err.startswith("note: only the last")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("the king", "--layer", "2"), "there is no layer 2: "),
        (("the king", "--head", "5"), "has 4, counted from 1"),
        (("",), "makes no token of ''"),
        (("the zoo",), "char cannot encode 'z'"),
    ],
)
def test_attention_that_cannot_be_shown(gptkit, run, args, says):
    code, out, err = gptkit("lecture", "attention", run, *args)
    assert (code, out) == (2, "")
    assert says in err


def test_an_average_is_not_called_learned(gptkit, run):
    code, out, _ = gptkit("lecture", "attention", run.parent / "char-average-s0", "the king")
    assert code == 0
    assert "Weights of an average" in out
    assert "the same of each" in " ".join(out.split())


def test_tokens_that_are_part_of_a_character_are_shown_as_bytes(gptkit, run):
    _, out, _ = gptkit("lecture", "attention", run.parent / "byte-heads-s0", "🦆", "--json")
    assert json.loads(out)["tokens"] == ["f0", "9f", "a6", "86"]


def test_a_bigram_attends_to_nothing(gptkit, run):
    code, _, err = gptkit("lecture", "attention", run.parent / "char-bigram-s0", "the king")
    assert code == 2
    assert "the model has no attention" in err
