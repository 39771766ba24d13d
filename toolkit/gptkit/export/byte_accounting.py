"""Count the true UTF-8 bytes of each id in a text, and check somebody's table of them.

A trainer that reports bits per byte divides by the bytes that its tokens spell, usually from a
table with an entry per id. A wrong entry makes the loss wrong without a sign of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gptkit.errors import ConfigError
from gptkit.results.byte_accounting import ByteAccount, ByteCheck, Cause, WrongId
from gptkit_tokenizers import Tokenizer, token_lengths
from gptkit_tokenizers.base import utf8
from gptkit_tokenizers.bytelevel import write

MAX_WORST_IDS = 10


@dataclass(frozen=True, kw_only=True)
class Account:
    """A `ByteAccount` with the bytes of each id (V,), and of each token of the text (N,)."""

    summary: ByteAccount
    token_bytes: np.ndarray
    text_token_bytes: np.ndarray


def account_bytes(
    tokenizer: Tokenizer, text: str, *, text_name: str, check: Path | None = None
) -> Account:
    """Count the bytes of a text's tokens, and compare them with a table.

    Args:
        check: a file with the bytes of each id: .npy, .safetensors, or .pt.

    Raises:
        ConfigError: the file is no such table, or is shorter than the ids of the text.
    """
    ids = tokenizer.encode_array(text)
    lengths = token_lengths(tokenizer)
    lengths[list(tokenizer.special_ids())] = 0
    counts = np.bincount(ids, minlength=len(lengths))
    used = np.flatnonzero(counts)
    partial = [i for i in used.tolist() if _is_partial(tokenizer.token_bytes(i))]
    text_bytes = len(utf8(text))
    summary = ByteAccount(
        tokenizer=tokenizer.name,
        text=text_name,
        vocab_size=tokenizer.vocab_size,
        tokens=len(ids),
        used_ids=len(used),
        text_bytes=text_bytes,
        spelled_bytes=int(lengths @ counts),
        partial_ids=len(partial),
        partial_tokens=int(counts[partial].sum()),
        empty_ids=int((lengths == 0).sum()),
        check=None
        if check is None
        else _check(tokenizer, check, read_table(check), lengths, counts, text_bytes),
    )
    return Account(
        summary=summary,
        token_bytes=lengths.astype(np.int32),
        text_token_bytes=lengths[ids].astype(np.min_scalar_type(int(lengths.max(initial=0)))),
    )


def read_table(path: Path) -> np.ndarray:
    """Read a table of bytes by id (V,). Nothing is unpickled but plain tensors.

    Raises:
        ConfigError: the file cannot be read, or does not hold one list of whole numbers.
    """
    readers: dict[str, Callable[[Path], Any]] = {
        ".npy": lambda path: np.load(path, allow_pickle=False),
        ".safetensors": _read_safetensors,
        ".pt": _read_torch,
        ".pth": _read_torch,
    }
    if path.suffix not in readers:
        raise ConfigError(
            f"{path} is no table that can be read. Give a file that ends in {', '.join(readers)}."
        )
    if not path.is_file():
        raise ConfigError(f"there is no file {path}.")
    try:
        found = readers[path.suffix](path)
    except Exception as error:  # of many kinds: of the file, or of its library
        reason = (str(error).strip() or repr(error)).splitlines()[0]
        raise ConfigError(f"{path} cannot be read as a table of bytes: {reason}") from error
    if isinstance(found, dict):
        tensors = [value for value in found.values() if hasattr(value, "shape")]
        found = found.get("token_bytes", tensors[0] if len(tensors) == 1 else None)
    table = np.asarray(found) if hasattr(found, "shape") else np.empty((0, 0))
    whole = table.ndim == 1 and table.dtype.kind in "uif" and np.isfinite(table).all()
    if not whole or len(table) == 0 or (table != np.rint(table)).any() or (table < 0).any():
        raise ConfigError(
            f"{path} does not hold the bytes of each id: one list of whole numbers, 0 or more."
        )
    return table.astype(np.int64)


def _read_safetensors(path: Path) -> Any:
    import safetensors.numpy

    return safetensors.numpy.load_file(path)


def _read_torch(path: Path) -> Any:
    import torch

    found = torch.load(path, map_location="cpu", weights_only=True)
    if isinstance(found, dict):
        return {k: v.numpy() for k, v in found.items() if isinstance(v, torch.Tensor)}
    return found.numpy() if isinstance(found, torch.Tensor) else found


def _check(
    tokenizer: Tokenizer,
    path: Path,
    table: np.ndarray,
    lengths: np.ndarray,
    counts: np.ndarray,
    text_bytes: int,
) -> ByteCheck:
    used = np.flatnonzero(counts)
    if len(table) <= used.max(initial=-1):
        raise ConfigError(
            f"{path} has {len(table):,} entries, and the text has id {used.max():,}: it is of "
            f"another tokenizer than {tokenizer.name}."
        )
    given = np.zeros_like(lengths)
    given[: len(table)] = table[: len(lengths)]
    table_bytes = int(given @ counts)
    if not table_bytes:
        raise ConfigError(f"{path} has 0 bytes for every id of the text.")
    wrong = used[given[used] != lengths[used]]
    causes = {i: find_cause(tokenizer.token_bytes(i), int(given[i])) for i in wrong.tolist()}
    off = (given - lengths) * counts
    kinds = [
        Cause(
            name=name,
            ids=len(ids),
            occurrences=int(counts[ids].sum()),
            bytes=int(off[ids].sum()),
        )
        for name in dict.fromkeys(causes.values())
        if (ids := [i for i, cause in causes.items() if cause == name])
    ]
    worst = sorted(causes, key=lambda i: -abs(int(off[i])))[:MAX_WORST_IDS]
    return ByteCheck(
        file=str(path),
        entries=len(table),
        table_bytes=table_bytes,
        error=text_bytes / table_bytes - 1,
        causes=sorted(kinds, key=lambda cause: -abs(cause.bytes)),
        worst=[
            WrongId(
                id=i,
                hex=tokenizer.token_bytes(i).hex(),
                text=tokenizer.token_text(i),
                true=int(lengths[i]),
                given=int(given[i]),
                occurrences=int(counts[i]),
                cause=causes[i],
            )
            for i in worst
        ],
        unused_with_bytes=int(((lengths == 0) & (given > 0)).sum()),
        zero=int(counts[(lengths > 0) & (given == 0)].sum()),
    )


def find_cause(token: bytes, given: int) -> str:
    r"""Say in which way somebody counted a token's bytes wrong.

    >>> find_cause(b"\xe2\x80", 3)
    'part of a character, counted as U+FFFD of three bytes'
    >>> find_cause(b" the", 3), find_cause(b"\n", 6)
    ('the space in front is not counted', 'a byte, counted as its name, as in <0x0A>')
    """
    decoded = token.decode("utf-8", errors="replace")
    if not token:
        return "spells nothing, but has bytes"
    if _is_partial(token) and given == len(decoded.encode()):
        return "part of a character, counted as U+FFFD of three bytes"
    if _is_partial(token) and given == len(decoded):
        return "part of a character, counted as one U+FFFD of one byte"
    if len(token) == 1 and given == len("<0x0A>"):
        return "a byte, counted as its name, as in <0x0A>"
    if token.startswith(b" ") and given == len(token) - 1:
        return "the space in front is not counted"
    if token.strip() != token and given == len(token.strip()):
        return "blanks are not counted"
    if b" " in token and given == len(token.replace(b" ", "▁".encode())):
        return "a space, counted as ▁ of three bytes"
    if given == len(write(token).encode()):
        return "counted as it is written in the byte-level alphabet"
    if given == len(decoded):
        return "characters, not bytes, are counted"
    return "has no bytes" if given == 0 else "another number"


def _is_partial(token: bytes) -> bool:
    try:
        token.decode()
    except UnicodeDecodeError:
        return True
    return False
