"""Measure a tokenizer on a text, before anything is trained with it."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gptkit_tokenizers.base import Tokenizer, token_lengths

WORD = re.compile(r"\w+")
MAX_TIMED_CHARS = 5_000_000  # characters of the text that the speed is measured on
TIMING_SECONDS = 0.2  # for encoding, and again for decoding
MAX_LISTED_TOKENS = 10  # most frequent tokens, and longest tokens


@dataclass(frozen=True, kw_only=True)
class CountedToken:
    """A token of the text; `bytes` in hexadecimal."""

    id: int
    bytes: str
    text: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Measures:
    r"""Measures of a tokenizer on a text.

    Attributes:
        vocab_used: number of ids that the text uses.
        tokens_per_word: tokens per run of characters between white space.
        single_byte_share: share of the tokens that spell one byte.
        entropy_bits_per_byte: entropy of the ids' unigram distribution.
        renyi_efficiency: see the function of that name.
        words_whole: share of the text's words (\w+) that no token border cuts; None if the
            tokenizer loses bytes, because its borders are then not known.
        encode_mb_per_s, decode_mb_per_s: speed in 10^6 bytes per second.
    """

    vocab_size: int
    vocab_used: int
    tokens: int
    bytes_per_token: float
    tokens_per_word: float
    single_byte_share: float
    entropy_bits_per_byte: float
    renyi_efficiency: float
    words_whole: float | None
    chars_per_token: float
    encode_mb_per_s: float
    decode_mb_per_s: float
    frequent: list[CountedToken]
    longest: list[CountedToken]


def measure(tokenizer: Tokenizer, text: str, ids: np.ndarray) -> Measures:
    """Measure compression, use of the vocabulary, and speed.

    Args:
        ids: the ids (N,) of the text.

    >>> from gptkit_tokenizers import get_tokenizer
    >>> byte = get_tokenizer("byte")
    >>> found = measure(byte, "to be", byte.encode_array("to be"))
    >>> found.tokens_per_word, found.entropy_bits_per_byte
    (2.5, 2.321928094887362)
    """
    n_bytes = len(text.encode())
    counts = np.bincount(ids, minlength=tokenizer.vocab_size)
    share = counts[counts > 0] / len(ids)
    lengths = token_lengths(tokenizer)
    part = text[:MAX_TIMED_CHARS]
    part_ids = tokenizer.encode_array(part)
    part_mb = len(part.encode()) / 1e6
    used = np.flatnonzero(counts)
    frequent = used[np.argsort(-counts[used], kind="stable")][:MAX_LISTED_TOKENS]
    longest = used[np.argsort(-lengths[used], kind="stable")][:MAX_LISTED_TOKENS]
    return Measures(
        vocab_size=tokenizer.vocab_size,
        vocab_used=len(used),
        tokens=len(ids),
        bytes_per_token=n_bytes / len(ids),
        tokens_per_word=len(ids) / max(1, len(text.split())),
        single_byte_share=float(counts[lengths == 1].sum() / len(ids)),
        entropy_bits_per_byte=float(-(share * np.log2(share)).sum() * len(ids) / n_bytes),
        renyi_efficiency=renyi_efficiency(share),
        words_whole=_words_whole(text, lengths[ids].cumsum(), n_bytes),
        chars_per_token=len(text) / len(ids),
        encode_mb_per_s=part_mb / _seconds(lambda: tokenizer.encode_array(part)),
        decode_mb_per_s=part_mb / _seconds(lambda: tokenizer.decode_bytes(part_ids)),
        frequent=[_counted(tokenizer, int(i), int(counts[i])) for i in frequent],
        longest=[_counted(tokenizer, int(i), int(counts[i])) for i in longest],
    )


def renyi_efficiency(share: np.ndarray, *, order: float = 2.5) -> float:
    """Return the Rényi entropy of the ids, divided by its largest possible value: 0 to 1.

    H_a = ln(Σ p^a) / (1 - a), divided by ln of the number of ids that occur. In Zouhar et al.,
    "Tokenization and the noiseless channel", 2023, order 2.5 agreed best with translation
    quality.

    >>> renyi_efficiency(np.full(8, 1 / 8))
    1.0
    """
    if len(share) < 2:
        return 0.0
    return float(np.log((share**order).sum()) / (1 - order) / math.log(len(share)))


def _words_whole(text: str, ends: np.ndarray, n_bytes: int) -> float | None:
    return words_whole(text, ends) if ends[-1] == n_bytes else None


def words_whole(text: str, ends: np.ndarray) -> float:
    """Return the share of a text's words that are inside one token; tokens end at `ends` (N,).

    >>> words_whole("to be", np.array([1, 5]))
    0.5
    """
    at = np.fromiter((m.start() for m in WORD.finditer(text)), dtype=np.int64)
    to = np.fromiter((m.end() for m in WORD.finditer(text)), dtype=np.int64)
    if not len(at):
        return 1.0
    if not text.isascii():
        byte_of = np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
        sizes = 1 + (byte_of > 0x7F).astype(np.int64) + (byte_of > 0x7FF) + (byte_of > 0xFFFF)
        offset = np.concatenate([[0], sizes.cumsum()])
        at, to = offset[at], offset[to]
    borders = np.unique(ends)
    inside = np.searchsorted(borders, to, side="left") - np.searchsorted(borders, at, side="right")
    return float((inside == 0).mean())


def _seconds(work: Callable[[], object]) -> float:
    """Return the shortest duration of the runs that fit in `TIMING_SECONDS`, at least one."""
    best, until = math.inf, time.perf_counter() + TIMING_SECONDS
    while True:
        began = time.perf_counter()
        work()
        now = time.perf_counter()
        best = min(best, now - began)
        if now >= until:
            return best


def _counted(tokenizer: Tokenizer, token: int, count: int) -> CountedToken:
    return CountedToken(
        id=token,
        bytes=tokenizer.token_bytes(token).hex(),
        text=tokenizer.token_text(token),
        count=count,
    )
