"""Encode a corpus with one tokenizer, and audit every byte before anything trains.

The ids of a training text too large for memory are on disk, in the user's cache.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gptkit.data.corpus import Corpus
from gptkit.data.freed_memory import return_freed_memory
from gptkit.data.id_array import EndsArray, IdArray
from gptkit.data.named_texts import cache_folder
from gptkit.data.shards import OnBytes, encode_shards
from gptkit.data.text_on_disk import LargeText
from gptkit.data.used_ids import used_ids
from gptkit_tokenizers import (
    LossReport,
    LossyTokenizer,
    Tokenizer,
    TokenizerError,
    audit,
    check_rebuild,
    check_repeats,
    get_tokenizer,
    measure_loss,
    token_lengths,
    tokenizer_from_dict,
)
from gptkit_tokenizers.spec import parse_spec

REPEAT_CHECK_CHARS = 1000  # characters of the training text that are encoded twice
MAX_LEARNING_CHARS = 32_000_000  # of training text, to learn a vocabulary from


@dataclass(frozen=True, kw_only=True)
class EncodedText:
    """A text under a tokenizer.

    Attributes:
        ids: (N,) in the vocabulary's smallest unsigned dtype.
        ends: (N,) the byte of the text at which each token ends. For a lossy tokenizer this is
            approximate, in proportion.
        utf8: the text itself; None for a training text.
        lost_bytes: bytes of the text that the tokens do not spell.
        lost_nats: the cost of restoring the lost bytes; see `gptkit_tokenizers.LossReport`.
        on_disk: whether `ids` and `ends` are read from disk.
    """

    ids: IdArray
    ends: EndsArray
    n_bytes: int
    n_chars: int
    utf8: bytes | None = None
    lost_bytes: int = 0
    lost_nats: float = 0.0
    on_disk: bool = False

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
        """Replace the tokenizer by its record, from which another process rebuilds it."""
        assert self.tokenizer.rebuilds
        return {**self.__dict__, "tokenizer": self.tokenizer.to_dict()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({**state, "tokenizer": tokenizer_from_dict(state["tokenizer"])})

    @property
    def reported(self) -> EncodedText:
        """The text that the reported loss is from: test, or val if there is no test text."""
        return self.val if self.test is None else self.test

    @cached_property
    def vocab_seen(self) -> int:
        """How many of the vocabulary's ids the training text uses."""
        return len(used_ids(self.train.ids, self.tokenizer.vocab_size))


def build_tokenizer(corpus: Corpus, spec: str) -> Tokenizer:
    """Build the tokenizer that a spec names, for a corpus.

    `char` takes its alphabet from the whole corpus, as the lecture does. Every other learned
    tokenizer sees only the training text; of a large one, its first 32 million characters.
    """
    whole_alphabet = parse_spec(spec).base in ("char", "char+bytes")
    return get_tokenizer(
        spec, corpus.alphabet() if whole_alphabet else corpus.train[:MAX_LEARNING_CHARS]
    )


def encode_text(
    tokenizer: Tokenizer, text: str, *, lossy_ok: bool = False, keep_utf8: bool = False
) -> EncodedText:
    """Encode a text, and account for every byte.

    Args:
        keep_utf8: keep the text in the result.

    Raises:
        TokenizerError: the tokenizer does not give the bytes back, unless `lossy_ok`.
    """
    ids = tokenizer.encode_array(text)
    ends = token_lengths(tokenizer)[ids].cumsum()
    try:
        n_bytes = audit(tokenizer, text, ids)
        found = LossReport(n_bytes=n_bytes, spelled=n_bytes, kept=n_bytes)
    except LossyTokenizer as error:
        if not lossy_ok:
            raise
        found = measure_loss(error.data, error.spelled)
        if not found.kept:
            raise TokenizerError(f"{tokenizer.name} spells nothing of the text.") from error
        ends = ends * found.n_bytes // found.spelled
    return EncodedText(
        ids=ids,
        ends=ends,
        n_bytes=found.n_bytes,
        n_chars=len(text),
        utf8=text.encode() if keep_utf8 else None,
        lost_bytes=found.lost,
        lost_nats=found.nats,
    )


def encode_large(
    tokenizer: Tokenizer, text: LargeText, sha256: str, on_bytes: OnBytes
) -> EncodedText:
    """Return the ids of a large text, from the cache if they are there; see `gptkit.data.shards`.

    Args:
        sha256: the hash of the corpus.
    """
    described = json.dumps([tokenizer.to_dict(), sha256, len(text)], sort_keys=True)
    folder = cache_folder() / "shards" / hashlib.sha256(described.encode()).hexdigest()[:32]
    shards = encode_shards(tokenizer, text, folder, on_bytes=on_bytes)
    return EncodedText(
        ids=shards.ids,
        ends=shards.ends,
        n_bytes=shards.n_bytes,
        n_chars=shards.n_chars,
        on_disk=True,
    )


def encode_corpus(
    corpus: Corpus,
    tokenizer: str | Tokenizer,
    *,
    lossy_ok: bool = False,
    on_bytes: OnBytes = lambda done, n: None,
) -> EncodedCorpus:
    """Encode the corpus's texts with a tokenizer, or with the one that a spec names.

    Args:
        lossy_ok: accept a tokenizer that loses bytes; never accepted for a large text.
        on_bytes: called during the encoding of a large text, with the bytes done and all bytes.

    Raises:
        TokenizerError: an unknown spec, or a tokenizer that does not give the bytes back, unless
            `lossy_ok`.
    """
    if isinstance(tokenizer, str):
        tokenizer = build_tokenizer(corpus, tokenizer)
    check_repeats(tokenizer, corpus.train[:REPEAT_CHECK_CHARS])
    check_rebuild(tokenizer, corpus.train[:REPEAT_CHECK_CHARS])
    if isinstance(corpus.train, LargeText):
        return_freed_memory()
        train = encode_large(tokenizer, corpus.train, corpus.sha256, on_bytes)
        return_freed_memory()
    else:
        train = encode_text(tokenizer, corpus.train, lossy_ok=lossy_ok)
    val, test = (
        None if text is None else encode_text(tokenizer, text, lossy_ok=lossy_ok, keep_utf8=True)
        for text in (corpus.val, corpus.test)
    )
    assert val is not None
    return EncodedCorpus(tokenizer=tokenizer, train=train, val=val, test=test)
