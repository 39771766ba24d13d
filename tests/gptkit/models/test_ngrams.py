"""What a position reads beside its token."""

import pytest
import torch

from gptkit.config import ModelConfig
from gptkit.errors import ConfigError
from gptkit.models.ngrams import HashedNgrams, shift_half


def filled(rows=5000):
    ngrams = HashedNgrams(rows, 8)
    torch.nn.init.normal_(ngrams.weight, generator=torch.Generator().manual_seed(0))
    return ngrams


def test_an_ngram_has_its_row_wherever_it_stands():
    # The last three positions end the same 2-, 3- and 4-grams in both; those before do not.
    one = torch.tensor([[9, 8, 3, 1, 4, 1, 5, 9]])
    other = torch.tensor([[3, 1, 4, 1, 5, 9]])
    found, again = filled()(one), filled()(other)
    assert torch.equal(found[0, -3:], again[0, -3:])
    assert not torch.equal(found[0, -4], again[0, -4])  # one is after an 8, the other first


def test_what_would_begin_before_the_ids_adds_nothing():
    ngrams = filled()
    ids = torch.tensor([[3, 1, 4, 1, 5]])
    assert torch.equal(ngrams(ids)[0, 0], torch.zeros(8))
    pair = ngrams(ids[:, :2])[0, 1]
    assert torch.equal(ngrams(ids)[0, 1], pair)
    assert ngrams(ids[:, :1]).abs().max() == 0


def test_the_order_of_ids_counts():
    ngrams = filled()
    assert not torch.equal(ngrams(torch.tensor([[1, 2]])), ngrams(torch.tensor([[2, 1]])))


@pytest.mark.parametrize("vocab_size", [65, 50_257])
def test_pairs_spread_evenly_over_the_rows(vocab_size):
    # So many pairs over 1,000 rows are about Poisson in each, with mean 4 or 40: one in 10⁸ rows
    # has more than six deviations and 12 above the mean, and e^-mean of them have none.
    rows = 1000
    ngrams = HashedNgrams(rows, 2)
    pairs = torch.randperm(min(vocab_size**2, 10**7), generator=torch.Generator().manual_seed(0))
    pairs = pairs[:40_000] if vocab_size > 65 else pairs
    ids = torch.stack([pairs // vocab_size, pairs % vocab_size], dim=1)
    ngrams(ids)[:, 1].sum().backward()
    used = ngrams.weight.grad[:, 0]
    mean = len(ids) / rows
    assert used.sum() == len(ids)
    assert used.max() < mean + 6 * mean**0.5 + 12
    assert (used == 0).float().mean() < 3 * 2.718**-mean + 0.005


def test_half_the_channels_come_from_the_position_before():
    x = torch.arange(1.0, 13).view(1, 3, 4)
    expected = [[1, 2, 0, 0], [5, 6, 3, 4], [9, 10, 7, 8]]
    assert shift_half(x)[0].tolist() == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ngram_rows": 0}, "ngram_rows is 0; it must be at least 1"),
        ({"n_embd": 7, "n_head": 7, "token_shift": True}, "is odd: token_shift takes half"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        ModelConfig(positions="learned", **options)
