"""Masked softmax attention over several heads, with rotary or no positions and a cache."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptkit.config import ModelConfig


class KVCache:
    """The keys and values of one layer for the positions read so far: (B, H, T, D) each."""

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        if self.keys is not None and self.values is not None:
            k, v = torch.cat([self.keys, k], dim=2), torch.cat([self.values, v], dim=2)
        self.keys, self.values = k, v
        return k, v

    def __len__(self) -> int:
        return 0 if self.keys is None else self.keys.shape[2]


def rotary_table(block_size: int, head_dim: int, base: float = 10_000.0) -> tuple[Tensor, Tensor]:
    """Cosines and sines (T, D / 2) of position times frequency.

    Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021.
    """
    frequency = base ** (-torch.arange(0, head_dim, 2).float() / head_dim)
    angle = torch.arange(block_size).float()[:, None] * frequency  # (T, D / 2)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the channel pairs (i, i + D / 2) of x (…, T, D) by the table's angles (T, D / 2)."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class CausalSelfAttention(nn.Module):
    """Each position mixes the values of itself and those before it.

    Vaswani et al., "Attention is all you need", 2017, with queries and keys optionally
    normalised (Henry et al., "Query-Key Normalization for Transformers", 2020).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.proj = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.dropout = nn.Dropout(config.dropout or 0.0)

    def forward(
        self, x: Tensor, rotary: tuple[Tensor, Tensor] | None, cache: KVCache | None
    ) -> Tensor:
        c = self.config
        B, T, C = x.shape
        qkv = self.qkv(x).view(B, T, 3, c.n_head, c.head_dim)
        qkv = qkv.permute(2, 0, 3, 1, 4)  # (3, B, H, T, D)
        qk, v = qkv[:2], qkv[2]
        if c.qk_norm:
            qk = F.rms_norm(qk, (c.head_dim,))
        if rotary is not None:
            qk = rotate(qk, *rotary)
        q, k = qk
        mask = None
        if cache is not None:
            read = len(cache)
            k, v = cache.extend(k, v)
            if T > 1:
                mask = torch.ones(T, read + T, dtype=torch.bool, device=x.device).tril(read)
        y = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=mask,
            is_causal=cache is None,
            dropout_p=self.dropout.p if self.training else 0.0,
        )
        return self.dropout(self.proj(y.transpose(1, 2).reshape(B, T, C)))
