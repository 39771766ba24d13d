import bz2
import lzma
import math
import zlib
from collections import Counter
from itertools import pairwise

import pytest

from gptkit.data.corpus import Corpus
from gptkit.data.encoding import encode_corpus
from gptkit.eval.baselines import compressed, counted, measure_baselines


@pytest.fixture(scope="module")
def corpus(english):
    return Corpus(name="text", train=english[:-2000], val=english[-2000:-900], sha256="")


def witten_bell(train, before, ids, V):
    """The recursion, one id at a time, in plain Python."""
    unigrams, bigrams = Counter(train), Counter(pairwise(train))
    seen = Counter(train[:-1])
    followers = Counter(h for h, _ in bigrams)

    def p1(w):
        return (unigrams[w] + len(unigrams) / V) / (len(train) + len(unigrams))

    def p2(h, w):
        if not seen[h]:
            return p1(w)
        return (bigrams[h, w] + followers[h] * p1(w)) / (seen[h] + followers[h])

    histories = [before, *ids[:-1]]
    return (
        -sum(math.log(p1(w)) for w in ids),
        -sum(math.log(p2(h, w)) for h, w in zip(histories, ids, strict=True)),
        p2,
    )


@pytest.mark.parametrize("spec", ["char", "byte", "gpt2"])
def test_counts_are_smoothed_by_witten_and_bells_rule(corpus, spec):
    encoded = encode_corpus(corpus, spec)
    V = encoded.tokenizer.vocab_size
    train, val = encoded.train.ids.tolist(), encoded.val.ids.tolist()
    unigram, bigram, p2 = witten_bell(train, train[-1], val, V)
    found = counted(encoded)
    assert found["uniform"] == pytest.approx(len(val) * math.log(V), rel=1e-12)
    assert found["unigram"] == pytest.approx(unigram, rel=1e-9)
    assert found["bigram"] == pytest.approx(bigram, rel=1e-9)
    if V < 300:  # and it is a distribution
        assert sum(p2(val[0], w) for w in range(V)) == pytest.approx(1)


def test_with_a_test_text_that_is_what_is_counted(corpus, english):
    three = Corpus(name="t", train=corpus.train, val=corpus.val, test=english[-900:], sha256="")
    encoded = encode_corpus(three, "byte")
    train, val = encoded.train.ids.tolist(), encoded.val.ids.tolist()
    _, bigram, _ = witten_bell(train, val[-1], encoded.test.ids.tolist(), 256)
    assert counted(encoded)["bigram"] == pytest.approx(bigram, rel=1e-9)
    rows = measure_baselines(three, {"byte": encoded})
    (bz2_row,) = [row for row in rows if row.name == "bz2"]
    (zlib_row,) = [row for row in rows if row.name == "zlib"]
    assert zlib_row.primer_bytes == len(corpus.train.encode())  # as much as the counts know
    test = english[-900:].encode()
    assert bz2_row.bits_per_byte == 8 * len(bz2.compress(test)) / len(test)


def test_compressors_are_undone_by_what_they_were_primed_with(corpus):
    data, primer = corpus.val.encode(), corpus.train.encode()
    sizes = compressed(data, primer=primer)
    deflate = zlib.compressobj(9, zdict=primer[-32768:])
    packed = deflate.compress(data) + deflate.flush()
    assert zlib.decompressobj(zdict=primer[-32768:]).decompress(packed) == data
    assert sizes["zlib"] == (len(packed), min(32768, len(primer)))
    assert sizes["bz2"] == (len(bz2.compress(data)), 0)
    assert sizes["lzma"][1] == len(primer)
    # primed, lzma needs less than alone, and no less than nothing
    assert 0 < sizes["lzma"][0] < len(lzma.compress(data))


def test_every_tokenizer_and_compressor_has_its_rows(corpus):
    encoded = {spec: encode_corpus(corpus, spec) for spec in ("char", "gpt2")}
    rows = measure_baselines(corpus, encoded)
    assert [(row.tokenizer, row.name) for row in rows] == [
        *(("char", name) for name in ("uniform", "unigram", "bigram")),
        *(("gpt2", name) for name in ("uniform", "unigram", "bigram")),
        *((None, name) for name in ("zlib", "bz2", "lzma")),
    ]
    char = {row.name: row.bits_per_byte for row in rows[:3]}
    assert char["uniform"] > char["unigram"] > char["bigram"]
