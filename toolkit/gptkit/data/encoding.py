"""One corpus under one tokenizer: its texts encoded, and audited before anything trains.

The ids of a training text too large for memory are on disk, in the user's cache.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, cast

import numpy as np

from gptkit.allocator import return_freed_memory
from gptkit.data.corpus import Corpus, cache_folder
from gptkit.data.shards import OnBytes, encode_shards
from gptkit.data.text_on_disk import LargeText
from gptkit.models.compact_softmax import used_ids
from gptkit_tokenizers import (
    Damage,
    LossyTokenizer,
    Tokenizer,
    TokenizerError,
    audit,
    check_rebuild,
    damage,
    get_tokenizer,
    token_lengths,
    tokenizer_from_dict,
)

LEARNED = 32_000_000  # characters of the training text, at most, that a vocabulary is learned from


@dataclass(frozen=True, kw_only=True)
class EncodedText:
    """A text under a tokenizer.

    Attributes:
        ids: (N,) in the vocabulary's smallest unsigned dtype; of a large training text on disk,
            `ShardedIds`, which are read as an array is, and `ends` are `ShardedEnds`.
        ends: (N,) the byte of the text at which each token ends; for a lossy tokenizer about
            there, in proportion.
        lost_bytes: of the text, which a lossy tokenizer's tokens do not spell.
        lost_nats: what those cost; see `gptkit_tokenizers.Damage`.
    """

    ids: np.ndarray
    ends: np.ndarray
    n_bytes: int
    n_chars: int
    lost_bytes: int = 0
    lost_nats: float = 0.0

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
        return len(used_ids(self.train.ids, self.tokenizer.vocab_size))


def build_tokenizer(corpus: Corpus, spec: str) -> Tokenizer:
    """The tokenizer that a spec names, for a corpus.

    `char` takes its alphabet from the whole corpus, as the lecture does; any other tokenizer
    that is built from text sees the training text alone, of a large one its start.
    """
    whole_alphabet = spec in ("char", "char+bytes")
    return get_tokenizer(spec, corpus.alphabet() if whole_alphabet else corpus.train[:LEARNED])


def encode_text(tokenizer: Tokenizer, text: str, *, lossy_ok: bool = False) -> EncodedText:
    """Encode a text, and account for its every byte.

    Raises:
        TokenizerError: the tokenizer does not give the bytes back, unless `lossy_ok`.
    """
    ids = tokenizer.encode_array(text)
    ends = token_lengths(tokenizer)[ids].cumsum()
    try:
        n_bytes = audit(tokenizer, text, ids)
        found = Damage(n_bytes=n_bytes, spelled=n_bytes, kept=n_bytes)
    except LossyTokenizer as error:
        if not lossy_ok:
            raise
        found = damage(error.data, error.spelled)
        if not found.kept:
            raise TokenizerError(f"{tokenizer.name} spells nothing of the text.") from error
        ends = ends * found.n_bytes // found.spelled
    return EncodedText(
        ids=ids,
        ends=ends,
        n_bytes=found.n_bytes,
        n_chars=len(text),
        lost_bytes=found.lost,
        lost_nats=found.nats,
    )


def encode_large(
    tokenizer: Tokenizer, text: LargeText, sha256: str, on_bytes: OnBytes
) -> EncodedText:
    """The ids of a large text, from the cache as far as they are there; see `gptkit.data.shards`.

    Args:
        sha256: of the corpus that the text begins.
    """
    described = json.dumps([tokenizer.to_dict(), sha256, len(text)], sort_keys=True)
    folder = cache_folder() / "shards" / hashlib.sha256(described.encode()).hexdigest()[:32]
    shards = encode_shards(tokenizer, text, folder, on_bytes=on_bytes)
    return EncodedText(
        ids=cast(np.ndarray, shards.ids),
        ends=cast(np.ndarray, shards.ends),
        n_bytes=shards.n_bytes,
        n_chars=shards.n_chars,
    )


def encode_corpus(
    corpus: Corpus, spec: str, *, lossy_ok: bool = False, on_bytes: OnBytes = lambda done, n: None
) -> EncodedCorpus:
    """Build the tokenizer and encode the corpus's texts with it.

    Args:
        lossy_ok: whether it may lose bytes; of a large text it never may.
        on_bytes: hears how many bytes of a large text are encoded, and of how many.

    Raises:
        TokenizerError: an unknown spec, or a tokenizer that does not give the bytes back, unless
            `lossy_ok`.
    """
    tokenizer = build_tokenizer(corpus, spec)
    check_rebuild(tokenizer, corpus.train[:1000])
    if isinstance(corpus.train, LargeText):
        return_freed_memory()
        train = encode_large(tokenizer, corpus.train, corpus.sha256, on_bytes)
        return_freed_memory()
    else:
        train = encode_text(tokenizer, corpus.train, lossy_ok=lossy_ok)
    val = encode_text(tokenizer, corpus.val, lossy_ok=lossy_ok)
    test = None if corpus.test is None else encode_text(tokenizer, corpus.test, lossy_ok=lossy_ok)
    return EncodedCorpus(tokenizer=tokenizer, train=train, val=val, test=test)
