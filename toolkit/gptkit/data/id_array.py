"""Types for ids and for the ends of tokens, in memory or on disk."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np


class IdArray(Protocol):
    """Ids (N,). Indexing by a slice or by an array of indices gives a NumPy array."""

    @property
    def dtype(self) -> np.dtype: ...
    def __len__(self) -> int: ...
    def __getitem__(self, index: Any, /) -> Any: ...


class EndsArray(Protocol):
    """The byte of the text at which each token ends (N,)."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: Any, /) -> Any: ...
    def searchsorted(self, positions: Any, /, side: Any = ...) -> Any: ...
