"""Counted models: unigrams and bigrams of ids, smoothed by Witten and Bell's rule.

The rule has no constant to choose. After a history that was seen n times, followed by t different
ids, a share t / (n + t) goes to the next shorter history ("The zero-frequency problem", 1991; in
the interpolated form of Chen and Goodman, "An empirical study of smoothing techniques for language
modeling", 1996). The shortest history is the uniform distribution over the vocabulary, so every id
has a probability.
"""

from __future__ import annotations

import numpy as np


class CountedBigram:
    """The counts of a training text's ids and pairs of ids.

    Args:
        train: the ids (N,), int64.
        vocab_size: V.
    """

    def __init__(self, train: np.ndarray, vocab_size: int) -> None:
        self.vocab_size = vocab_size
        self._n = len(train)
        self._counts = np.bincount(train, minlength=vocab_size)
        self._different = int((self._counts > 0).sum())
        self._pairs, self._pair_counts = np.unique(
            train[:-1] * vocab_size + train[1:], return_counts=True
        )
        self._seen = np.bincount(train[:-1], minlength=vocab_size)  # as a history
        self._followers = np.bincount(self._pairs // vocab_size, minlength=vocab_size)

    def unigram(self, ids: np.ndarray) -> np.ndarray:
        """Return the probability of each id, in the shape of `ids`."""
        return _witten_bell(self._counts[ids], self._n, self._different, 1 / self.vocab_size)

    def bigram(self, history: np.ndarray, ids: np.ndarray) -> np.ndarray:
        """Return the probability of each id after the id in `history`, both of one shape."""
        wanted = history * self.vocab_size + ids
        at = np.searchsorted(self._pairs, wanted).clip(max=max(0, len(self._pairs) - 1))
        count = np.zeros(wanted.shape, dtype=np.int64)
        if len(self._pairs):
            count = np.where(self._pairs[at] == wanted, self._pair_counts[at], 0)
        return _witten_bell(count, self._seen[history], self._followers[history], self.unigram(ids))


def _witten_bell(
    count: np.ndarray,
    seen: np.ndarray | int,
    followers: np.ndarray | int,
    shorter: np.ndarray | float,
) -> np.ndarray:
    """Return an id's probability after a history; `shorter` is the one without the history."""
    after = (count + followers * shorter) / np.maximum(seen + followers, 1)
    return np.where(seen, after, shorter)  # an unseen history has no counts
