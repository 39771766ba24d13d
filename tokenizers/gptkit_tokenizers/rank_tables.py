"""Read tables of byte-pair ranks: `.tiktoken` files, tekken.json, and js-tiktoken's JSON."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as Base64Error
from dataclasses import dataclass
from pathlib import Path

from gptkit_tokenizers.base import JsonObject, TokenizerError
from gptkit_tokenizers.word_patterns import (
    KNOWN_TABLES,
    OPENAI_NAMES,
    PATTERNS,
    find_pattern,
    table_sha256,
)

MAX_RANK = 10_000_000


@dataclass(frozen=True, kw_only=True)
class RankTable:
    """A table of ranks.

    Attributes:
        ranks: the id of each token's bytes; ids are distinct, and may have holes.
        vocab_size: the largest id plus one.
        pattern: the regular expression for words; None if the table does not say it.
    """

    ranks: dict[bytes, int]
    vocab_size: int
    pattern: str | None = None


def read_tiktoken(path: Path, data: bytes) -> RankTable:
    """Read lines of a token in base 64 and its rank.

    A line with an empty token assigns no bytes to its rank, as in Whisper's tables.

    Raises:
        TokenizerError: a line is something else, or a token or a rank is there twice.
    """
    ranks: dict[bytes, int] = {}
    line_of: dict[int, int] = {}
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        token, rank = _read_line(path, number, line)
        if rank in line_of:
            raise TokenizerError(
                f"{path} has rank {rank} twice, in lines {line_of[rank]} and {number}."
            )
        if token in ranks:
            raise TokenizerError(
                f"{path} has the token {token!r} twice, with ranks {ranks[token]} and {rank} "
                f"(line {number})."
            )
        line_of[rank] = number
        if token:
            ranks[token] = rank
    check_ranks(str(path), ranks)
    return RankTable(ranks=ranks, vocab_size=max(line_of) + 1)


def _read_line(path: Path, number: int, line: bytes) -> tuple[bytes, int]:
    parts = line.split()
    try:
        text, rank = parts
        token = b"" if text == b"=" else b64decode(text, validate=True)
        return token, int(rank)
    except (ValueError, Base64Error):
        raise TokenizerError(
            f"{path} is not a table of tiktoken ranks: line {number} is {line[:40]!r}.\n"
            "A line is a token in base 64, a space, and its rank."
        ) from None


def is_tiktoken(data: bytes) -> bool:
    r"""Return whether data begins with a line of tiktoken ranks.

    >>> is_tiktoken(b"IQ== 0\nIg== 1\n"), is_tiktoken(b"to be\n")
    (True, False)
    """
    first = data[:4096].split(b"\n", 1)[0].split()
    try:
        return len(first) == 2 and bool(b64decode(first[0], validate=True)) and int(first[1]) >= 0
    except (ValueError, Base64Error):
        return False


def read_tekken(path: Path, data: JsonObject) -> RankTable:
    """Read Mistral's tekken.json: the id of a token is its rank plus the special tokens' number.

    Raises:
        TokenizerError: a part is missing or is something else.
    """
    try:
        config = data["config"]
        first_id = int(config["default_num_special_tokens"])
        n = int(config["default_vocab_size"]) - first_id
        ranks = {
            b64decode(entry["token_bytes"], validate=True): int(entry["rank"]) + first_id
            for entry in data["vocab"][:n]
        }
        pattern = str(config["pattern"])
    except (KeyError, TypeError, ValueError) as error:
        raise TokenizerError(f"{path} is not a whole tekken.json: {error!r}.") from None
    check_ranks(str(path), ranks)
    return RankTable(ranks=ranks, vocab_size=max(ranks.values()) + 1, pattern=pattern)


def read_js_tiktoken(path: Path, data: JsonObject) -> RankTable:
    """Read js-tiktoken's JSON: lines of "! OFFSET TOKEN TOKEN …", tokens in base 64.

    Raises:
        TokenizerError: a part is missing or is something else.
    """
    ranks: dict[bytes, int] = {}
    try:
        for line in str(data["bpe_ranks"]).splitlines():
            _, first, *tokens = line.split(" ")
            ranks |= {b64decode(t, validate=True): int(first) + i for i, t in enumerate(tokens)}
        pattern = str(data["pat_str"])
    except (KeyError, TypeError, ValueError) as error:
        raise TokenizerError(f"{path} is not a whole js-tiktoken JSON: {error!r}.") from None
    check_ranks(str(path), ranks)
    return RankTable(ranks=ranks, vocab_size=max(ranks.values()) + 1, pattern=pattern)


def choose_pattern(path: Path, table: RankTable, options: dict[str, str]) -> str | None:
    """Return the pattern for words: the user's, the file's own, a file beside it, or a known one.

    Returns None if none of these says it.
    """
    if "pattern" in options:
        return options["pattern"]
    if "split" in options:
        return find_pattern(options["split"])
    if table.pattern is not None:
        return table.pattern
    beside = path.with_suffix(".pattern")
    if beside.is_file():
        return beside.read_text(encoding="utf-8").rstrip("\n")
    known = OPENAI_NAMES.get(path.stem) or KNOWN_TABLES.get(table_sha256(table.ranks))
    return None if known is None else PATTERNS[known]


def pattern_advice(path: Path) -> str:
    """Say how to give the pattern for a table of ranks."""
    return (
        f"Name the words: {path}:split={'|'.join(PATTERNS)}; or write their regular expression to "
        f"{path.with_suffix('.pattern')}."
    )


def check_ranks(name: str, ranks: dict[bytes, int]) -> None:
    """Check that every single byte has a rank, and that ranks are distinct and not negative."""
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise TokenizerError(
            f"{name} cannot be used: of its {len(ranks):,} ranks, byte 0x{missing[0]:02x} has "
            "none.\nEvery single byte needs a rank, to spell any text."
        )
    seen: set[int] = set()
    for rank in ranks.values():
        if rank in seen:
            raise TokenizerError(f"{name} cannot be used: rank {rank} stands for two tokens.")
        seen.add(rank)
    if min(seen) < 0 or max(seen) > MAX_RANK:
        raise TokenizerError(f"{name} cannot be used: a rank is outside 0 to {MAX_RANK:,}.")
