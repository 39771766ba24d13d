"""Measure baselines on the same text: counted unigrams and bigrams, and compressors."""

from __future__ import annotations

import bz2
import lzma
import math
import zlib
from collections.abc import Mapping

import numpy as np

from gptkit.data.corpus import Corpus
from gptkit.data.encoding import EncodedCorpus
from gptkit.eval.counted import CountedBigram
from gptkit.eval.evaluation import bits_per_byte
from gptkit.events.losses import Baseline

ZLIB_WINDOW_BYTES = 1 << 15  # text that deflate can refer to
LZMA_WINDOW_BYTES = 1 << 23  # the same for lzma's default preset
MAX_COUNTED_IDS = 1 << 22  # of a training text too large for memory, only its last ids count


def measure_baselines(corpus: Corpus, texts: Mapping[str, EncodedCorpus]) -> list[Baseline]:
    """Measure counts under each tokenizer, then compressors, on the text of the reported losses.

    They learn from the training text alone.
    """
    rows = [
        Baseline(
            name=name,
            tokenizer=tokenizer,
            bits_per_byte=bits_per_byte(nats, encoded.reported.n_bytes),
        )
        for tokenizer, encoded in texts.items()
        for name, nats in counted(encoded).items()
    ]
    data = (corpus.val if corpus.test is None else corpus.test).encode()
    primer = corpus.train[-LZMA_WINDOW_BYTES:].encode()  # at least as many bytes as characters
    return rows + [
        Baseline(name=name, primer_bytes=primer_bytes, bits_per_byte=8 * size / len(data))
        for name, (size, primer_bytes) in compressed(data, primer=primer).items()
    ]


def counted(texts: EncodedCorpus) -> dict[str, float]:
    """Return the nats of the reported text under counts of the training text's ids.

    As in a model's evaluation, the first id is conditioned on the last id before the text.
    """
    V = texts.tokenizer.vocab_size
    first = -MAX_COUNTED_IDS if texts.train.on_disk else 0
    train = texts.train.ids[first:].astype(np.int64)
    text, before = (texts.val, train) if texts.test is None else (texts.test, texts.val.ids)
    ids = np.concatenate([before[-1:], text.ids[:]]).astype(np.int64)
    history, target = ids[:-1], ids[1:]

    counts = CountedBigram(train, V)
    unigram, bigram = counts.unigram(target), counts.bigram(history, target)
    return {
        "uniform": len(target) * math.log(V) + text.lost_nats,
        "unigram": -float(np.log(unigram).sum()) + text.lost_nats,
        "bigram": -float(np.log(bigram).sum()) + text.lost_nats,
    }


def compressed(data: bytes, *, primer: bytes) -> dict[str, tuple[int, int]]:
    """Return the bytes that each compressor needs for a text, and the bytes of primer it used.

    zlib uses the last 32 kB of the primer as its dictionary. Python's lzma takes no dictionary,
    so it compresses primer and text together, and only the additional bytes count. bz2 compresses
    each block alone, and uses no primer.
    """
    dictionary = primer[-ZLIB_WINDOW_BYTES:]
    deflate = zlib.compressobj(9, zdict=dictionary)
    known = primer[-max(1, LZMA_WINDOW_BYTES - len(data)) :]
    return {
        "zlib": (len(deflate.compress(data)) + len(deflate.flush()), len(dictionary)),
        "bz2": (len(bz2.compress(data, 9)), 0),
        "lzma": (len(lzma.compress(known + data)) - len(lzma.compress(known)), len(known)),
    }
