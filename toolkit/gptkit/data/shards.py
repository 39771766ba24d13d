"""Encode a large text into files, once and in parallel, and read its ids from them.

A shard holds about 2 million characters in three files. NNNNN.ids has the ids in the vocabulary's
smallest unsigned dtype, NNNNN.blocks has the number of bytes that each 1,024 ids spell, and
NNNNN.json has sizes and hashes. Each file is written under a temporary name and then renamed, the
.json last, so a shard is whole or missing. manifest.json is written when all shards are whole. A
later run checks the shards of a stopped run, and continues after them.
"""

from __future__ import annotations

import hashlib
import os
import time
from bisect import bisect_right
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import accumulate
from pathlib import Path

import msgspec
import numpy as np

from gptkit.data.text_on_disk import LargeText
from gptkit.errors import CorpusError
from gptkit.files import write_bytes, write_json
from gptkit_tokenizers import Tokenizer, TokenizerError, audit, id_dtype, token_lengths
from gptkit_tokenizers.cuts import next_word

SHARD_CHARS = 2_000_000
BLOCK_TOKENS = 1024
LEFTOVER_SECONDS = 3600.0  # far longer than a shard is being written
VERIFY_CHUNK_TOKENS = 1 << 15  # tokens compared with the text at a time

OnBytes = Callable[[int, int], None]  # bytes encoded so far, and in all


class ShardFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The sizes and hashes of a shard."""

    bytes: int
    chars: int
    tokens: int
    text_sha256: str
    ids_sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The shards of a text, in order, and the name of the tokenizer."""

    tokenizer: str
    shards: list[ShardFacts]


def encode_shards(
    tokenizer: Tokenizer, text: LargeText, folder: Path, *, on_bytes: OnBytes = lambda done, n: None
) -> Shards:
    """Encode a text into a folder, or continue where an earlier run stopped.

    The text is cut before a word, where GPT-2's pattern always begins a token.

    Args:
        folder: a folder for this text and this tokenizer alone.
        on_bytes: called after each shard with the bytes done and all bytes.

    Raises:
        TokenizerError: the tokenizer does not give every byte back.
    """
    try:
        return Shards(folder, tokenizer)
    except (FileNotFoundError, ValueError):
        pass
    folder.mkdir(parents=True, exist_ok=True)
    token_bytes = TokenBytes(tokenizer)
    n_bytes, done = text.n_bytes(), 0
    facts: list[ShardFacts] = []
    waiting: deque[Future[ShardFacts]] = deque()

    def take() -> None:
        nonlocal done
        facts.append(waiting.popleft().result())
        done += facts[-1].bytes
        on_bytes(done, n_bytes)

    workers = os.cpu_count() or 1
    with ThreadPoolExecutor(workers) as pool:
        try:
            for i, part in enumerate(_parts(text)):
                if len(waiting) > workers:  # keep only as much text in memory as is being encoded
                    take()
                waiting.append(
                    pool.submit(_encode_shard, tokenizer, token_bytes, part, folder / f"{i:05d}")
                )
                del part
            while waiting:
                take()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    write_json(folder / "manifest.json", Manifest(tokenizer=tokenizer.name, shards=facts))
    _remove_leftovers(folder)
    return Shards(folder, tokenizer)


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed runs have left; another run may still be writing the younger files."""
    for path in folder.glob(".*.tmp"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > LEFTOVER_SECONDS:
                path.unlink()


def _parts(text: LargeText) -> Iterator[str]:
    buffer = ""
    for piece in text.pieces():
        buffer += piece
        while len(buffer) > SHARD_CHARS and (cut := next_word(buffer, SHARD_CHARS)) < len(buffer):
            yield buffer[:cut]
            buffer = buffer[cut:]
    if buffer:
        yield buffer


def _encode_shard(
    tokenizer: Tokenizer, token_bytes: TokenBytes, text: str, name: Path
) -> ShardFacts:
    """Encode, check and write one shard, unless an earlier run has written it."""
    data = text.encode()
    wanted = hashlib.sha256(data).hexdigest()
    if (facts := _read_facts(name, text_sha256=wanted)) is not None:
        return facts
    ids = tokenizer.encode_array(text).astype(id_dtype(tokenizer.vocab_size), copy=False)
    if not tokenizer.context_free:
        audit(tokenizer, text, ids)
    elif not token_bytes.match(ids, data):
        audit(tokenizer, text, ids)  # raises with the place
        raise TokenizerError(f"{tokenizer.name}'s token_bytes and decode_bytes disagree.")
    starts = np.arange(0, len(ids), BLOCK_TOKENS)
    blocks = np.add.reduceat(token_bytes.lengths[ids], starts, dtype=np.int64)
    write_bytes(name.with_suffix(".ids"), ids.tobytes())
    write_bytes(name.with_suffix(".blocks"), blocks.tobytes())
    facts = ShardFacts(
        bytes=len(data),
        chars=len(text),
        tokens=len(ids),
        text_sha256=wanted,
        ids_sha256=hashlib.sha256(ids.data).hexdigest(),
    )
    write_json(name.with_suffix(".json"), facts)
    return facts


def _read_facts(name: Path, *, text_sha256: str) -> ShardFacts | None:
    """Return the facts of a shard if it is whole and holds this text."""
    try:
        facts = msgspec.json.decode(name.with_suffix(".json").read_bytes(), type=ShardFacts)
        found = hashlib.sha256(name.with_suffix(".ids").read_bytes()).hexdigest()
        blocks = name.with_suffix(".blocks").stat().st_size // 8
    except (OSError, ValueError):
        return None
    whole = facts.ids_sha256 == found and blocks == -(-facts.tokens // BLOCK_TOKENS)
    return facts if whole and facts.text_sha256 == text_sha256 else None


class TokenBytes:
    """The bytes of all tokens of a vocabulary in one array, to spell ids at array speed."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        tokens = tokenizer.all_token_bytes
        self._bytes = np.frombuffer(b"".join(tokens), np.uint8)
        self.lengths = np.array([len(token) for token in tokens], dtype=np.int32)
        self._first = self.lengths.cumsum(dtype=np.int64) - self.lengths

    def match(self, ids: np.ndarray, data: bytes) -> bool:
        """Return whether the ids (N,) spell exactly these bytes."""
        at = 0
        for i in range(0, len(ids), VERIFY_CHUNK_TOKENS):
            part = ids[i : i + VERIFY_CHUNK_TOKENS]
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
    """A whole folder of shards: the ids, and where in the text each token ends.

    Raises:
        FileNotFoundError: the folder is missing or not finished, or a file is not whole.
    """

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        self.folder = folder
        manifest = msgspec.json.decode((folder / "manifest.json").read_bytes(), type=Manifest)
        dtype = id_dtype(tokenizer.vocab_size)
        facts = manifest.shards
        for i, shard in enumerate(facts):
            path = folder / f"{i:05d}.ids"
            if path.stat().st_size != shard.tokens * dtype.itemsize:
                (folder / "manifest.json").unlink()
                raise FileNotFoundError(path)
        self.n_bytes = sum(shard.bytes for shard in facts)
        self.n_chars = sum(shard.chars for shard in facts)
        sizes = [shard.tokens for shard in facts]
        self.ids = ShardedIds(folder, sizes, dtype)
        self.ends = ShardedEnds(self.ids, token_lengths(tokenizer))


class ShardedIds:
    """Ids (N,) in shards. Indexing by a slice or by an array of indices reads a NumPy array.

    Files are read, not memory-mapped: with large folios, Linux can count 2 MB as resident for a
    200-byte window of a mapped file.
    """

    def __init__(self, folder: Path, sizes: list[int], dtype: np.dtype) -> None:
        self.folder, self.sizes, self.dtype = folder, sizes, dtype
        self.starts = [0, *accumulate(sizes)]

    def __len__(self) -> int:
        return self.starts[-1]

    def __getitem__(self, index: slice | np.ndarray) -> np.ndarray:
        """Read the ids of a slice, or at indices (…, W); each row is one read."""
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
        """Read `width` ids from each of `starts` (K,): (K, width), zeros after the last id."""
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
    """The byte of the text at which each token ends (N,), computed from block sums."""

    def __init__(self, ids: ShardedIds, lengths: np.ndarray) -> None:
        self._ids = ids
        self._lengths = lengths.astype(np.int32)
        sizes, tokens = [], []
        for i, size in enumerate(ids.sizes):
            sizes.append(np.fromfile(ids.folder / f"{i:05d}.blocks", dtype=np.int64))
            tokens.append(ids.starts[i] + np.arange(0, size, BLOCK_TOKENS))
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
        """Count the tokens that end at or before each of the bytes (K,)."""
        assert side == "right"
        block = np.searchsorted(self._before, positions, side="right") - 1
        block = block.clip(max=len(self._first) - 2)
        ends = self._before[block][:, None] + self._within(block)
        here = np.arange(BLOCK_TOKENS) < (self._first[block + 1] - self._first[block])[:, None]
        return self._first[block] + ((ends <= positions[:, None]) & here).sum(axis=1)

    def _within(self, block: np.ndarray) -> np.ndarray:
        """Count bytes from a block's start to each token's end: (K,) -> (K, BLOCK_TOKENS)."""
        return self._lengths[self._ids.rows(self._first[block], BLOCK_TOKENS)].cumsum(axis=1)
