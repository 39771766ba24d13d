"""Read a text that is too large for memory from its files, a piece at a time."""

from __future__ import annotations

import codecs
import hashlib
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from gptkit.data.text_files import check_kind, not_utf8
from gptkit.errors import CorpusError

READ_CHUNK_BYTES = 4_000_000


@dataclass(frozen=True)
class Piece:
    """The place of some characters of the text in a file."""

    path: Path
    offset: int
    n_bytes: int
    n_chars: int

    def read(self) -> str:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            data = file.read(self.n_bytes)
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError:
            text = ""
        if len(text) != self.n_chars:
            raise CorpusError(f"{self.path} was changed while it was in use. Start again.")
        return text


class LineBreak:
    """A line break between two files, the first of which has none at its end."""

    n_bytes = n_chars = 1

    def read(self) -> str:
        return "\n"


class LargeText:
    """Characters `start` to `stop` of a text that is not in memory.

    `len(text)` counts characters. A slice is read from disk into a string, so keep it small.
    """

    def __init__(self, pieces: Sequence[Piece | LineBreak], start: int, stop: int) -> None:
        self._pieces = pieces
        self._starts = [0, *accumulate(piece.n_chars for piece in pieces)]
        self._start, self._stop = start, stop

    def __len__(self) -> int:
        return self._stop - self._start

    def __getitem__(self, chars: slice) -> str:
        start, stop, _ = chars.indices(len(self))
        return "".join(self.pieces(start, stop))

    def part(self, start: int, stop: int) -> LargeText:
        """Return characters start to stop of this text, without reading them."""
        return LargeText(self._pieces, self._start + start, self._start + stop)

    def pieces(self, start: int = 0, stop: int | None = None) -> Iterator[str]:
        """Yield the text from `start` to `stop` in order, about `READ_CHUNK_BYTES` at a time."""
        start, stop = self._start + start, self._stop if stop is None else self._start + stop
        first = bisect_right(self._starts, start) - 1
        for piece, at in zip(self._pieces[first:], self._starts[first:], strict=False):
            if at >= stop:
                return
            yield piece.read()[max(0, start - at) : stop - at]

    def chars_by_file(self) -> dict[str, int]:
        """Return the number of characters of each file."""
        chars: dict[str, int] = {}
        for piece in self._pieces:
            if isinstance(piece, Piece):
                chars[str(piece.path)] = chars.get(str(piece.path), 0) + piece.n_chars
        return chars

    def n_bytes(self) -> int:
        """Count the text's UTF-8 bytes; this reads only the pieces at its ends."""
        at, n = 0, 0
        for piece in self._pieces:
            inside = self._start <= at and at + piece.n_chars <= self._stop
            if inside:
                n += piece.n_bytes
            elif at < self._stop and at + piece.n_chars > self._start:
                cut = slice(max(0, self._start - at), self._stop - at)
                n += len(piece.read()[cut].encode())
            at += piece.n_chars
        return n

    def alphabet(self) -> str:
        """Return every character of the text once, in code-point order."""
        found: set[str] = set()
        for text in self.pieces():
            if text.isascii():
                counts = np.bincount(np.frombuffer(text.encode(), np.uint8))
                found.update(map(chr, np.flatnonzero(counts)))
            else:
                found.update(text)
        return "".join(sorted(found))


def index_files(paths: Sequence[Path]) -> tuple[LargeText, str]:
    """Return the text of files, one after another, and its sha256.

    Raises:
        CorpusError: a file is not UTF-8, or cannot be read.
    """
    pieces: list[Piece | LineBreak] = []
    digest = hashlib.sha256()
    text = ""
    for path in paths:
        if text and not text.endswith("\n"):  # as `text_files.join_files`
            pieces.append(LineBreak())
            digest.update(b"\n")
        decoder = codecs.getincrementaldecoder("utf-8")()
        offset = read = 0
        try:
            with path.open("rb") as file:
                while data := file.read(READ_CHUNK_BYTES):
                    if not read:
                        check_kind(data[:32], str(path))
                    text = decoder.decode(data)
                    waiting = len(decoder.getstate()[0])  # bytes of a character cut in two
                    digest.update(data)
                    read += len(data)
                    pieces.append(Piece(path, offset, read - waiting - offset, len(text)))
                    offset = read - waiting
                decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            byte = error.object[error.start]
            raise not_utf8(str(path), byte, offset + error.start) from None
        except OSError as error:
            raise CorpusError(f"{path} cannot be read: {error.strerror}.") from error
    return LargeText(pieces, 0, sum(piece.n_chars for piece in pieces)), digest.hexdigest()
