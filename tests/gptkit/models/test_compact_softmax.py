"""The compact softmax against the dense one: the same losses, step by step."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from gptkit.config import ModelConfig, OptimConfig
from gptkit.models import Bigram, Decoder, compact_softmax
from gptkit.models.compact_softmax import CompactEmbedding, CompactHead, exponentials
from gptkit.plan.recipes import RECIPES
from gptkit.train.optim import clip_gradients, make_optimizers

V, T, B = 60, 8, 4


@pytest.fixture
def texts():
    """Ids of a training text that uses 23 of 60 ids, and of one that uses others too."""
    rng = np.random.default_rng(1)
    used = rng.choice(V, size=23, replace=False)
    train = rng.choice(used, size=400).astype(np.uint8)
    other = rng.integers(0, V, size=200).astype(np.uint8)
    return train, other


def windows(ids, step):
    starts = np.random.default_rng(step).integers(0, len(ids) - T - 1, size=B)
    batch = torch.from_numpy(ids[starts[:, None] + np.arange(T + 1)].astype(np.int64))
    return batch[:, :-1], batch[:, 1:]


def losses(model, config, train, other, *, clip):
    """Every step's loss over 50 steps, and the loss on the other text before and after."""
    optimizers = make_optimizers(model, config)
    unseen = torch.from_numpy(other.astype(np.int64))
    seen_by_step = [model.eval().nll(unseen[None, :T], unseen[None, 1 : T + 1]).sum().item()]
    model.train()
    for step in range(50):
        loss = model.nll(*windows(train, step)).mean()
        loss.backward()
        if clip is not None:
            clip(model)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        seen_by_step.append(loss.item())
    model.eval()
    with torch.no_grad():
        rows = unseen[: len(unseen) // T * T - T + 1]
        x, y = rows[:-1].view(-1, T), rows[1:].view(-1, T)
        seen_by_step += model.nll(x, y).flatten().tolist()
    return torch.tensor(seen_by_step, dtype=torch.float64)


def decoder(support, recipe):
    torch.manual_seed(3)
    config = replace(RECIPES[recipe]().model, n_embd=16, n_head=2, n_layer=2, dropout=None)
    return Decoder(config, V, support, block_size=T).double()


# With 30 columns at a time the dense head's 60 come in blocks and the compact one's 24 do not;
# with 7 both do.
@pytest.mark.parametrize("recipe", ["decoder", "gpt2", "qwen3", "fast", "lecture"])
@pytest.mark.parametrize(("grad_clip", "block_columns"), [(None, 2048), (0.05, 30), (None, 7)])
def test_decoder_trains_as_the_dense_one_does(texts, recipe, grad_clip, block_columns, monkeypatch):
    monkeypatch.setattr(compact_softmax, "HEAD_BLOCK_COLUMNS", block_columns)
    train, other = texts
    config = replace(RECIPES[recipe]().optim, weight_decay=0.1)
    compact = decoder(Decoder.find_support(train, V), recipe)
    dense = decoder(torch.arange(V), recipe)
    assert compact.head.n_unused == 37
    assert dense.head.n_unused == 0

    def clip_compact(model):
        clip_gradients(model, grad_clip)

    def clip_dense(model):  # PyTorch's own, which knows nothing of copies
        torch.nn.utils.clip_grad_norm_(model.parameters(), grad_clip)

    a = losses(compact, config, train, other, clip=grad_clip and clip_compact)
    b = losses(dense, config, train, other, clip=grad_clip and clip_dense)
    # The issue of rounding alone: both in float64, 50 steps; 1e-4 nats is what users may rely on.
    assert (a - b).abs().max() < 1e-4
    assert b[1] > b[50] + 0.1  # it did learn something to disagree about


class Table(torch.nn.Module):
    """The lecture's bigram, as the lecture writes it."""

    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(V, V, dtype=torch.float64)
        torch.nn.init.zeros_(self.table.weight)

    def parameter_groups(self):
        return {"other": list(self.parameters())}

    def nll(self, ids, targets):
        logits = self.table(ids)
        loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        return loss.view_as(targets)


@pytest.mark.parametrize("grad_clip", [None, 0.05])
def test_bigram_trains_as_the_lectures_table_does(texts, grad_clip):
    train, other = texts
    config = OptimConfig(learning_rate=0.1, weight_decay=0.1)
    compact = Bigram(ModelConfig(), V, Bigram.find_support(train, V), block_size=T).double()
    assert compact.weight.numel() < 0.12 * V * V
    a = losses(
        compact, config, train, other, clip=grad_clip and (lambda m: clip_gradients(m, grad_clip))
    )
    b = losses(
        Table(),
        config,
        train,
        other,
        clip=grad_clip and (lambda m: torch.nn.utils.clip_grad_norm_(m.parameters(), grad_clip)),
    )
    assert (a - b).abs().max() < 1e-4
    assert b[1] > b[50] + 0.1


def test_head_without_unused_ids_is_linear_and_cross_entropy():
    head = CompactHead(V, 5, torch.arange(V)).double()
    torch.nn.init.normal_(head.weight)
    x, targets = torch.randn(2, 3, 5, dtype=torch.float64), torch.randint(0, V, (2, 3))
    expected = F.cross_entropy((x @ head.weight.T).flatten(0, 1), targets.flatten())
    assert torch.allclose(head.nll(x, targets).mean(), expected, rtol=1e-12)


def test_a_target_too_unlikely_for_floats_keeps_its_loss_and_gradient(monkeypatch):
    monkeypatch.setattr(compact_softmax, "HEAD_BLOCK_COLUMNS", 8)
    head = CompactHead(V, 5, torch.arange(0, V, 2))
    torch.nn.init.normal_(head.weight, std=40)
    x = torch.randn(2, 3, 5, requires_grad=True)
    targets = torch.randint(0, V, (2, 3))
    head.nll(x, targets).sum().backward()
    dense = head.weight.detach()[head.column].double().requires_grad_()
    y = x.detach().double().requires_grad_()
    expected = F.cross_entropy((y @ dense.T).flatten(0, 1), targets.flatten(), reduction="none")
    expected.sum().backward()
    assert expected.max() > 100  # more nats than e^x has floats for
    # 2^-24 of a logit of some hundreds is 2e-5 of the probability it gives
    assert torch.allclose(head.nll(x, targets).flatten().double(), expected, rtol=1e-5)
    assert torch.allclose(x.grad.double(), y.grad, rtol=1e-4, atol=1e-4)


def test_no_block_is_kept_without_a_backward_pass(monkeypatch):
    monkeypatch.setattr(compact_softmax, "HEAD_BLOCK_COLUMNS", 7)
    x, weight, offset = torch.randn(5, 4), torch.randn(20, 4), torch.randn(5)
    kept, total = exponentials(x, weight, 3, offset=offset, keep=True)
    none, same = exponentials(x, weight, 3, offset=offset, keep=False)
    assert [len(block) for block in kept] == [7, 7, 6]
    assert none == []
    assert torch.equal(total, same)
    logits = (x @ weight.T - offset[:, None]).exp()
    assert torch.allclose(total, logits.sum(1) + 2 * logits[:, -1])


def test_every_unused_id_has_its_honest_share():
    head = CompactHead(10, 4, torch.tensor([2, 5, 7])).double()
    torch.nn.init.normal_(head.weight)
    x = torch.randn(6, 4, dtype=torch.float64)
    probabilities = head.log_probs(x).exp()
    assert torch.allclose(probabilities.sum(1), torch.ones(6, dtype=torch.float64), rtol=1e-12)
    unused = [i for i in range(10) if i not in (2, 5, 7)]
    assert torch.allclose(probabilities[:, unused], probabilities[:, :1].expand(-1, 7), rtol=1e-12)
    for i in range(10):
        nll = head.nll(x[:, None], torch.full((6, 1), i))[:, 0]
        assert torch.allclose(nll, -head.log_probs(x)[:, i], rtol=1e-12)


def test_unused_rows_of_the_embedding_are_the_dense_tables():
    torch.manual_seed(5)
    dense = CompactEmbedding(10, 4, torch.arange(10), std=1.0).eval()
    torch.manual_seed(5)
    compact = CompactEmbedding(10, 4, torch.tensor([2, 5, 7]), std=1.0).eval()
    ids = torch.arange(10).view(2, 5)
    assert torch.equal(dense(ids), compact(ids))
    assert [n for n, _ in compact.named_parameters()] == ["weight"]
    assert compact.weight.shape == (3, 4)
