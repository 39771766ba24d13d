"""Cut a text into the stretches on which two tokenizers can be compared, and measure each.

A stretch begins and ends where both tokenizers have a border and a character begins. Bits are kept
as whole tenths, cumulatively rounded: the sum over any stretch is right to a tenth of a bit.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from gptkit.results.byte_losses import STRETCH_BYTES, ByteLosses

CLASSES = 4  # of strength, for either tokenizer
CLAMPED_SHARE = 0.02  # of the stretches, beyond the end of the scale
CONTEXT_BYTES = 120  # shown before and after the most extreme stretch of a block
MOST_PIECE_BYTES = 2000


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A part of the text, between borders that all tokenizers share; bytes from `start` on."""

    start: int
    end: int


@dataclass(frozen=True, kw_only=True)
class MappedArm:
    """A tokenizer under a model; `losses` are the means over its seeds."""

    tokenizer: str
    model: str
    losses: ByteLosses

    def tokens(self, piece: Piece) -> tuple[np.ndarray, np.ndarray]:
        """Return where the tokens of a piece end, counted from its start, and their tenths."""
        borders = self.losses.borders
        first, last = np.searchsorted(borders, [piece.start, piece.end], side="right")
        ends = borders[first:last] - piece.start
        nats = self.losses.nats[piece.start : piece.end].cumsum(dtype=np.float64)
        total = np.rint(nats[ends - 1] * (10 / math.log(2))).astype(np.int64)
        return ends, np.diff(total, prepend=0)

    def block_tenths(self, ends: np.ndarray) -> np.ndarray:
        """Return the tenths of a bit of each of the blocks that end at bytes `ends`."""
        nats = self.losses.nats.cumsum(dtype=np.float64)
        return np.diff(np.rint(nats[ends - 1] * (10 / math.log(2))).astype(np.int64), prepend=0)


def mean_losses(seeds: Sequence[ByteLosses]) -> ByteLosses:
    """Return the losses of one tokenizer and model, the mean over its seeds."""
    nats = sum((one.nats.astype(np.float64) for one in seeds), np.zeros(len(seeds[0].nats)))
    return replace(seeds[0], nats=nats / len(seeds))


def char_starts(text: np.ndarray) -> np.ndarray:
    """Return the bytes at which a character starts, and the end of the text.

    >>> char_starts(np.frombuffer("aéb".encode(), np.uint8)).tolist()
    [0, 1, 3, 4]
    """
    return np.append(np.flatnonzero((text & 0xC0) != 0x80), len(text))


def shared_ends(a: np.ndarray, b: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """Return the ends of the stretches: borders of both at which a character starts."""
    both = np.intersect1d(a, b, assume_unique=True)
    return np.intersect1d(both, starts, assume_unique=True)


@dataclass(frozen=True, kw_only=True)
class Stretches:
    """The stretches of a piece: where they end, and the tenths of a bit that `a` saves over `b`."""

    ends: np.ndarray
    saved: np.ndarray

    @property
    def bits_per_byte(self) -> np.ndarray:
        return self.saved / (10 * np.diff(self.ends, prepend=0))


def compare_piece(a: MappedArm, b: MappedArm, piece: Piece) -> Stretches:
    """Compare two arms on each stretch of a piece."""
    starts = char_starts(a.losses.text[piece.start : piece.end])
    (a_ends, a_tenths), (b_ends, b_tenths) = a.tokens(piece), b.tokens(piece)
    ends = shared_ends(a_ends, b_ends, starts)
    totals = [
        tenths.cumsum()[np.searchsorted(of, ends)]
        for of, tenths in ((a_ends, a_tenths), (b_ends, b_tenths))
    ]
    return Stretches(ends=ends, saved=np.diff(totals[1] - totals[0], prepend=0))


def scale_limit(pieces: Sequence[Stretches]) -> float:
    """Return the end of the scale in bits per byte: most stretches are within it."""
    sizes = np.sort(np.abs(np.concatenate([one.bits_per_byte for one in pieces])))
    return float(sizes[math.floor((1 - CLAMPED_SHARE) * (len(sizes) - 1))]) or 0.1


def classify(bits_per_byte: np.ndarray, limit: float) -> np.ndarray:
    """Return the class of each stretch: from -CLASSES, where b saves most, to CLASSES.

    >>> classify(np.array([-9.0, -0.1, 0.0, 0.5, 1.0]), limit=1.0).tolist()
    [-4, 0, 0, 2, 4]
    """
    size = np.floor(CLASSES * np.abs(bits_per_byte) / limit + 0.5).clip(max=CLASSES)
    return (np.sign(bits_per_byte) * size).astype(np.int64)


def block_ends(n_bytes: int, n: int) -> np.ndarray:
    """Return the ends of up to n blocks of equal length.

    >>> block_ends(10, 4).tolist()
    [3, 6, 9, 10]
    """
    size = math.ceil(n_bytes / n)
    return np.append(np.arange(size, n_bytes, size), n_bytes)


def choose_pieces(arms: Sequence[MappedArm], *, n: int) -> list[Piece]:
    """Choose a piece of each of n blocks of the text: around what the arms differ on most."""
    text = arms[0].losses.text
    borders = np.append(0, char_starts(text)[1:])
    for arm in arms:
        borders = np.intersect1d(borders, np.append(0, arm.losses.borders), assume_unique=True)
    until = np.searchsorted(borders, borders + STRETCH_BYTES)
    first = np.flatnonzero(until < len(borders))
    until = until[first]
    if not len(first):
        return [Piece(start=0, end=len(text))]
    lowest, highest = np.full(len(first), np.inf), np.full(len(first), -np.inf)
    for arm in arms:
        total = np.concatenate([[0.0], arm.losses.nats.cumsum(dtype=np.float64)])[borders]
        nats = total[until] - total[first]
        np.minimum(lowest, nats, out=lowest)
        np.maximum(highest, nats, out=highest)
    spread = (highest - lowest) / (borders[until] - borders[first])
    limits = np.searchsorted(borders[first], np.append(0, block_ends(len(text), n)))
    pieces: list[Piece] = []
    for low, high in pairwise(limits):
        if low == high:
            continue
        at = low + int(spread[low:high].argmax())
        pieces.append(_with_context(borders, int(borders[first[at]]), int(borders[until[at]])))
    return _joined([p for p in pieces if p.end - p.start <= MOST_PIECE_BYTES])


def _with_context(borders: np.ndarray, start: int, end: int) -> Piece:
    before = np.searchsorted(borders, start - CONTEXT_BYTES)
    after = min(int(np.searchsorted(borders, end + CONTEXT_BYTES)), len(borders) - 1)
    return Piece(start=int(borders[before]), end=int(borders[after]))


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Join pieces that overlap or touch."""
    joined: list[Piece] = []
    for piece in pieces:
        if joined and piece.start <= joined[-1].end:
            last = joined.pop()
            joined.append(Piece(start=last.start, end=max(last.end, piece.end)))
        else:
            joined.append(piece)
    return joined
