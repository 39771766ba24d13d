"""Assign losses to the bytes of the text, so that any two tokenizers can be compared.

A token's nats are spread evenly over its bytes, so a single byte's loss means nothing. Two
tokenizers are compared only over spans that begin and end where both have a border. The sum over
such a span is exact for both.
"""

from __future__ import annotations

import io
import math
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gptkit.data.id_array import EndsArray
from gptkit.errors import RunError
from gptkit.results.schema import ArmResult, Stretch, Stretches

UNPACKED_BYTES_PER_BYTE = 13  # a byte, a float32, and at most an int64 border
STRETCH_BYTES = 60  # most of a line on a terminal


@dataclass(frozen=True, kw_only=True)
class ByteLosses:
    """A model's loss on each byte of a text.

    Attributes:
        text: the UTF-8 bytes (N,), uint8.
        nats: (N,), float32.
        borders: the bytes at which tokens end, ascending and distinct; the last is N.
        approximate: whether the borders are, because the tokenizer loses bytes.
    """

    text: np.ndarray
    nats: np.ndarray
    borders: np.ndarray
    approximate: bool = False

    def to_npz(self) -> bytes:
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer,
            text=self.text,
            nats=self.nats,
            borders=self.borders,
            approximate=self.approximate,
        )
        return buffer.getvalue()


def read_losses(folder: Path, n_bytes: int) -> ByteLosses:
    """Read the losses by byte of a run.

    Args:
        n_bytes: the length of the text, from the run's result. No more is unpacked.

    Raises:
        RunError: the file is missing, or holds something else.
    """
    path = folder / "nats.npz"
    if not path.is_file():
        raise _no_losses(path, "it is missing, or no regular file")
    try:
        with zipfile.ZipFile(path) as file:
            size = sum(entry.file_size for entry in file.infolist())
        if size > UNPACKED_BYTES_PER_BYTE * n_bytes + 4096:
            raise ValueError(f"it unpacks to {size:,} bytes, for a text of {n_bytes:,}")
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as arrays:
            losses = ByteLosses(
                **{name: arrays[name] for name in ("text", "nats", "borders")},
                approximate=bool(arrays["approximate"]),
            )
        _check(losses, n_bytes)
        return losses
    except Exception as error:  # numpy and zipfile raise a dozen kinds for a damaged file
        raise _no_losses(path, error) from error


def read_arm_losses(experiment: Path, arm: ArmResult) -> ByteLosses:
    """Read the losses by byte of an arm in an experiment's folder."""
    return read_losses(experiment / arm.id, arm.reported.bytes)


def _no_losses(path: Path, error: Exception | str) -> RunError:
    return RunError(
        f"{path} does not hold a run's losses by byte: {error}.\nTrain the arm again: resume=True."
    )


def _check(losses: ByteLosses, n_bytes: int) -> None:
    """Raise a ValueError for arrays that are not those of a text of this length."""
    shapes = (losses.text.shape, losses.nats.shape)
    if shapes != ((n_bytes,), (n_bytes,)) or losses.text.dtype != np.uint8:
        raise ValueError(f"its arrays have the shapes {shapes}, for a text of {n_bytes:,} bytes")
    if losses.nats.dtype != np.float32 or not np.isfinite(losses.nats).all():
        raise ValueError("it has losses that are no numbers")
    borders = losses.borders
    whole = borders.ndim == 1 and len(borders) > 0 and borders.dtype.kind in "iu"
    if not whole or not (
        borders[0] > 0 and borders[-1] == n_bytes and (borders[1:] > borders[:-1]).all()
    ):
        raise ValueError("its borders are not ascending to the end of the text")


def to_byte_losses(
    nats: np.ndarray, ends: EndsArray, text: bytes, *, also: float = 0.0
) -> ByteLosses:
    """Spread the nats of tokens (M,) that end at bytes `ends` (M,) evenly over their bytes.

    The nats of a token without bytes go to the token before it; for the first token, to the next.

    Args:
        also: nats that belong to no token; spread evenly over all bytes.

    >>> to_byte_losses(np.array([1.0, 4.0]), np.array([2, 3]), b"abc").nats.tolist()
    [0.5, 0.5, 4.0]
    """
    borders, last = np.unique(ends[::-1], return_index=True)
    last = len(ends) - 1 - last  # the last token that ends at each border
    if borders[0] == 0:
        borders, last = borders[1:], last[1:]
    spent = np.diff(nats.cumsum()[last], prepend=0.0)
    lengths = np.diff(borders, prepend=0)
    return ByteLosses(
        text=np.frombuffer(text, np.uint8),
        nats=(np.repeat(spent / lengths, lengths) + also / len(text)).astype(np.float32),
        borders=borders,
        approximate=also > 0,
    )


def shared_borders(a: ByteLosses, b: ByteLosses) -> np.ndarray:
    """Return the bytes, from 0 to N, at which both tokenizers have a border."""
    return np.concatenate([[0], np.intersect1d(a.borders, b.borders, assume_unique=True)])


def cut_blocks(borders: np.ndarray, block_bytes: int) -> np.ndarray:
    """Return the ends of blocks: the first border at or after each multiple of block_bytes.

    >>> cut_blocks(np.array([0, 3, 4, 9, 11]), block_bytes=4).tolist()
    [4, 9, 11]
    """
    n = int(borders[-1])
    wanted = np.append(np.arange(block_bytes, n, block_bytes), n)
    return np.unique(borders[np.searchsorted(borders, wanted)])


def block_bits(losses: ByteLosses, ends: np.ndarray) -> np.ndarray:
    """Sum the bits (K,), float64, of each of the blocks that end at bytes `ends` (K,)."""
    starts = np.concatenate([[0], ends[:-1]])
    return np.add.reduceat(losses.nats, starts, dtype=np.float64) / math.log(2)


def find_stretches(a: ByteLosses, b: ByteLosses, *, n: int = 3) -> Stretches:
    """Find n stretches where a saves most over b, and n where it saves least; none overlap.

    A stretch is about `STRETCH_BYTES` long. Both tokenizers have a border at its ends.
    """
    borders = shared_borders(a, b)
    gain = np.cumsum(b.nats - a.nats, dtype=np.float64) / math.log(2)
    gain = np.concatenate([[0.0], gain])[borders]
    until = np.searchsorted(borders, borders + STRETCH_BYTES)
    first = np.flatnonzero(until < len(borders))
    until = until[first]
    per_byte = (gain[until] - gain[first]) / (borders[until] - borders[first])
    starts, ends = borders[first], borders[until]

    def pick(order: np.ndarray) -> list[Stretch]:
        chosen: list[int] = []
        for i in order:
            if all(ends[i] <= starts[j] or ends[j] <= starts[i] for j in chosen):
                chosen.append(int(i))
                if len(chosen) == n:
                    break
        return [
            Stretch(
                start=int(starts[i]),
                end=int(ends[i]),
                text=a.text[starts[i] : ends[i]].tobytes().decode(errors="replace"),
                bits_per_byte=float(per_byte[i]),
            )
            for i in chosen
        ]

    order = np.argsort(per_byte, kind="stable")
    return Stretches(most=pick(order[::-1]), least=pick(order))
