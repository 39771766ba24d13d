"""The loss over all tokenizations: against enumeration, published figures, and the exact sum."""

import math

import numpy as np
import pytest
import torch

from gptkit.data.corpus import load_corpus
from gptkit.data.encoding import encode_corpus
from gptkit.eval.counted import CountedBigram
from gptkit.eval.marginal import Lattice, pair_marginal, sampled_gap
from gptkit_tokenizers import get_tokenizer


def segmentations(lattice, text, start=0):
    if start == len(text):
        yield []
        return
    for i, end in lattice.tokens_at(text, start, len(text)):
        for rest in segmentations(lattice, text, end):
            yield [i, *rest]


class PairModel:
    """A model of pairs with a context that it does not use, as the sampler wants a model."""

    block_size = 24

    def __init__(self, counts):
        self.counts = counts

    def nll(self, ids, targets):
        return torch.from_numpy(-np.log(self.counts.bigram(ids.numpy(), targets.numpy())))


@pytest.fixture(scope="module")
def trained(english):
    tokenizer = get_tokenizer("bpe:300", english)
    ids = tokenizer.encode_array(english).astype(np.int64)
    counts = CountedBigram(ids, tokenizer.vocab_size)
    return tokenizer, ids, counts, lambda a, b: np.log(counts.bigram(a, b))


def test_the_exact_sum_is_that_of_all_tokenizations(trained):
    tokenizer, ids, _, log_probs = trained
    lattice, text, before = Lattice(tokenizer), b"the king and love", int(ids[-1])
    logs = []
    for tokens in segmentations(lattice, text):
        history = np.array([before, *tokens[:-1]])
        logs.append(float(log_probs(history, np.array(tokens)).sum()))
    assert len(logs) > 100
    expected = -float(np.logaddexp.reduce(logs))
    assert pair_marginal(lattice, text, before, log_probs) == pytest.approx(expected, rel=1e-12)


def test_characters_have_one_tokenization(english):
    tokenizer = get_tokenizer("char", english)
    ids = tokenizer.encode_array(english).astype(np.int64)
    counts = CountedBigram(ids, tokenizer.vocab_size)
    text = english[:1900]
    own = tokenizer.encode_array(text).astype(np.int64)
    canonical = -np.log(counts.bigram(np.concatenate([ids[-1:], own[:-1]]), own)).sum()
    marginal = pair_marginal(
        Lattice(tokenizer), text.encode(), int(ids[-1]), lambda a, b: np.log(counts.bigram(a, b))
    )
    assert marginal == pytest.approx(float(canonical), rel=1e-12)


def test_the_sampler_comes_close_to_the_exact_sum_from_below(trained, english):
    tokenizer, ids, *_ = trained
    counts = CountedBigram(ids[:60], tokenizer.vocab_size)  # so few that much mass is elsewhere

    def log_probs(history, following):
        return np.log(counts.bigram(history, following))

    text = english[:3000]
    own = tokenizer.encode_array(text).astype(np.int64)
    lengths = np.array([len(tokenizer.token_bytes(i)) for i in own])
    ends = lengths.cumsum()
    lattice, before, size = Lattice(tokenizer), int(ids[-1]), PairModel.block_size // 2
    gap = sampled_gap(
        PairModel(counts),
        lattice,
        own,
        ends,
        text.encode(),
        before=before,
        log_probs=log_probs,
        n_bytes=10**6,
    )
    exact = 0.0
    for first in range(0, len(own) - size + 1, size):
        start, stop = (int(ends[first - 1]) if first else 0), int(ends[first + size - 1])
        history = int(own[first - 1]) if first else before
        exact += pair_marginal(lattice, text.encode()[start:stop], history, log_probs)
    found, true = gap.canonical - gap.marginal, gap.canonical - exact
    assert true > 1.0
    assert 0.6 * true < found < 1.02 * true
    assert gap.error > 0


@pytest.mark.corpus
@pytest.mark.parametrize(
    ("spec", "canonical", "marginal"),
    [
        # Measured by a separate script for the same counts on the same 20 kB.
        ("bpe:512", 2.7540, 2.7511),
        ("bpe:1024", 2.5074, 2.5030),
        ("unigram:512", 2.8607, 2.8565),
    ],
)
def test_the_gap_of_counted_bigrams_is_as_known(spec, canonical, marginal, shakespeare_folder):
    corpus = load_corpus("tinyshakespeare")
    encoded = encode_corpus(corpus, spec)
    train = encoded.train.ids.astype(np.int64)
    counts = CountedBigram(train, encoded.tokenizer.vocab_size)
    text = corpus.val[:20_000]
    ids = encoded.tokenizer.encode_array(text).astype(np.int64)
    per_byte = 1 / math.log(2) / 20_000
    own = -np.log(counts.bigram(np.concatenate([train[-1:], ids[:-1]]), ids)).sum()
    every = pair_marginal(
        Lattice(encoded.tokenizer),
        text.encode(),
        int(train[-1]),
        lambda a, b: np.log(counts.bigram(a, b)),
    )
    assert own * per_byte == pytest.approx(canonical, abs=5e-5)
    assert every * per_byte == pytest.approx(marginal, abs=5e-5)
