"""One corpus under one tokenizer: both texts encoded, and audited before anything trains."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gptkit.corpus import Corpus
from gptkit_tokenizers import Tokenizer, audit, check_rebuild, get_tokenizer, token_lengths


@dataclass(frozen=True, kw_only=True)
class EncodedCorpus:
    """
    Attributes:
        train_ids, val_ids: (N,) and (M,), in the vocabulary's smallest unsigned dtype.
        train_ends: (N,) the byte of the training text at which each of its tokens ends.
        vocab_seen: how many of the vocabulary's ids the training text uses.
    """

    tokenizer: Tokenizer
    train_ids: np.ndarray
    val_ids: np.ndarray
    train_ends: np.ndarray
    vocab_seen: int
    val_bytes: int
    val_chars: int

    @property
    def train_bytes(self) -> int:
        return int(self.train_ends[-1])

    @property
    def bytes_per_token(self) -> float:
        """Of the training text."""
        return self.train_bytes / len(self.train_ids)


def build_tokenizer(corpus: Corpus, spec: str) -> Tokenizer:
    """The tokenizer that a spec names, for a corpus.

    `char` takes its alphabet from the whole corpus, as the lecture does; any other tokenizer
    that is built from text sees the training text alone.
    """
    whole_alphabet = spec in ("char", "char+bytes")
    return get_tokenizer(spec, corpus.train + corpus.val if whole_alphabet else corpus.train)


def encode_corpus(corpus: Corpus, spec: str) -> EncodedCorpus:
    """Build the tokenizer and encode both texts with it.

    Raises:
        TokenizerError: an unknown spec, or a tokenizer that does not give the bytes back.
    """
    tokenizer = build_tokenizer(corpus, spec)
    check_rebuild(tokenizer, corpus.train[:1000])
    train_ids = tokenizer.encode_array(corpus.train)
    val_ids = tokenizer.encode_array(corpus.val)
    audit(tokenizer, corpus.train, train_ids)
    return EncodedCorpus(
        tokenizer=tokenizer,
        train_ids=train_ids,
        val_ids=val_ids,
        train_ends=token_lengths(tokenizer)[train_ids].cumsum(),
        vocab_seen=len(np.unique(train_ids)),
        val_bytes=audit(tokenizer, corpus.val, val_ids),
        val_chars=len(corpus.val),
    )
