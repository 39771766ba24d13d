"""One step of training: its batch, its loss, and the update of the weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import torch
from torch import Tensor
from torch.optim import Optimizer

from gptkit.config import OptimConfig, Schedule
from gptkit.data.batches import make_batch, on_device, window_starts
from gptkit.data.encoding import EncodedText
from gptkit.eval.group import ALONE, Group
from gptkit.models import Model
from gptkit.train.optim import bf16_is_native, clip_gradients


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A process's share of the windows of a step.

    Attributes:
        ids, targets: (B, T); B may be 0 for one of several processes.
        n_tokens, n_bytes: of the targets of all processes.
    """

    ids: Tensor
    targets: Tensor
    n_tokens: int
    n_bytes: int


def batches_of(
    text: EncodedText,
    schedule: Schedule,
    device: torch.device,
    *,
    skip: int = 0,
    group: Group = ALONE,
) -> Iterator[Batch]:
    """Yield each step's batch, without end.

    Args:
        skip: how many steps to leave out at the start.
        group: the processes that share the windows.
    """
    block_size = schedule.block_size
    all_starts = window_starts(
        text.ends,
        block_size=block_size,
        bytes_per_step=schedule.bytes_per_step,
        batch_size=schedule.batch_size,
        seed=schedule.seed,
    )
    ids_of_text = on_device(text.ids, device)
    for starts in islice(all_starts, skip, None):
        ids, targets = make_batch(
            ids_of_text, group.share(starts), block_size=block_size, device=device
        )
        yield Batch(
            ids=ids,
            targets=targets,
            n_tokens=len(starts) * block_size,
            n_bytes=int((text.ends[starts + block_size] - text.ends[starts]).sum()),
        )


def set_rates(optimizers: Sequence[Optimizer], rate: float) -> None:
    """Set learning rates to a fraction of their peaks. A GPU's rates are tensors on it."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            if isinstance(group["lr"], Tensor):
                group["lr"].fill_(group["peak"] * rate)
            else:
                group["lr"] = group["peak"] * rate


def take_step(
    model: Model,
    optimizers: Sequence[Optimizer],
    ids: Tensor,
    targets: Tensor,
    *,
    config: OptimConfig,
    nll: Callable[[Tensor, Tensor], Tensor] | None = None,
) -> Tensor:
    """Update the weights from a batch (B, T), and return its mean loss in nats, on its device.

    Args:
        nll: the model's compiled `nll`; None for the plain one.
    """
    with _autocast(ids.device, config):
        loss = (nll or model.nll)(ids, targets).mean()
    loss.backward()
    _update_weights(model, optimizers, config)
    return loss.detach()


def take_shared_step(
    model: Model,
    optimizers: Sequence[Optimizer],
    ids: Tensor,
    targets: Tensor,
    n_tokens: int,
    *,
    config: OptimConfig,
    nll: Callable[[Tensor, Tensor], Tensor],
    group: Group,
    micro_batch: int | None,
) -> Tensor:
    """Do what `take_step` does, a part of the batch at a time, or with several processes.

    The losses of all tokens are added up and divided by their number, so the result is that of
    `take_step` but for rounding. With dropout, other activations are dropped.

    Args:
        ids, targets: this process's windows (B, T).
        n_tokens: targets of all processes.
        micro_batch: how many windows are computed at a time; None for all.
    """
    precise = torch.float32 if ids.device.type == "mps" else torch.float64
    total = torch.zeros((), dtype=precise, device=ids.device)
    size = micro_batch or max(1, len(ids))
    for part in zip(ids.split(size), targets.split(size), strict=True):
        if not len(part[0]):
            continue  # there are more processes than windows
        with _autocast(ids.device, config):
            nats = nll(*part)
        (nats.sum() / n_tokens).backward()
        total += nats.detach().to(precise).sum() / n_tokens
    group.add_gradients(model.parameters())
    _update_weights(model, optimizers, config)
    return group.add(total)


def _autocast(device: torch.device, config: OptimConfig) -> torch.autocast:
    bf16 = config.bf16 and bf16_is_native(device)
    return torch.autocast(device.type, torch.bfloat16, enabled=bf16)


def _update_weights(model: Model, optimizers: Sequence[Optimizer], config: OptimConfig) -> None:
    if config.grad_clip is not None:
        clip_gradients(model, config.grad_clip)
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad()
