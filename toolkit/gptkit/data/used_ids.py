"""Find the ids that a training text uses."""

from __future__ import annotations

import numpy as np

from gptkit.data.id_array import IdArray

READ_CHUNK_IDS = 4_000_000


def used_ids(train_ids: IdArray, vocab_size: int) -> np.ndarray:
    """Return the sorted ids (k,) that a training text (N,) uses; the text may be on disk.

    >>> used_ids(np.array([4, 1, 4], dtype=np.uint8), vocab_size=9)
    array([1, 4])
    """
    counts = np.zeros(vocab_size, dtype=np.int64)
    for i in range(0, len(train_ids), READ_CHUNK_IDS):
        counts += np.bincount(train_ids[i : i + READ_CHUNK_IDS], minlength=vocab_size)
    return np.flatnonzero(counts)
