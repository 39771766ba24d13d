"""Masked softmax attention with several heads, rotary positions or none, and a cache."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptkit.config import ModelConfig
from gptkit.models.elementwise import rms_norm


class KVCache:
    """Keys and values of one layer for the positions read so far, at most `block_size`."""

    def __init__(self, block_size: int) -> None:
        self._block_size = block_size
        self._kept: Tensor | None = None  # (2, B, H, block_size, D)
        self._read = 0

    def extend(self, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Append k and v (B, H, T, D); return all keys and values (B, H, T + read before, D)."""
        if self._kept is None:
            B, H, _, D = k.shape
            self._kept = k.new_empty(2, B, H, self._block_size, D)
        start, self._read = self._read, self._read + k.shape[2]
        self._kept[0, :, :, start : self._read] = k
        self._kept[1, :, :, start : self._read] = v
        keys, values = self._kept[:, :, :, : self._read]
        return keys, values

    def __len__(self) -> int:
        return self._read


def rotary_table(block_size: int, head_dim: int, base: float = 10_000.0) -> tuple[Tensor, Tensor]:
    """Return cosines and sines (T, D / 2) of position times frequency.

    Su et al., "RoFormer: Enhanced Transformer with Rotary Position Embedding", 2021.
    """
    frequency = base ** (-torch.arange(0, head_dim, 2).float() / head_dim)
    angle = torch.arange(block_size).float()[:, None] * frequency  # (T, D / 2)
    return angle.cos(), angle.sin()


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the channel pairs (i, i + D / 2) of x (…, T, D) by the table's angles (T, D / 2)."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


def projection(n_in: int, config: ModelConfig) -> nn.Module:
    """Map a part's output (…, n_in) to the residual stream (…, C), if there is one."""
    return nn.Linear(n_in, config.n_embd, bias=config.bias) if config.residual else nn.Identity()


class CausalSelfAttention(nn.Module):
    """Each position gets a weighted mean of the values of itself and the positions before it.

    Vaswani et al., "Attention is all you need", 2017, with queries and keys optionally
    normalised (Henry et al., "Query-Key Normalization for Transformers", 2020).
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.qkv = nn.Linear(config.n_embd, 3 * config.n_embd, bias=config.bias)
        self.proj = projection(config.n_embd, config)
        self.dropout = nn.Dropout(config.dropout or 0.0)
        self.q_gain: nn.Parameter | None = None  # (D,), one for all heads
        self.k_gain: nn.Parameter | None = None
        if config.qk_norm and config.norm == "rms_gain":
            self.q_gain = nn.Parameter(torch.ones(config.head_dim))
            self.k_gain = nn.Parameter(torch.ones(config.head_dim))

    def forward(
        self, x: Tensor, rotary: tuple[Tensor, Tensor] | None, cache: KVCache | None
    ) -> Tensor:
        B, T, C = x.shape
        q, k, v = self._heads(x, rotary)
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

    def scores(self, x: Tensor, rotary: tuple[Tensor, Tensor] | None) -> Tensor:
        """Return queries times keys / √D of all positions: x (B, T, C) -> (B, H, T, T)."""
        q, k, _ = self._heads(x, rotary)
        return q @ k.mT / math.sqrt(self.config.head_dim)

    def weights(self, x: Tensor, rotary: tuple[Tensor, Tensor] | None) -> Tensor:
        """Return each position's weights, rows that sum to 1: x (B, T, C) -> (B, H, T, T)."""
        scores = self.scores(x, rotary)
        later = torch.ones_like(scores, dtype=torch.bool).triu(1)
        return scores.masked_fill(later, -torch.inf).softmax(dim=-1)

    def _heads(self, x: Tensor, rotary: tuple[Tensor, Tensor] | None) -> list[Tensor]:
        """Return queries, keys and values of x (B, T, C): (B, H, T, D) each."""
        c = self.config
        B, T, _ = x.shape
        qkv = self.qkv(x).view(B, T, 3, c.n_head, c.head_dim)
        qkv = qkv.permute(2, 0, 3, 1, 4)  # (3, B, H, T, D)
        qk, v = qkv.split([2, 1])  # slices would fill their gradients with zeros, and add them
        if c.qk_norm:
            qk = rms_norm(qk)
        if self.q_gain is not None and self.k_gain is not None:
            qk = qk * torch.stack([self.q_gain, self.k_gain])[:, None, None, None]
        if rotary is not None:
            qk = rotate(qk, *rotary)
        return [*qk, *v]


class CausalAverage(nn.Module):
    """Each position gets the mean of the values of itself and the positions before it.

    This is attention without queries and keys: every position has the same weight.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.value = nn.Linear(config.n_embd, config.n_embd, bias=config.bias)
        self.proj = projection(config.n_embd, config)
        self.dropout = nn.Dropout(config.dropout or 0.0)

    def forward(
        self, x: Tensor, rotary: tuple[Tensor, Tensor] | None, cache: KVCache | None
    ) -> Tensor:
        T = x.shape[1]
        v = self.value(x).unsqueeze(1)  # (B, 1, T, C): one head
        if cache is not None:
            _, v = cache.extend(v, v)
        count = torch.arange(1, v.shape[2] + 1, device=x.device).unsqueeze(-1)
        mean = (v.cumsum(dim=2) / count)[:, 0, -T:]  # (B, T, C)
        return self.dropout(self.proj(mean))

    def weights(self, x: Tensor, rotary: tuple[Tensor, Tensor] | None) -> Tensor:
        """Return each position's weights, rows that sum to 1: x (B, T, C) -> (B, 1, T, T)."""
        B, T, _ = x.shape
        equal = torch.ones(B, 1, T, T, dtype=x.dtype, device=x.device).tril()
        return equal / equal.sum(dim=-1, keepdim=True)


ATTENTION = {"softmax": CausalSelfAttention, "average": CausalAverage}
