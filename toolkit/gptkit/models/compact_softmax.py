"""The exact compact softmax: train on 50,257 ids at the cost of the ids that the text uses.

A training text uses k of a vocabulary's V ids. When the head starts at zero and is not tied to
the embedding, the m = V - k others start with the same logit and get the same gradient at every
step, p_j · x, so under any elementwise optimiser they always stay equal. So one shared column
replaces all m of them, exactly:

- in the normaliser it counts m times: ln m is added to its logit z;
- the probability of one unused id is exp(z) / Z, without the ln m;
- the loss's gradient on it is the sum over its m copies. It is divided by m before the optimiser,
  so Adam sees the gradient that each single column would have.

As inputs, ids that the training text never uses keep their initial embedding row. The same holds
in the dense model, where they get no gradient and no weight decay.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

HEAD_BLOCK_COLUMNS = 2048  # columns of the head computed at a time


def head_columns(n_used: int, vocab_size: int) -> int:
    """Count the columns of a compact head: one per used id, and one for all others, if any.

    >>> head_columns(11_234, 50_257), head_columns(65, 65)
    (11235, 65)
    """
    return n_used + (n_used < vocab_size)


class DivideGradient(torch.autograd.Function):
    """The identity, whose gradient is divided by `copies` (broadcast, at least 1)."""

    @staticmethod
    def forward(ctx: Any, parameter: Tensor, copies: Tensor) -> Tensor:
        ctx.save_for_backward(copies)
        return parameter.view_as(parameter)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, None]:
        (copies,) = ctx.saved_tensors
        return grad_outputs[0] / copies, None


class CompactEmbedding(nn.Module):
    """Embedding rows for all V ids; only the rows of the k used ids train.

    The initial rows equal those of a dense (V, C) table drawn from the same random state.
    """

    def __init__(self, vocab_size: int, n_embd: int, used: Tensor, *, std: float) -> None:
        super().__init__()
        table = torch.empty(vocab_size, n_embd).normal_(std=std)
        unused = torch.ones(vocab_size, dtype=torch.bool)
        unused[used] = False
        self.weight = nn.Parameter(table[used])  # (k, C)
        self.register_buffer("unused_rows", table[unused])  # (m, C)
        row = torch.empty(vocab_size, dtype=torch.long)
        row[used] = torch.arange(len(used))
        row[unused] = torch.arange(len(used), vocab_size)
        self.register_buffer("row", row, persistent=False)  # (V,)
        self.unused_rows: Tensor
        self.row: Tensor

    def forward(self, ids: Tensor) -> Tensor:
        rows = self.row[ids]  # (B, T)
        k = len(self.weight)
        x = F.embedding(rows.clamp(max=k - 1), self.weight)  # (B, T, C)
        if self.training or not len(self.unused_rows):
            return x
        kept = F.embedding((rows - k).clamp(min=0), self.unused_rows)
        return torch.where((rows >= k).unsqueeze(-1), kept, x)


class CrossEntropy(torch.autograd.Function):
    """The loss of the compact head on a CPU, computed `HEAD_BLOCK_COLUMNS` logits at a time.

    A block of logits stays in the processor's cache during all operations on it. All logits
    together (13 MB in a default step on GPT-2's ids) would go to memory and back each time.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, n_unused: int, columns: Tensor, keep: bool
    ) -> Tensor:
        """Return the nats (N,) of the columns (N,), from x (N, C) and the head's weight.

        Args:
            keep: whether a backward pass follows.
        """
        target = (x * weight[columns]).sum(dim=-1)  # (N,): of a single id, without ln m
        blocks, total = exponentials(x, weight, n_unused, offset=target, keep=keep)
        nats = total.log()
        if total.isinf().any():  # a target below e^-88: subtract the largest logit instead
            offset = torch.stack(
                [(w @ x.mT).amax(dim=0) for w in weight.split(HEAD_BLOCK_COLUMNS)]
            ).amax(0)
            blocks, total = exponentials(x, weight, n_unused, offset=offset, keep=keep)
            nats = total.log() + offset - target
        ctx.n_unused = n_unused
        ctx.save_for_backward(x, weight, columns, total, *blocks)
        return nats

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor, Tensor, None, None, None]:
        x, weight, columns, total, *blocks = ctx.saved_tensors
        (grad,) = grad_outputs  # (N,)
        grad_x = weight[columns] * -grad.unsqueeze(-1)
        grad_weight = torch.empty_like(weight)
        pieces = zip(
            blocks,
            weight.split(HEAD_BLOCK_COLUMNS),
            grad_weight.split(HEAD_BLOCK_COLUMNS),
            strict=True,
        )
        for block, w, grad_w in pieces:
            grad_logits = block * (grad / total)
            grad_x.addmm_(grad_logits.mT, w)
            torch.mm(grad_logits, x, out=grad_w)
        grad_weight.index_add_(0, columns, x * -grad.unsqueeze(-1))
        if ctx.n_unused:
            grad_weight[-1] /= ctx.n_unused
        return grad_x, grad_weight, None, None, None


def exponentials(
    x: Tensor, weight: Tensor, n_unused: int, *, offset: Tensor, keep: bool
) -> tuple[list[Tensor], Tensor]:
    """Return exp(logit - offset) in blocks of columns, and their sum (N,) over all columns.

    Args:
        keep: whether to return the blocks; without, each is freed once it is summed.
    """
    blocks, sums = [], []
    xT = x.mT.contiguous()  # (C, N)
    for start in range(0, len(weight), HEAD_BLOCK_COLUMNS):
        block = torch.addmm(-offset, weight[start : start + HEAD_BLOCK_COLUMNS], xT).exp_()
        if n_unused and start + len(block) == len(weight):
            block[-1] *= n_unused
        sums.append(block.sum(dim=0))
        if keep:
            blocks.append(block)
    return blocks, torch.stack(sums).sum(dim=0)


class CompactHead(nn.Module):
    """The output layer: a zero-initialised linear map to V logits, stored as k + 1 columns."""

    def __init__(self, vocab_size: int, n_embd: int, used: Tensor) -> None:
        super().__init__()
        k, columns = len(used), head_columns(len(used), vocab_size)
        self.n_unused = vocab_size - k
        self.weight = nn.Parameter(torch.zeros(columns, n_embd))
        copies = torch.ones(columns)
        if self.n_unused:
            copies[-1] = self.n_unused
        column = torch.full((vocab_size,), k)
        column[used] = torch.arange(k)
        self.register_buffer("copies", copies, persistent=False)  # (k + 1,)
        self.register_buffer("column", column, persistent=False)  # (V,)
        self.copies: Tensor
        self.column: Tensor

    def nll(self, x: Tensor, targets: Tensor) -> Tensor:
        """Return nats per target: x (B, T, C), targets (B, T) in the tokenizer's ids -> (B, T)."""
        columns = self.column[targets]
        if x.device.type == "cpu" and len(self.weight) > HEAD_BLOCK_COLUMNS:
            loss = CrossEntropy.apply(
                x.flatten(0, -2),
                self.weight,
                self.n_unused,
                columns.flatten(),
                torch.is_grad_enabled(),
            )
            return loss.view_as(targets)
        weight = (
            DivideGradient.apply(self.weight, self.copies.unsqueeze(-1))
            if self.n_unused
            else self.weight
        )
        logits = F.linear(x, weight, self.copies.log())  # (B, T, k + 1)
        loss = F.cross_entropy(logits.flatten(0, -2), columns.flatten(), reduction="none")
        return loss.view_as(targets) + self.copies.log()[columns]

    def log_probs(self, x: Tensor) -> Tensor:
        """Return log-probabilities (B, V) over the whole vocabulary, from x (B, C)."""
        log_copies = self.copies.log()
        compact = F.log_softmax(F.linear(x, self.weight, log_copies), dim=-1) - log_copies
        return compact[:, self.column]
