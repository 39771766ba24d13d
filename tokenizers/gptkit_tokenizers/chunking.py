"""Encode a large text in chunks over threads, with the same ids as in one call.

The libraries and NumPy release Python's lock while they work. So threads use all cores without
copying the text to other processes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from gptkit_tokenizers.base import Tokenizer, TokenizerError, utf8

if TYPE_CHECKING:
    import numpy as np

    from gptkit_tokenizers.fast import FastEncoder
    from gptkit_tokenizers.word_cache import WordCache

NextCut: TypeAlias = Callable[[str, int], int]  # text, index -> the first safe cut at or after it
Encode: TypeAlias = "Callable[[str], np.ndarray]"  # text -> ids (N,)

CHUNK_CHARS = 1_000_000  # a text of up to four chunks is encoded in one call


def encode_in_chunks(
    text: str,
    encode: Encode,
    *,
    next_cut: NextCut | None = lambda text, index: index,
    chunk: int | None = None,
) -> np.ndarray:
    """Return `encode(text)`; a large text is cut at places that cannot change an id.

    Args:
        next_cut: returns the first safe cut at or after an index, or len(text) without one; None
            if no cut is safe.
        chunk: characters per chunk, about; None for `CHUNK_CHARS`.
    """
    chunk = chunk or CHUNK_CHARS
    if next_cut is None or len(text) <= 4 * chunk:
        return encode(text)

    import numpy as np

    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return np.concatenate(list(pool.map(encode, cut_text(text, next_cut, chunk))))
    except TokenizerError:
        return encode(text)  # raises again, with the index in the whole text


class PieceEncoder:
    """How a borrowed tokenizer encodes: a large text in pieces, by a faster engine if there is one,
    else with a table of the words that were met before.

    Args:
        tokenizer: the tokenizer.
        encode: its library's encoding of a piece.
        find_cuts: returns where a text may be cut; None if nowhere. Called for a large text only.
        load_fast: loads the faster engine, see `gptkit_tokenizers.fast`.
        chunk: characters per piece, about.
    """

    def __init__(
        self,
        tokenizer: Tokenizer,
        encode: Encode,
        *,
        find_cuts: Callable[[], NextCut | None],
        load_fast: Callable[[], Encode | None],
        chunk: int,
    ) -> None:
        self._tokenizer, self._encode, self._chunk = tokenizer, encode, chunk
        self._find_cuts, self._load_fast = find_cuts, load_fast

    def encode(self, text: str) -> np.ndarray:
        """Return the ids of a text (N,)."""
        utf8(text)
        if len(text) <= 4 * self._chunk or self.next_cut is None:
            return self._encode(text)
        ids = self._fast.encode(text, self.next_cut)
        if ids is not None:
            return ids
        return encode_in_chunks(text, self._words.encode, next_cut=self.next_cut, chunk=self._chunk)

    @cached_property
    def next_cut(self) -> NextCut | None:
        return self._find_cuts()

    @cached_property
    def _words(self) -> WordCache:
        from gptkit_tokenizers.cuts import next_word
        from gptkit_tokenizers.word_cache import WordCache

        line_breaks = self.next_cut is next_word
        return WordCache(self._tokenizer, self._encode, line_breaks=line_breaks)

    @cached_property
    def _fast(self) -> FastEncoder:
        from gptkit_tokenizers.fast import FastEncoder

        return FastEncoder(self._tokenizer, self._encode, self._load_fast)


def cut_text(text: str, next_cut: NextCut, chunk: int) -> Iterator[str]:
    """Yield the text in pieces of about `chunk` characters, cut at safe places.

    >>> list(cut_text("to be", lambda text, index: index, 2))
    ['to', ' b', 'e']
    """
    start = 0
    while start < len(text):
        end = next_cut(text, start + chunk) if start + chunk < len(text) else len(text)
        yield text[start:end]
        start = end
