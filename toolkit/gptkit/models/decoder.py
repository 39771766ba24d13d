"""The decoder-only transformer: one class; its ModelConfig holds every choice."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gptkit.config import ModelConfig
from gptkit.data.id_array import IdArray
from gptkit.data.used_ids import used_ids
from gptkit.models.attention import ATTENTION, KVCache, projection, rotary_table
from gptkit.models.compact_softmax import CompactEmbedding, CompactHead, head_columns
from gptkit.models.elementwise import RMSNorm, SquaredReLU
from gptkit.models.ngrams import MAX_NGRAM, HashedNgrams, shift_half
from gptkit.models.protocol import ParamCounts


def make_norm(config: ModelConfig) -> nn.Module:
    """Make the norm that the config chooses for vectors (…, C), or the identity."""
    if config.norm == "layer":
        return nn.LayerNorm(config.n_embd, bias=config.bias)
    if config.norm == "rms_gain":
        return RMSNorm(config.n_embd)
    return nn.Identity() if config.norm is None else RMSNorm()


def swiglu(x: Tensor) -> Tensor:
    """Return silu(gate) · up; gate and up are the two halves of x: (…, 2W) -> (…, W).

    Shazeer, "GLU variants improve Transformer", 2020.
    """
    gate, up = x.chunk(2, dim=-1)
    return F.silu(gate) * up


ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu2": SquaredReLU.apply,
    "relu": F.relu,
    "gelu": partial(F.gelu, approximate="tanh"),  # as in GPT-2
    "swiglu": swiglu,
}


def sinusoids(block_size: int, n_embd: int) -> Tensor:
    """Return sinusoidal position vectors (T, C) of unit variance.

    Vaswani et al., "Attention is all you need", 2017, section 3.5, times √2.
    """
    cos, sin = rotary_table(block_size, n_embd)  # (T, C / 2), rounded up
    return math.sqrt(2) * torch.cat([sin, cos], dim=1)[:, :n_embd]


class MLP(nn.Module):
    """Two linear layers and an activation on each position: C -> 4C (or `n_hidden`) -> C."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        gated = config.activation == "swiglu"
        self.fc = nn.Linear(config.n_embd, config.mlp_width * (1 + gated), bias=config.bias)
        self.proj = projection(config.mlp_width, config)
        self.activation = ACTIVATIONS[config.activation]
        self.dropout = nn.Dropout(config.dropout or 0.0)

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.proj(self.activation(self.fc(x))))


class Block(nn.Module):
    """Attention, then the MLP. Each reads a normalised copy of its input, and is added to it.

    Without `residual`, each output replaces its input. All options that concern blocks are handled
    here and in `projection`.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.residual = config.residual
        self.attention_norm = make_norm(config)
        self.attention = ATTENTION[config.attention](config)
        self.mlp_norm = make_norm(config) if config.mlp else nn.Identity()
        self.mlp = MLP(config) if config.mlp else None

    def forward(
        self, x: Tensor, rotary: tuple[Tensor, Tensor] | None, cache: KVCache | None
    ) -> Tensor:
        x = self._join(x, self.attention(self.attention_norm(x), rotary, cache))
        return x if self.mlp is None else self._join(x, self.mlp(self.mlp_norm(x)))

    def _join(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y if self.residual else y


def _linears(config: ModelConfig) -> list[tuple[int, int]]:
    """Return the input and output sizes of a block's linear layers."""
    C, W = config.n_embd, config.mlp_width
    attention = [(C, 3 * C if config.attention == "softmax" else C), (C, C)]
    mlp = [(C, 2 * W if config.activation == "swiglu" else W), (W, C)]
    parts = [attention, mlp if config.mlp else []]
    return [linear for part in parts for linear in (part if config.residual else part[:1])]


class Cache:
    """A decoder's memory of the ids it has read: each layer's keys and values, and the last ids.

    The embedding of the next position needs the last ids for its n-grams.
    """

    def __init__(self, n_layer: int, block_size: int) -> None:
        self.layers = [KVCache(block_size) for _ in range(n_layer)]
        self._recent: Tensor | None = None

    def __len__(self) -> int:
        return len(self.layers[0])

    def read(self, ids: Tensor) -> Tensor:
        """Return ids (B, T) with the last ids read before them in front."""
        if self._recent is not None:
            ids = torch.cat([self._recent, ids], dim=1)
        self._recent = ids[:, -MAX_NGRAM:]
        return ids


class Decoder(nn.Module):
    """A decoder-only transformer: it predicts the next id at each position of ids (B, T).

    The head always starts at zero, so an untrained decoder's loss is ln V and the compact
    softmax is exact. The body's initial weights do not depend on the vocabulary: two tokenizers
    with the same seed start from the same body.

    Args:
        config: every choice of the architecture.
        vocab_size: V, the size of the tokenizer's vocabulary.
        support: the ids (k,) that the training text uses, from `find_support`.
        block_size: the longest context in tokens; T is at most this.
    """

    has_fixed_shapes: ClassVar[bool] = True
    support_is_pairs: ClassVar[bool] = False

    def __init__(
        self, config: ModelConfig, vocab_size: int, support: Tensor, *, block_size: int
    ) -> None:
        super().__init__()
        self.block_size = block_size
        self.config = config
        self.vocab_size = vocab_size
        learned = config.positions == "learned"
        self.position = nn.Embedding(block_size, config.n_embd) if learned else None
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.n_layer))
        self._init_body()
        std = 0.02 if config.init == "gpt2" else 1.0
        self.embedding = CompactEmbedding(vocab_size, config.n_embd, support, std=std)
        rows = config.ngram_rows
        self.ngrams = None if rows is None else HashedNgrams(rows, config.n_embd)
        self.dropout = nn.Dropout(config.dropout or 0.0)
        self.embedding_norm = make_norm(config) if config.embedding_norm else nn.Identity()
        self.norm = make_norm(config)
        self.head = CompactHead(vocab_size, config.n_embd, support)
        self.support: Tensor
        self.cos: Tensor
        self.sin: Tensor
        self.register_buffer("support", support)
        if config.positions == "rotary":
            cos, sin = rotary_table(block_size, config.head_dim)
            self.register_buffer("cos", cos, persistent=False)
            self.register_buffer("sin", sin, persistent=False)

    @staticmethod
    def find_support(train_ids: IdArray, vocab_size: int) -> Tensor:
        return torch.from_numpy(used_ids(train_ids, vocab_size))

    def _init_body(self) -> None:
        init = self.config.init
        if self.position is not None and init == "gpt2":
            nn.init.normal_(self.position.weight, std=0.02)
        if self.position is not None and init == "unit":
            with torch.no_grad():
                self.position.weight.copy_(sinusoids(self.block_size, self.config.n_embd))
        for name, module in self.blocks.named_modules():
            if not isinstance(module, nn.Linear):
                continue
            if init != "torch":
                std = 1 / math.sqrt(module.in_features) if init == "unit" else 0.02
                nn.init.normal_(module.weight, std=std)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
            if self.config.zero_init_residual and name.endswith("proj"):
                nn.init.zeros_(module.weight)

    def hidden(self, ids: Tensor, cache: Cache | None = None) -> Tensor:
        """Return the head's input: ids (B, T) -> (B, T, C)."""
        T = ids.shape[1]
        end = T + (0 if cache is None else len(cache))
        if end > self.block_size:
            raise ValueError(f"{end} positions do not fit in block_size {self.block_size}")
        x = self._embed(ids if cache is None else cache.read(ids), end)[:, -T:]
        rotary = None
        if self.config.positions == "rotary":
            rotary = self.cos[end - T : end], self.sin[end - T : end]
        for i, block in enumerate(self.blocks):
            x = block(x, rotary, None if cache is None else cache.layers[i])
        return self.norm(x)

    def _embed(self, ids: Tensor, end: int) -> Tensor:
        """Embed ids (B, T), the last of which is at position end - 1 -> (B, T, C)."""
        x = self.embedding(ids)
        if self.ngrams is not None:
            x = x + self.ngrams(ids)
        if self.position is not None:
            x = x + self.position.weight[end - ids.shape[1] : end]
        x = self.embedding_norm(self.dropout(x))
        return shift_half(x) if self.config.token_shift else x

    def nll(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Return nats per target: ids (B, T), targets (B, T) -> (B, T)."""
        return self.head.nll(self.hidden(ids), targets)

    def next_log_probs(self, ids: Tensor, cache: Cache | None = None) -> Tensor:
        """Return log-probabilities (B, V) of the id that follows ids (B, T).

        With a cache, give only ids that the model has not read. Without one, the last
        `block_size` ids count.
        """
        if cache is None:
            ids = ids[:, -self.block_size :]
        return self.head.log_probs(self.hidden(ids, cache)[:, -1])

    def new_cache(self) -> Cache:
        return Cache(self.config.n_layer, self.block_size)

    def gradient_copies(self) -> dict[nn.Parameter, Tensor]:
        """Return how many dense columns each column of the head stands for."""
        return {self.head.weight: self.head.copies.unsqueeze(-1)}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        groups: dict[str, list[nn.Parameter]] = {}
        for name, p in self.named_parameters():
            room = name.split(".")[0]
            if room == "blocks" and p.ndim == 2:
                group = "matrices"
            elif room in ("embedding", "position"):
                group = {"embedding": "embedding", "position": "positions"}[room]
            else:
                group = "vectors" if p.ndim == 1 else "other"
            groups.setdefault(group, []).append(p)
        return groups

    def num_params(self) -> ParamCounts:
        """Count the parameters of the whole (dense) model."""
        return self.count_params(
            self.config, vocab_size=self.vocab_size, block_size=self.block_size
        )

    @staticmethod
    def count_params(config: ModelConfig, *, vocab_size: int, block_size: int) -> ParamCounts:
        """Return what `num_params` returns, without building the model."""
        C = config.n_embd
        norm = {"layer": C * (1 + config.bias), "rms_gain": C}.get(config.norm or "", 0)
        linears = _linears(config)
        block = sum((n_in + config.bias) * n_out for n_in, n_out in linears)
        block += norm * (1 + config.mlp)
        if config.norm == "rms_gain" and config.qk_norm:
            block += 2 * config.head_dim
        positions = block_size if config.positions == "learned" else 0
        return ParamCounts(
            embedding=(vocab_size + positions + (config.ngram_rows or 0)) * C,
            body=config.n_layer * block + norm * (1 + config.embedding_norm),
            head=vocab_size * C,
        )

    @classmethod
    def count_stored(
        cls, config: ModelConfig, *, vocab_size: int, support: int, block_size: int
    ) -> int:
        """Return the numbers of the stored model: all but the head's columns of unused ids."""
        dense = cls.count_params(config, vocab_size=vocab_size, block_size=block_size)
        head = head_columns(support, vocab_size) * config.n_embd
        return dense.embedding + dense.body + head

    @staticmethod
    def flops_per_token(config: ModelConfig, *, columns: int, block_size: int) -> int:
        """Return the FLOPs of training on one token: matrix products, forward and backward.

        A product with n weights costs 2n forward and 4n backward. Attention's scores and mixing
        cost 4TC and 8TC in windows of T = block_size, masked positions included.

        Args:
            columns: columns of the head: `head_columns` for the compact softmax, V for the full.
        """
        C, L = config.n_embd, config.n_layer
        weights = L * sum(n_in * n_out for n_in, n_out in _linears(config)) + columns * C
        scored = L * block_size * C if config.attention == "softmax" else 0
        return 6 * weights + 12 * scored
