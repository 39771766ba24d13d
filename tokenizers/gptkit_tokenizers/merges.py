"""The merges of a table of ranks: the pair of tokens that each token is made of."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TypeVar

T = TypeVar("T", bytes, str)


def find_merges(ranks: Mapping[T, int]) -> list[tuple[T, T]]:
    """Return the pairs that tiktoken and SentencePiece merge, in the order of their ranks.

    Each token is encoded with the others; the last two parts are its pair. There is no other one:
    the merges inside a token's span are the same wherever the token stands, because none of them
    crosses the span's ends. A token that ends in more parts is no merge of two tokens, and is only
    found as a whole word.

    >>> find_merges({b"a": 0, b"b": 1, b"c": 2, b"bc": 3, b"abc": 4})
    [(b'b', b'c'), (b'a', b'bc')]
    """
    merges = []
    for token in sorted(ranks, key=ranks.__getitem__):
        if len(token) < 2:
            continue
        parts = [token[i : i + 1] for i in range(len(token))]
        while len(parts) > 2:
            found = [ranks.get(a + b) for a, b in pairwise(parts)]
            known = [rank for rank in found if rank is not None]
            if not known:
                break
            at = found.index(min(known))
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        if len(parts) == 2:
            merges.append((parts[0], parts[1]))
    return merges
