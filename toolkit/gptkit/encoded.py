"""One corpus under one tokenizer: its texts encoded, and audited before anything trains."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gptkit.corpus import Corpus
from gptkit_tokenizers import (
    Tokenizer,
    audit,
    check_rebuild,
    get_tokenizer,
    token_lengths,
    tokenizer_from_dict,
)


@dataclass(frozen=True, kw_only=True)
class EncodedText:
    """A text under a tokenizer.

    Attributes:
        ids: (N,) in the vocabulary's smallest unsigned dtype.
        ends: (N,) the byte of the text at which each token ends.
    """

    ids: np.ndarray
    ends: np.ndarray
    n_bytes: int
    n_chars: int

    @property
    def bytes_per_token(self) -> float:
        return self.n_bytes / len(self.ids)


@dataclass(frozen=True, kw_only=True)
class EncodedCorpus:
    """The corpus's texts under a tokenizer; `test` is None where the corpus has none."""

    tokenizer: Tokenizer
    train: EncodedText
    val: EncodedText
    test: EncodedText | None = None

    def __getstate__(self) -> dict[str, Any]:
        """For another process: the tokenizer goes as what rebuilds it."""
        return {**self.__dict__, "tokenizer": self.tokenizer.to_dict()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({**state, "tokenizer": tokenizer_from_dict(state["tokenizer"])})

    @cached_property
    def vocab_seen(self) -> int:
        """How many of the vocabulary's ids the training text uses."""
        return len(np.unique(self.train.ids))


def build_tokenizer(corpus: Corpus, spec: str) -> Tokenizer:
    """The tokenizer that a spec names, for a corpus.

    `char` takes its alphabet from the whole corpus, as the lecture does; any other tokenizer
    that is built from text sees the training text alone.
    """
    whole_alphabet = spec in ("char", "char+bytes")
    return get_tokenizer(spec, corpus.text if whole_alphabet else corpus.train)


def encode_text(tokenizer: Tokenizer, text: str) -> EncodedText:
    """Encode a text, and account for its every byte.

    Raises:
        TokenizerError: the tokenizer does not give the bytes back.
    """
    ids = tokenizer.encode_array(text)
    return EncodedText(
        ids=ids,
        n_bytes=audit(tokenizer, text, ids),
        ends=token_lengths(tokenizer)[ids].cumsum(),
        n_chars=len(text),
    )


def encode_corpus(corpus: Corpus, spec: str) -> EncodedCorpus:
    """Build the tokenizer and encode the corpus's texts with it.

    Raises:
        TokenizerError: an unknown spec, or a tokenizer that does not give the bytes back.
    """
    tokenizer = build_tokenizer(corpus, spec)
    check_rebuild(tokenizer, corpus.train[:1000])
    return EncodedCorpus(
        tokenizer=tokenizer,
        train=encode_text(tokenizer, corpus.train),
        val=encode_text(tokenizer, corpus.val),
        test=None if corpus.test is None else encode_text(tokenizer, corpus.test),
    )
