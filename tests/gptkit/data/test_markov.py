import math

import numpy as np
import pytest

import gptkit
from gptkit.data.corpus import load_corpus
from gptkit.data.markov import ALPHABET, MarkovSource
from gptkit.errors import CorpusError


def two_states(p, q):
    return MarkovSource(np.array([[1 - p, p], [q, 1 - q]]))


def test_the_entropy_rate_of_two_states_is_the_textbooks():
    # Cover and Thomas, section 4.2: shares q/(p+q) and p/(p+q), rate Σ share · H.
    def h(x):
        return -x * math.log2(x) - (1 - x) * math.log2(1 - x)

    p, q = 0.1, 0.4
    source = two_states(p, q)
    assert source.stationary() == pytest.approx([q / (p + q), p / (p + q)], abs=1e-12)
    expected = (q * h(p) + p * h(q)) / (p + q)
    assert source.entropy_rate() == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_the_text_spends_what_the_entropy_says(order):
    source = MarkovSource.random(order=order, seed=5)
    text = source.write(200_000, seed=5)
    ids = np.array([ALPHABET.index(c) for c in text])
    context = tuple(ids[i : len(ids) - order + i] for i in range(order))
    bits = -np.log2(source.probabilities[(*context, ids[order:])])
    # Neighbours are correlated, so the error comes from means of blocks: five standard errors.
    blocks = bits[: len(bits) // 500 * 500].reshape(-1, 500).mean(1)
    assert abs(bits.mean() - source.entropy_rate()) < 5 * blocks.std() / math.sqrt(len(blocks))


def test_a_spec_gives_the_same_text_again_and_another_seed_another():
    first, same, other = (load_corpus(s).sha256 for s in ("markov:1", "markov:1:0", "markov:1:1"))
    assert first == same != other
    corpus = load_corpus("markov:2")
    assert corpus.facts().entropy_bits_per_byte == corpus.entropy_bits_per_byte
    assert corpus.train_bytes + corpus.val_bytes == len(corpus.train) + len(corpus.val) == 10**6


@pytest.mark.parametrize("spec", ["markov:0", "markov:4", "markov:", "markov:x", "markov:1:"])
def test_what_is_no_source_is_refused(spec):
    with pytest.raises(CorpusError, match="is not a Markov source"):
        load_corpus(spec)


def test_the_bigram_reaches_the_source_and_none_beats_it(tmp_path):
    result = gptkit.compare(
        tokenizers=["char", "byte"], models=["bigram"], data="markov:1", out=tmp_path
    )
    corpus = load_corpus("markov:1")
    known = corpus.entropy_bits_per_byte
    assert result.data.corpus.entropy_bits_per_byte == known
    # What this validation text happens to cost under the source itself bounds every arm from
    # below but for sampling error, which five standard errors cover.
    source = MarkovSource.random(order=1, seed=0)
    ids = np.array([ALPHABET.index(c) for c in corpus.train[-1] + corpus.val])
    bits = -np.log2(source.probabilities[ids[:-1], ids[1:]])
    error = 5 * bits[:99_500].reshape(-1, 500).mean(1).std() / math.sqrt(199)
    for arm in result.arms:
        assert known - error < arm.val.bits_per_byte < 1.01 * known
