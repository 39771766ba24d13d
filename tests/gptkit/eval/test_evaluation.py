import math

import numpy as np
import pytest
import torch

from gptkit.config import ConfigError, ModelConfig
from gptkit.data.encoding import EncodedText
from gptkit.eval.evaluation import Evaluation, evaluate, sweep
from gptkit.events.losses import Loss
from gptkit.models import build_model

V, T = 30, 8
RNG = np.random.default_rng(0)
TRAIN, VAL = RNG.integers(0, 20, 300).astype(np.uint8), RNG.integers(0, V, 101).astype(np.uint8)


@pytest.fixture
def model():
    config = ModelConfig(n_embd=8, n_head=2, n_layer=1, dropout=0.5)
    model = build_model(config, block_size=T, vocab_size=V, train_ids=TRAIN, seed=0).double()
    with torch.no_grad():
        for p in model.parameters():
            p.add_(torch.randn_like(p) * 0.3)
    return model.train()


def naive(model, stride):
    """One id at a time: -log p(id | its window's earlier ids), the window found by arithmetic."""
    text = np.concatenate([TRAIN, VAL]).astype(np.int64)
    model.eval()
    nats = []
    for i in range(len(VAL)):
        begin = len(TRAIN) + i // stride * stride - (T - stride) - 1
        context = torch.from_numpy(text[begin : len(TRAIN) + i])[None]
        nats.append(-model.next_log_probs(context)[0, text[len(TRAIN) + i]].item())
    return np.array(nats)


@pytest.mark.parametrize("stride", [8, 5, 1])
def test_every_id_is_scored_once_from_its_window(model, stride):
    with torch.no_grad():
        expected = naive(model, stride)
    nats = sweep(model.train(), VAL, before=TRAIN, stride=stride)
    assert nats.shape == (len(VAL),)
    assert nats.dtype == np.float64
    assert np.allclose(nats, expected, rtol=1e-9)


def test_none_is_the_block_size(model):
    assert np.array_equal(
        sweep(model, VAL, before=TRAIN), sweep(model, VAL, before=TRAIN, stride=T)
    )


@pytest.mark.parametrize("n", [1, T - 1, T, T + 1])
def test_short_texts(model, n):
    assert len(sweep(model, VAL[:n], before=TRAIN)) == n


def test_it_leaves_mode_gradients_and_random_state_alone(model):
    state = torch.get_rng_state()
    sweep(model, VAL, before=TRAIN)
    assert model.training
    assert all(p.grad is None for p in model.parameters())
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("stride", [0, T + 1])
def test_an_impossible_stride_is_refused(model, stride):
    with pytest.raises(ConfigError, match="from 1 to the block size of 8 tokens"):
        sweep(model, VAL, before=TRAIN, stride=stride)


def test_units(model):
    text = EncodedText(ids=VAL, ends=np.arange(len(VAL)), n_bytes=250, n_chars=200)
    evaluation = evaluate(model, text, before=TRAIN)
    total = sweep(model, VAL, before=TRAIN).sum()
    assert evaluation.nats_per_token == total / 101
    assert evaluation.nats_per_char == total / 200
    assert evaluation.bits_per_byte == total / math.log(2) / 250
    assert evaluation.loss == Loss(
        bytes=250,
        chars=200,
        tokens=101,
        nats_per_token=total / 101,
        nats_per_char=total / 200,
        bits_per_byte=total / math.log(2) / 250,
    )


def test_a_uniform_model_over_bytes_is_eight_bits():
    evaluation = Evaluation(nats=np.full(5, math.log(256)), n_bytes=5, n_chars=5)
    assert evaluation.bits_per_byte == pytest.approx(8, rel=1e-15)
