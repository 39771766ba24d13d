"""Further inputs of the recipe `fast`: hashed n-grams, and the position before."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MAX_NGRAM = 4  # tokens in the longest n-gram
_MULTIPLIER = -7046029254386353131  # 2^64 / the golden ratio, in 64 bits with a sign


class HashedNgrams(nn.Module):
    """One embedding row for the last 2 ids, one for the last 3, one for the last 4; they are added.

    All n-grams share one table. A multiplicative hash chooses the row (Knuth, "The Art of
    Computer Programming", volume 3, 6.4), so the table has the same size for 65 ids and for
    50,257. N-grams with the same hash share a row. Pagnoni et al., "Byte Latent Transformer",
    2024. The table starts at zero, so an untrained one adds nothing.
    """

    def __init__(self, rows: int, n_embd: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(rows, n_embd))

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (B, T) -> (B, T, C). An n-gram that would begin before the first id adds nothing."""
        T = ids.shape[1]
        key, rows = ids, []
        for n in range(2, min(MAX_NGRAM, T) + 1):
            key = key[:, :-1] * _MULTIPLIER + ids[:, n - 1 :] + n  # (B, T - n + 1)
            rows.append((key * _MULTIPLIER >> 33) % len(self.weight))
        if not rows:
            return torch.zeros((), device=ids.device)
        # One look-up for all n, so that the table's gradient is computed once.
        found = F.embedding(torch.cat(rows, dim=1), self.weight)
        parts = found.split([row.shape[1] for row in rows], dim=1)
        x = F.pad(parts[0], (0, 0, 1, 0))  # (B, T, C)
        for n, part in enumerate(parts[1:], start=3):
            x[:, n - 1 :] += part
        return x


def shift_half(x: Tensor) -> Tensor:
    """Take the second half of the channels from the position before: (B, T, C) -> (B, T, C).

    So attention need not learn to look at the token before. Peng et al., "RWKV: Reinventing RNNs
    for the Transformer Era", 2023. The first position gets zeros.
    """
    here, before = x.chunk(2, dim=-1)
    return torch.cat([here, F.pad(before, (0, 0, 1, 0))[:, :-1]], dim=-1)
