"""The lecture's bigram: a (V, V) table whose row i holds the logits of the id after i.

At GPT-2's V = 50,257 the table would be 10 GB. Each row is a softmax of its own, so the argument
of `gptkit.models.compact_softmax` holds row by row: the ids that never follow i in the training
text start at zero, get the same gradient, and stay equal. So a row is stored, exactly, as one
logit for each id that follows i, and one logit that all others share. Tiny Shakespeare under
GPT-2's BPE needs about 150,000 numbers instead of 2.5 billion.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from gptkit.config import ModelConfig
from gptkit.data.id_array import IdArray
from gptkit.data.used_ids import READ_CHUNK_IDS
from gptkit.models.compact_softmax import DivideGradient
from gptkit.models.protocol import ParamCounts


class Bigram(nn.Module):
    """A table of pairs. It starts from zeros, so its first loss is exactly ln V.

    Args:
        config: the model's config; the bigram reads nothing from it.
        block_size: the length of the windows; a bigram always looks back one token.
        vocab_size: V, the size of the tokenizer's vocabulary.
        support: the (id, next id) pairs (n,) of the training text from `find_support`, each as
            the number id · V + next id, sorted.
    """

    def __init__(
        self, config: ModelConfig, vocab_size: int, support: Tensor, *, block_size: int
    ) -> None:
        super().__init__()
        self.block_size = block_size
        self.vocab_size = vocab_size
        self.weight = nn.Parameter(torch.zeros(len(support)))  # (n,) a logit per pair
        self.shared = nn.Parameter(torch.zeros(vocab_size))  # (V,) the logit of all others
        first = torch.searchsorted(support, torch.arange(vocab_size + 1) * vocab_size)
        counts = first.diff()
        self.support: Tensor
        self.first: Tensor
        self.counts: Tensor
        self.copies: Tensor
        self.register_buffer("support", support)
        self.register_buffer("first", first[:-1], persistent=False)  # (V,) a row's first pair
        self.register_buffer("counts", counts, persistent=False)  # (V,) a row's pairs
        self.register_buffer("copies", (vocab_size - counts).float(), persistent=False)  # (V,)

    has_fixed_shapes: ClassVar[bool] = False  # it computes the rows that a batch has
    support_is_pairs: ClassVar[bool] = True

    @staticmethod
    def find_support(train_ids: IdArray, vocab_size: int) -> Tensor:
        """Return the sorted pairs (n,) of consecutive ids of a training text (N,)."""
        found, waiting = np.empty(0, dtype=np.int64), [np.empty(0, dtype=np.int64)]
        for i in range(0, len(train_ids) - 1, READ_CHUNK_IDS):
            ids = train_ids[i : i + READ_CHUNK_IDS + 1]
            pairs = ids[:-1].astype(np.int64) * vocab_size + ids[1:]
            counted = vocab_size**2 <= READ_CHUNK_IDS  # faster than sorting
            waiting.append(np.flatnonzero(np.bincount(pairs)) if counted else np.unique(pairs))
            if sum(map(len, waiting)) > len(found):  # merge rarely: each merge sorts all pairs
                found, waiting = np.unique(np.concatenate([found, *waiting])), []
        return torch.from_numpy(np.unique(np.concatenate([found, *waiting])))

    def nll(self, ids: Tensor, targets: Tensor) -> Tensor:
        """Return nats per target: ids (B, T), targets (B, T) -> (B, T)."""
        shared = DivideGradient.apply(self.shared, self.copies.clamp(min=1))
        rows, row_of = torch.unique(ids, return_inverse=True)
        normaliser = self._row_logsumexp(rows, shared)[row_of]  # (B, T)
        pairs = ids * self.vocab_size + targets
        at = torch.searchsorted(self.support, pairs).clamp(max=len(self.support) - 1)
        logits = torch.where(self.support[at] == pairs, self.weight[at], shared[ids])
        return normaliser - logits

    def _row_logsumexp(self, rows: Tensor, shared: Tensor) -> Tensor:
        """Return the log of Σ exp over all V columns of each row: (R,) -> (R,)."""
        counts = self.counts[rows]
        ends = counts.cumsum(0)
        row = torch.repeat_interleave(torch.arange(len(rows), device=rows.device), counts)
        within = torch.arange(len(row), device=rows.device) - (ends - counts)[row]
        logits = self.weight[self.first[rows][row] + within]  # every pair of these rows
        others = shared[rows] + self.copies[rows].log()  # -inf where a row has no others
        top = others.detach().scatter_reduce(0, row, logits.detach(), "amax")
        total = (others - top).exp().index_add(0, row, (logits - top[row]).exp())
        return top + total.log()

    def next_log_probs(self, ids: Tensor, cache: object = None) -> Tensor:
        """Return log-probabilities (B, V) of the id that follows the last of ids (B, T)."""
        last = ids[:, -1]
        logits = self.shared[last].unsqueeze(1).repeat(1, self.vocab_size)  # (B, V)
        for b, i in enumerate(last.tolist()):
            pairs = slice(int(self.first[i]), int(self.first[i] + self.counts[i]))
            logits[b, self.support[pairs] - i * self.vocab_size] = self.weight[pairs]
        return logits.log_softmax(dim=-1)

    def new_cache(self) -> None:
        return None

    def gradient_copies(self) -> dict[nn.Parameter, Tensor]:
        """Return how many entries of the dense table each shared logit stands for."""
        return {self.shared: self.copies}

    def parameter_groups(self) -> dict[str, list[nn.Parameter]]:
        return {"other": [self.weight, self.shared]}

    def num_params(self) -> ParamCounts:
        """Count the parameters of the whole (dense) table; all are embedding."""
        return ParamCounts(embedding=self.vocab_size**2, body=0, head=0)

    @staticmethod
    def count_params(config: ModelConfig, *, vocab_size: int, block_size: int) -> ParamCounts:
        """Return what `num_params` returns, without building the model."""
        return ParamCounts(embedding=vocab_size**2, body=0, head=0)

    @staticmethod
    def count_stored(config: ModelConfig, *, vocab_size: int, support: int, block_size: int) -> int:
        """Return the numbers of the stored table: a logit per pair, and one per row."""
        return support + vocab_size

    @staticmethod
    def flops_per_token(config: ModelConfig, *, columns: int, block_size: int) -> int:
        """Return 0: a look-up has no matrix product."""
        return 0
