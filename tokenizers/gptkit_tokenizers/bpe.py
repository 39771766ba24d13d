"""Byte-pair encodings by tiktoken: gpt2 from the ranks in this package, others by name or from a
table of ranks."""

from __future__ import annotations

import hashlib
import lzma
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property
from importlib.resources import files
from typing import TYPE_CHECKING, Self

import tiktoken
from tiktoken_ext import openai_public

from gptkit_tokenizers.base import JsonObject, Tokenizer, TokenizerError, id_dtype, unknown_id, utf8
from gptkit_tokenizers.chunking import PieceEncoder
from gptkit_tokenizers.guard import encoding_errors, is_library_error
from gptkit_tokenizers.rank_tables import check_ranks
from gptkit_tokenizers.word_patterns import GPT2, PATTERNS, library_pattern

if TYPE_CHECKING:
    import numpy as np

PIECE_CHARS = 250_000
OFFLINE_ENCODINGS = ("gpt2", "r50k_base")  # one table of ranks, two names
BLANK_WINDOW_CHARS = 100_000  # tiktoken fails from about a million blanks in a row
RANKS_SHA256 = "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"


class TiktokenTokenizer(Tokenizer):
    """A byte-pair encoding that tiktoken runs.

    Args:
        name: the name of one of tiktoken's encodings; with `ranks`, the name of the tokenizer.
        ranks: the id of each token's bytes, in the order of merging. Ids are distinct and may have
            holes; every single byte has one.
        pattern: with `ranks`, a regular expression for words. No token crosses a word's end.
        vocab_size: with `ranks`, V; None for the largest id plus one.
        encoding: the name of tiktoken's encoding, if it is not `name`.

    >>> TiktokenTokenizer("gpt2").encode("Hello, world!")
    [15496, 11, 995, 0]
    """

    def __init__(
        self,
        name: str,
        ranks: Mapping[bytes, int] | None = None,
        *,
        pattern: str = GPT2,
        vocab_size: int | None = None,
        encoding: str | None = None,
    ) -> None:
        self.name = name
        self._ranks, self._pattern = ranks, pattern
        self._encoding_name = encoding or name
        if ranks is None:
            self._encoding = load_encoding(self._encoding_name)
        else:
            self._encoding = make_encoding(name, ranks, pattern)
        self.vocab_size = vocab_size or self._encoding.n_vocab

    def encode(self, text: str) -> list[int]:
        utf8(text)
        if has_long_blank(text):
            return self._encode_by_words(text)
        with encoding_errors(self.name):
            return self._encoding.encode_ordinary(text)

    def encode_array(self, text: str) -> np.ndarray:
        return self._pieces.encode(text)

    @cached_property
    def _pieces(self) -> PieceEncoder:
        from gptkit_tokenizers.cuts import pattern_cuts
        from gptkit_tokenizers.fast import load_ranks

        ranks, pattern = self._encoding._mergeable_ranks, self._encoding._pat_str
        return PieceEncoder(
            self,
            self._encode_piece,
            find_cuts=lambda: pattern_cuts(pattern),
            load_fast=lambda: load_ranks(ranks, pattern),
            chunk=PIECE_CHARS,
        )

    def _encode_piece(self, text: str) -> np.ndarray:
        import numpy as np

        dtype = id_dtype(self.vocab_size)
        if has_long_blank(text):
            return np.array(self._encode_by_words(text), dtype=dtype)
        with encoding_errors(self.name):
            return self._encoding.encode_to_numpy(text, disallowed_special=()).astype(dtype)

    def _encode_by_words(self, text: str) -> list[int]:
        """Encode word by word, with Python's regular expressions.

        tiktoken's own ones give up on a million blanks in a row.
        """
        import regex

        ids: list[int] = []
        with encoding_errors(self.name):
            for word in regex.finditer(self._encoding._pat_str, text):
                ids += self._encoding._core_bpe.encode_single_piece(word[0].encode())
        return ids

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        ids = ids.tolist() if hasattr(ids, "tolist") else list(ids)
        try:
            return self._encoding.decode_bytes(ids)
        except (KeyError, OverflowError):
            return b"".join(self.token_bytes(i) for i in ids)

    def token_bytes(self, token: int) -> bytes:
        if not 0 <= token < self.vocab_size:
            raise unknown_id(self, token)
        try:
            return self._encoding.decode_single_token_bytes(token)
        except KeyError:
            return b""

    def special_ids(self) -> frozenset[int]:
        return frozenset(self._encoding._special_tokens.values())

    def to_tokenizer_json(self) -> bytes:
        from gptkit_tokenizers.bytelevel import byte_level_json

        special = {text.encode(): i for text, i in self._encoding._special_tokens.items()}
        return byte_level_json(
            self._encoding._mergeable_ranks,
            pattern=library_pattern(self._encoding._pat_str),
            never_found=special,
        )

    def to_dict(self) -> JsonObject:
        if self._ranks is None:
            return {"name": self.name, "tiktoken": self._encoding_name}
        ranks = ranks_to_json(self._ranks, self.vocab_size)
        return {"name": self.name, "pattern": self._pattern, "ranks": ranks}

    @classmethod
    def from_dict(cls, data: JsonObject) -> Tokenizer:  # type: ignore[override]
        if "ranks" not in data:
            return cls(data["name"], encoding=data["tiktoken"])
        tokens, pattern = data["ranks"], data["pattern"]
        ranks = ranks_from_json(tokens)
        if pattern is None:
            return UnknownWordsTokenizer(
                data["name"], ranks, vocab_size=len(tokens), advice=data["advice"]
            )
        return cls(data["name"], ranks, pattern=pattern, vocab_size=len(tokens))

    @classmethod
    def from_encoding(cls, encoding: tiktoken.Encoding, name: str) -> Self:
        """Adapt an encoding that was made in Python.

        Raises:
            TokenizerError: two tokens have one rank, or a single byte has none.
        """
        if encoding.name == name and name in openai_public.ENCODING_CONSTRUCTORS:
            return cls(name)
        ranks = dict(encoding._mergeable_ranks)
        check_ranks(name, ranks)
        return cls(name, ranks, pattern=encoding._pat_str)


class UnknownWordsTokenizer(Tokenizer):
    """A table of ranks that does not say where words end.

    It encodes a text only if that does not matter: all patterns of `word_patterns.PATTERNS` give
    the same ids. Otherwise it raises a TokenizerError that asks for the
    pattern.

    Args:
        name: the name of the tokenizer.
        ranks, vocab_size: as for `TiktokenTokenizer`.
        advice: how to name the pattern.
    """

    def __init__(
        self, name: str, ranks: Mapping[bytes, int], *, vocab_size: int, advice: str
    ) -> None:
        self.name = name
        self.vocab_size = vocab_size
        self._ranks, self._advice = ranks, advice
        self._candidates = [
            TiktokenTokenizer(name, ranks, pattern=pattern, vocab_size=vocab_size)
            for pattern in dict.fromkeys(PATTERNS.values())
        ]

    def encode(self, text: str) -> list[int]:
        return self.encode_array(text).tolist()

    def encode_array(self, text: str) -> np.ndarray:
        import numpy as np

        first, *others = self._candidates
        ids = first.encode_array(text)
        if any(not np.array_equal(ids, other.encode_array(text)) for other in others):
            raise TokenizerError(
                f"{self.name} is a table of tiktoken ranks, which does not say where words end, "
                f"and the ids of this text depend on it.\n{self._advice}"
            )
        return ids

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        return self._candidates[0].decode_bytes(ids)

    def token_bytes(self, token: int) -> bytes:
        return self._candidates[0].token_bytes(token)

    def to_dict(self) -> JsonObject:
        return {**self._candidates[0].to_dict(), "pattern": None, "advice": self._advice}


def ranks_to_json(ranks: Mapping[bytes, int], vocab_size: int) -> list[str]:
    """Return the tokens by id in base 64; "" for an id without bytes."""
    tokens = [""] * vocab_size
    for token, rank in ranks.items():
        tokens[rank] = b64encode(token).decode()
    return tokens


def ranks_from_json(tokens: Sequence[str]) -> dict[bytes, int]:
    """Return the ranks that `ranks_to_json` wrote."""
    return {a2b_base64(token): rank for rank, token in enumerate(tokens) if token}


def has_long_blank(text: str) -> bool:
    """Return whether a text has so many blanks in a row that tiktoken's regular expressions fail.

    Every run of 2 · `BLANK_WINDOW_CHARS` blanks contains a window that begins at a multiple of it.
    """
    windows = range(0, len(text) - BLANK_WINDOW_CHARS + 1, BLANK_WINDOW_CHARS)
    return any(text[i].isspace() and text[i : i + BLANK_WINDOW_CHARS].isspace() for i in windows)


def make_encoding(
    name: str, ranks: Mapping[bytes, int], pattern: str, special: Mapping[str, int] | None = None
) -> tiktoken.Encoding:
    """Make tiktoken's encoding of a table of ranks.

    Raises:
        TokenizerError: tiktoken cannot use the pattern.
    """
    try:
        return tiktoken.Encoding(
            name, pat_str=pattern, mergeable_ranks=dict(ranks), special_tokens=dict(special or {})
        )
    except BaseException as error:
        if not is_library_error(error):
            raise
        reason = str(error).splitlines()[0]
        raise TokenizerError(f"{name} has a pattern that tiktoken cannot use: {reason}") from None


def shipped_ranks() -> dict[bytes, int]:
    """Read GPT-2's mergeable ranks from the table in this package.

    Raises:
        TokenizerError: the file was changed.
    """
    path = files("gptkit_tokenizers") / "data" / "r50k_base.tiktoken.xz"
    try:
        table = lzma.decompress(path.read_bytes())
    except (OSError, lzma.LZMAError):
        table = b""
    if hashlib.sha256(table).hexdigest() != RANKS_SHA256:
        raise TokenizerError(
            f"{path} is not GPT-2's rank table: its sha256 differs from {RANKS_SHA256[:16]}….\n"
            "Install gptkit again: pip install --force-reinstall --no-deps gptkit."
        )
    tokens = table.split()[::2]  # a line is a token in base 64 and its rank: 0, 1, 2, …
    return {a2b_base64(token): rank for rank, token in enumerate(tokens)}


@cache
def load_encoding(name: str) -> tiktoken.Encoding:
    """Load a tiktoken encoding by name; only OFFLINE_ENCODINGS never need the network."""
    if name in OFFLINE_ENCODINGS:
        ranks = shipped_ranks()
        return tiktoken.Encoding(
            name,
            pat_str=GPT2,
            mergeable_ranks=ranks,
            special_tokens={openai_public.ENDOFTEXT: len(ranks)},
        )
    try:
        return tiktoken.get_encoding(name)
    except (OSError, ValueError) as error:  # requests' errors are OSErrors
        raise TokenizerError(_cannot_load(name, error)) from error


def _cannot_load(name: str, error: Exception) -> str:
    url = getattr(getattr(error, "request", None), "url", None)
    if url is None:
        return f"tiktoken cannot load {name}: {error}"
    cached_as = hashlib.sha1(url.encode()).hexdigest()
    return (
        f"tiktoken cannot download the ranks of {name} from {url}.\n"
        "Connect to the network once; or put that file, renamed to\n"
        f"{cached_as}, in a folder named by TIKTOKEN_CACHE_DIR;\n"
        "or use gpt2, which needs no download."
    )
