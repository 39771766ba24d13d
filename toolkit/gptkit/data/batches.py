"""Draw training windows at seeded positions that are counted in bytes of the text.

A position is drawn in bytes and then moved to the token that contains it. So every tokenizer reads
the same places of the text in the same order. Windows of different tokenizers spell about the same
number of bytes, but not exactly. A step therefore takes as many windows as bring the bytes read so
far closest to step · bytes_per_step, and at least one. After every step, all tokenizers have read
the same number of bytes, plus or minus half a window.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from gptkit.config import Schedule
from gptkit.data.encoding import EncodedText
from gptkit.data.id_array import EndsArray, IdArray

MAX_WINDOW_IDS = 16_000_000  # ids of windows kept in memory at a time
MAX_DEVICE_IDS = 1_000_000_000  # of a text on a GPU: 4 GB
POSITIONS_PER_DRAW = 4096  # changes the speed only, not the positions


def window_starts(
    ends: EndsArray,
    *,
    block_size: int,
    bytes_per_step: float | None,
    batch_size: int,
    seed: int,
) -> Iterator[np.ndarray]:
    """Yield the first tokens (B,) of each step's windows, without end.

    Args:
        ends: (N,) the byte of the text at which each token ends; N > block_size.
        block_size: the number of targets in a window.
        bytes_per_step: the mean number of target bytes per step. None: every step has
            `batch_size` windows, however many bytes they spell.
        seed: the seed for drawing positions.
    """
    per_step = batch_size if bytes_per_step is None else bytes_per_step
    rng = np.random.default_rng(seed)
    last = len(ends) - block_size - 1
    starts, read = np.empty(0, dtype=np.int64), np.zeros(1)  # read[i]: before window i
    step = 0
    while True:
        step += 1
        goal = step * per_step
        while read[-1] < goal + per_step:
            positions = rng.random(POSITIONS_PER_DRAW) * ends[-1]
            drawn = ends.searchsorted(positions, side="right").clip(max=last)
            bytes_in = ends[drawn + block_size] - ends[drawn]
            counted = np.ones(POSITIONS_PER_DRAW) if bytes_per_step is None else bytes_in
            starts = np.concatenate([starts, drawn])
            read = np.concatenate([read, read[-1] + counted.cumsum()])
        n = max(1, int(np.abs(read - goal).argmin()))
        yield starts[:n]
        starts, read = starts[n:], read[n:]


def ids_read(text: EncodedText, schedule: Schedule) -> IdArray:
    """Return the ids (N,) of all windows that a training will read, one after another.

    Returns all ids of the text if the windows have more than `MAX_WINDOW_IDS` ids, or if the
    training ends by the clock.
    """
    if schedule.steps is None:
        return text.ids
    block_size = schedule.block_size
    starts: list[np.ndarray] = []
    found = 0
    for batch in islice(
        window_starts(
            text.ends,
            block_size=block_size,
            bytes_per_step=schedule.bytes_per_step,
            batch_size=schedule.batch_size,
            seed=schedule.seed,
        ),
        schedule.steps,
    ):
        starts.append(batch)
        found += len(batch) * (block_size + 1)
        if found > MAX_WINDOW_IDS:
            return text.ids
    windows = np.concatenate(starts)[:, None] + np.arange(block_size + 1)
    return text.ids[windows].ravel()


def on_device(ids: IdArray, device: torch.device) -> IdArray | Tensor:
    """Return the ids (N,) of a text as a tensor on a GPU, if it is one and they fit; else as given.

    Windows are then cut there, so that only their starts are copied in each step.
    """
    if device.type != "cuda" or len(ids) > MAX_DEVICE_IDS:
        return ids
    return torch.from_numpy(np.asarray(ids, dtype=np.int32)).to(device)


def make_batch(
    ids: IdArray | Tensor, starts: np.ndarray, *, block_size: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return inputs and targets (B, T), int64, of the windows that begin at `starts` (B,).

    Args:
        ids: of the text (N,), in memory or `on_device`.
    """
    if isinstance(ids, Tensor):
        first = torch.from_numpy(starts).pin_memory().to(device, non_blocking=True)
        reach = torch.arange(block_size + 1, device=device)
        batch = ids[first[:, None] + reach].long()  # (B, T + 1)
        return batch[:, :-1], batch[:, 1:]
    windows = ids[starts[:, None] + np.arange(block_size + 1)].astype(np.int64)  # (B, T + 1)
    batch = torch.from_numpy(windows)
    if device.type == "cuda":  # the copy runs during the step before
        batch = batch.pin_memory().to(device, non_blocking=True)
    else:
        batch = batch.to(device)
    return batch[:, :-1], batch[:, 1:]
