"""Encode a large text in chunks over threads, with the same ids as in one call.

NumPy and tiktoken release Python's lock while they work. So threads use all cores without copying
the text to other processes.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from gptkit_tokenizers.base import TokenizerError

if TYPE_CHECKING:
    import numpy as np

# GPT-2's pattern, and all later ones of OpenAI, begin a word at a single space before a letter, in
# any script. They also end one at a line break before a letter. So cutting the
# text there does not change its ids.
_LETTER = r"[^\W\d_]"
_BEFORE_WORD = re.compile(rf"\S(?= {_LETTER})|(?<=\S)\n(?={_LETTER})")
CHUNK_CHARS = 8_000_000  # a text of up to four chunks is encoded in one call


def encode_in_chunks(
    text: str,
    encode: Callable[[str], np.ndarray],
    *,
    next_cut: Callable[[str, int], int] = lambda text, index: index,
    chunk: int | None = None,
) -> np.ndarray:
    """Return `encode(text)`; a large text is cut at places that cannot change an id.

    Args:
        encode: text -> ids (n,).
        next_cut: returns the first safe cut at or after an index, or len(text) without one.
        chunk: characters per chunk, about; None for `CHUNK_CHARS`.
    """
    chunk = chunk or CHUNK_CHARS
    if len(text) <= 4 * chunk:
        return encode(text)

    import numpy as np

    def chunks() -> Iterator[str]:
        start = 0
        while start < len(text):
            end = next_cut(text, start + chunk) if start + chunk < len(text) else len(text)
            yield text[start:end]
            start = end

    try:
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            return np.concatenate(list(pool.map(encode, chunks())))
    except TokenizerError:
        return encode(text)  # raises again, with the index in the whole text


def next_word(text: str, index: int) -> int:
    """Return the first place at or after an index where GPT-2's pattern begins a word, or the end.

    >>> next_word("to be, or not", 3)
    6
    """
    found = _BEFORE_WORD.search(text, index)
    return found.end() if found else len(text)
