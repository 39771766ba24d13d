"""A large text's ids on disk: encoded once, in parallel, and read without being loaded.

A shard is some 2 million characters: NNNNN.ids, the ids in the vocabulary's smallest unsigned
dtype; NNNNN.blocks, the bytes that every 1,024 of them spell; and NNNNN.json, their sizes and
hashes. Each is written under a temporary name, the .json last, so that a shard is there whole or
not at all; manifest.json comes when all are. What a run left behind is checked and gone on from.
"""

from __future__ import annotations

import hashlib
import json
import os
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.data.text_on_disk import LargeText
from gptkit.errors import CorpusError
from gptkit.files import write_bytes, write_json
from gptkit_tokenizers import Tokenizer, TokenizerError, audit, id_dtype, token_lengths
from gptkit_tokenizers.chunking import next_word

SHARD = 2_000_000  # characters
BLOCK = 1024  # tokens
CHECKED = 1 << 15  # tokens whose bytes are compared with the text's at a time

OnBytes = Callable[[int, int], None]  # bytes encoded so far, and in all


def encode_shards(
    tokenizer: Tokenizer, text: LargeText, folder: Path, *, on_bytes: OnBytes = lambda done, n: None
) -> Shards:
    """Encode a text into a folder, or go on where an earlier run stopped.

    A text is cut before a word, where GPT-2's pattern begins a token whatever stands before it.

    Args:
        folder: for this text and this tokenizer alone.
        on_bytes: hears of progress.

    Raises:
        TokenizerError: the tokenizer does not give every byte back.
    """
    try:
        return Shards(folder, tokenizer)
    except (FileNotFoundError, ValueError):
        pass
    folder.mkdir(parents=True, exist_ok=True)
    speller = Speller(tokenizer)
    n_bytes, done = text.n_bytes(), 0
    facts: list[dict[str, Any]] = []
    waiting: deque[Future[dict[str, Any]]] = deque()

    def take() -> None:
        nonlocal done
        facts.append(waiting.popleft().result())
        done += facts[-1]["bytes"]
        on_bytes(done, n_bytes)

    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        try:
            for i, part in enumerate(_parts(text)):
                if len(waiting) > workers:  # no more of the text in memory than is worked on
                    take()
                waiting.append(pool.submit(_shard, tokenizer, speller, part, folder / f"{i:05d}"))
                del part
            while waiting:
                take()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    write_json(folder / "manifest.json", {"tokenizer": tokenizer.name, "shards": facts})
    for left in folder.glob(".*.tmp"):
        left.unlink(missing_ok=True)
    return Shards(folder, tokenizer)


def _parts(text: LargeText) -> Iterator[str]:
    buffer = ""
    for piece in text.pieces():
        buffer += piece
        while len(buffer) > SHARD and (cut := next_word(buffer, SHARD)) < len(buffer):
            yield buffer[:cut]
            buffer = buffer[cut:]
    if buffer:
        yield buffer


def _shard(tokenizer: Tokenizer, speller: Speller, text: str, name: Path) -> dict[str, Any]:
    """Encode one shard, check it, write it; or find it written already."""
    data = text.encode()
    wanted = hashlib.sha256(data).hexdigest()
    if (facts := _written(name, text_sha256=wanted)) is not None:
        return facts
    ids = tokenizer.encode_array(text).astype(id_dtype(tokenizer.vocab_size), copy=False)
    if not speller.spells(ids, data):
        audit(tokenizer, text, ids)  # says where
        raise TokenizerError(f"{tokenizer.name}'s token_bytes and decode_bytes disagree.")
    starts = np.arange(0, len(ids), BLOCK)
    blocks = np.add.reduceat(speller.lengths[ids], starts, dtype=np.int64)
    write_bytes(name.with_suffix(".ids"), ids.tobytes())
    write_bytes(name.with_suffix(".blocks"), blocks.tobytes())
    facts = {
        "bytes": len(data),
        "chars": len(text),
        "tokens": len(ids),
        "text_sha256": wanted,
        "ids_sha256": hashlib.sha256(ids.data).hexdigest(),
    }
    write_json(name.with_suffix(".json"), facts)
    return facts


def _written(name: Path, *, text_sha256: str) -> dict[str, Any] | None:
    """The facts of a shard that is there whole, and is of this text."""
    try:
        facts = json.loads(name.with_suffix(".json").read_text(encoding="utf-8"))
        found = hashlib.sha256(name.with_suffix(".ids").read_bytes()).hexdigest()
        blocks = name.with_suffix(".blocks").stat().st_size // 8
    except (OSError, ValueError):
        return None
    whole = facts["ids_sha256"] == found and blocks == -(-facts["tokens"] // BLOCK)
    return facts if whole and facts["text_sha256"] == text_sha256 else None


class Speller:
    """The bytes of a vocabulary's tokens as one array, to spell ids from at array speed."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokens = [tokenizer.token_bytes(i) for i in range(tokenizer.vocab_size)]
        self._bytes = np.frombuffer(b"".join(tokens), np.uint8)
        self.lengths = np.array([len(token) for token in tokens], dtype=np.int32)
        self._first = self.lengths.cumsum(dtype=np.int64) - self.lengths

    def spells(self, ids: np.ndarray, data: bytes) -> bool:
        """Whether the ids (N,) spell exactly these bytes."""
        at = 0
        for i in range(0, len(ids), CHECKED):
            part = ids[i : i + CHECKED]
            lengths = self.lengths[part]
            ends = lengths.cumsum()
            n = int(ends[-1])
            where = np.repeat(self._first[part] - (ends - lengths), lengths)  # (n,)
            where += np.arange(n)
            expected = np.frombuffer(data, np.uint8, count=min(n, len(data) - at), offset=at)
            if not np.array_equal(self._bytes[where], expected):
                return False
            at += n
        return at == len(data)


class Shards:
    """A folder of shards that is whole: its ids, and where in the text each token ends.

    Raises:
        FileNotFoundError: there is no such folder, it is not finished, or a file is not whole.
    """

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        self.folder = folder
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        dtype = id_dtype(tokenizer.vocab_size)
        facts = manifest["shards"]
        for i, shard in enumerate(facts):
            path = folder / f"{i:05d}.ids"
            if path.stat().st_size != shard["tokens"] * dtype.itemsize:
                (folder / "manifest.json").unlink()
                raise FileNotFoundError(path)
        self.n_bytes = sum(shard["bytes"] for shard in facts)
        self.n_chars = sum(shard["chars"] for shard in facts)
        sizes = [shard["tokens"] for shard in facts]
        self.ids = ShardedIds(folder, sizes, dtype)
        self.ends = ShardedEnds(self.ids, token_lengths(tokenizer))


class ShardedIds:
    """Ids (N,) in shards: slices and windows of indices are read as from a NumPy array.

    Read, not mapped: of a mapped file the system may count 2 MB as this process's memory for a
    window of 200 bytes, as Linux does since it caches files in large folios.
    """

    def __init__(self, folder: Path, sizes: list[int], dtype: np.dtype) -> None:
        self.folder, self.sizes, self.dtype = folder, sizes, dtype
        self.starts = [0, *accumulate(sizes)]

    def __len__(self) -> int:
        return self.starts[-1]

    def __getitem__(self, index: slice | np.ndarray) -> np.ndarray:
        """The ids of a slice, or at indices (…, W), of which each row is read at one go."""
        if isinstance(index, slice):
            start, stop, _ = index.indices(len(self))
            return self._read(start, stop)
        found = np.empty(index.shape, self.dtype)
        for place in np.ndindex(index.shape[:-1]):
            row = index[place]
            first = int(row.min())
            found[place] = self._read(first, int(row.max()) + 1)[row - first]
        return found

    def rows(self, starts: np.ndarray, width: int) -> np.ndarray:
        """The ids from each of `starts` (K,) on: (K, width); beyond the last id, zeros."""
        found = np.zeros((len(starts), width), self.dtype)
        for row, start in zip(found, starts.tolist(), strict=True):
            part = self._read(start, min(start + width, len(self)))
            row[: len(part)] = part
        return found

    def _read(self, start: int, stop: int) -> np.ndarray:
        found = np.empty(max(0, stop - start), self.dtype)
        at = start
        while at < stop:
            shard = bisect_right(self.starts, at) - 1
            piece = found[at - start :][: self.starts[shard + 1] - at]
            with (self.folder / f"{shard:05d}.ids").open("rb", buffering=0) as file:
                file.seek((at - self.starts[shard]) * self.dtype.itemsize)
                if file.readinto(piece.data) != piece.nbytes:
                    raise CorpusError(
                        f"{self.folder} was changed while it was in use. Start again."
                    )
            at += len(piece)
        return found


class ShardedEnds:
    """The byte of the text at which each token ends (N,), from sums over blocks of tokens."""

    def __init__(self, ids: ShardedIds, lengths: np.ndarray) -> None:
        self._ids = ids
        self._lengths = lengths.astype(np.int32)
        sizes, tokens = [], []
        for i, size in enumerate(ids.sizes):
            sizes.append(np.fromfile(ids.folder / f"{i:05d}.blocks", dtype=np.int64))
            tokens.append(ids.starts[i] + np.arange(0, size, BLOCK))
        self._first = np.concatenate([*tokens, [len(ids)]])  # (M + 1,) a block's first token
        self._before = np.concatenate([[0], np.concatenate(sizes).cumsum()])  # (M + 1,) bytes

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, index: np.ndarray | int) -> np.ndarray:
        tokens = np.atleast_1d(index) % len(self)  # (K,); -1 is the last
        block = np.searchsorted(self._first, tokens, side="right") - 1
        within = tokens - self._first[block]
        ends = np.take_along_axis(self._within(block), within[:, None], axis=1)[:, 0]
        found = self._before[block] + ends
        return found if np.ndim(index) else found[0]

    def searchsorted(self, positions: np.ndarray, side: str = "right") -> np.ndarray:
        """For bytes (K,), how many tokens end at or before each."""
        assert side == "right"
        block = np.searchsorted(self._before, positions, side="right") - 1
        block = block.clip(max=len(self._first) - 2)
        ends = self._before[block][:, None] + self._within(block)
        here = np.arange(BLOCK) < (self._first[block + 1] - self._first[block])[:, None]
        return self._first[block] + ((ends <= positions[:, None]) & here).sum(axis=1)

    def _within(self, block: np.ndarray) -> np.ndarray:
        """Bytes from a block's start to the end of each of its tokens: (K,) -> (K, BLOCK)."""
        return self._lengths[self._ids.rows(self._first[block], BLOCK)].cumsum(axis=1)
