"""Compute the loss of a whole text in one deterministic sweep; every byte counts exactly once."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from gptkit.data.encoding import EncodedText
from gptkit.data.id_array import IdArray
from gptkit.errors import ConfigError
from gptkit.eval.group import ALONE, Group
from gptkit.events.losses import Loss
from gptkit.models import Model

MAX_BATCH_TOKENS = {"cpu": 2048, "cuda": 32_768}  # limits the logits in memory


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The loss of a text: the `nats` (N,) of its tokens, and its size.

    `lost_nats` is the cost of restoring the `lost_bytes` that no token spells. The totals
    include it.
    """

    nats: np.ndarray
    n_bytes: int
    n_chars: int
    lost_bytes: int = 0
    lost_nats: float = 0.0

    @property
    def n_tokens(self) -> int:
        return len(self.nats)

    @cached_property
    def total_nats(self) -> float:
        return float(self.nats.sum()) + self.lost_nats

    @property
    def nats_per_token(self) -> float:
        return self.total_nats / self.n_tokens

    @property
    def nats_per_char(self) -> float:
        return self.total_nats / self.n_chars

    @property
    def bits_per_byte(self) -> float:
        return bits_per_byte(self.total_nats, self.n_bytes)

    @property
    def loss(self) -> Loss:
        return Loss(
            bytes=self.n_bytes,
            chars=self.n_chars,
            tokens=self.n_tokens,
            lost_bytes=self.lost_bytes,
            nats_per_token=self.nats_per_token,
            nats_per_char=self.nats_per_char,
            bits_per_byte=self.bits_per_byte,
        )


def bits_per_byte(total_nats: float, n_bytes: int) -> float:
    """Convert a summed cross-entropy to bits per UTF-8 byte of the text.

    Loss per token cannot be compared across tokenizers, because a GPT-2 token spells several
    characters. Loss per byte can.

    Args:
        total_nats: cross-entropy summed over the targets (not averaged), in nats.
        n_bytes: number of UTF-8 bytes the targets spell; positive.

    >>> bits_per_byte(total_nats=8 * math.log(2), n_bytes=4)
    2.0
    """
    return total_nats / (math.log(2) * n_bytes)


@torch.no_grad()
def sweep(
    model: Model,
    ids: IdArray,
    *,
    before: IdArray,
    stride: int | None = None,
    group: Group = ALONE,
) -> np.ndarray:
    """Return the nats (N,), float64, of every id of a text; each id is scored once.

    Windows of `block_size` advance by `stride`, and a window scores its last `stride` targets.
    So each target has at least block_size - stride ids of context. The random state, the
    gradients and the model's mode do not change.

    Args:
        ids: the ids (N,) of the text.
        before: the ids before the text, at least block_size - stride + 1 of them. They are the
            context of the first window.
        stride: from 1 to block_size. None: block_size, so windows do not overlap.
        group: the processes that share the windows.
    """
    block_size = model.block_size
    stride = block_size if stride is None else stride
    if not 1 <= stride <= block_size:
        raise ConfigError(
            f"stride is {stride}; it must be from 1 to the block size of {block_size} tokens."
        )
    lead = block_size - stride  # targets of the first window that are before the text
    assert len(before) > lead
    n_windows = -(-len(ids) // stride)
    beyond = np.zeros(n_windows * stride - len(ids), dtype=ids.dtype)  # fills the last window
    text = torch.from_numpy(
        np.concatenate([before[len(before) - lead - 1 :], ids, beyond]).astype(np.int64)
    )
    device = next(model.parameters()).device
    rows = max(1, MAX_BATCH_TOKENS.get(device.type, 2048) // block_size)
    was_training = model.training
    model.eval()
    nats = np.zeros(n_windows * stride)  # one array: many pieces would keep the heap from shrinking
    try:
        for first in group.share(np.arange(0, n_windows, rows)).tolist():
            count = min(rows, n_windows - first)
            reach = text[first * stride :][: (count - 1) * stride + block_size + 1].to(device)
            windows = reach.unfold(0, block_size + 1, stride)  # (R, T + 1)
            scored = model.nll(windows[:, :-1], windows[:, 1:])[:, lead:]
            share = slice(first * stride, (first + count) * stride)
            nats[share] = scored.cpu().double().flatten().numpy()
    finally:
        model.train(was_training)
    return group.add(torch.from_numpy(nats[: len(ids)])).numpy()


def evaluate(
    model: Model,
    text: EncodedText,
    *,
    before: IdArray,
    stride: int | None = None,
    group: Group = ALONE,
) -> Evaluation:
    """Compute the loss of a text; see `sweep`."""
    nats = sweep(model, text.ids, before=before, stride=stride, group=group)
    return Evaluation(
        nats=nats,
        n_bytes=text.n_bytes,
        n_chars=text.n_chars,
        lost_bytes=text.lost_bytes,
        lost_nats=text.lost_nats,
    )
