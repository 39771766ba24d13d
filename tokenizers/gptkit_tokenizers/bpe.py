"""Byte-pair encodings by tiktoken: gpt2 from the ranks in this package, others by name or from a
table of ranks."""

from __future__ import annotations

import hashlib
import lzma
from base64 import b64encode
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Iterable, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Self

import tiktoken
from tiktoken_ext import openai_public

from gptkit_tokenizers.base import JsonObject, Tokenizer, TokenizerError, id_dtype, unknown_id, utf8
from gptkit_tokenizers.chunking import encode_in_chunks, next_word

if TYPE_CHECKING:
    import numpy as np

OFFLINE_ENCODINGS = ("gpt2", "r50k_base")  # one table of ranks, two names
RANKS_SHA256 = "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"


class TiktokenTokenizer(Tokenizer):
    """A byte-pair encoding that tiktoken runs.

    Args:
        name: the name of one of tiktoken's encodings; with `ranks`, the spec of the tokenizer.
        ranks: the rank (0, 1, 2, …) of each token's bytes; every single byte has one.
        pattern: with `ranks`, a regular expression for words. No token crosses a word's end.

    >>> TiktokenTokenizer("gpt2").encode("Hello, world!")
    [15496, 11, 995, 0]
    """

    def __init__(
        self,
        name: str,
        ranks: Mapping[bytes, int] | None = None,
        *,
        pattern: str = openai_public.r50k_pat_str,
    ) -> None:
        self.name = name
        self._ranks, self._pattern = ranks, pattern
        if ranks is None:
            self._encoding = load_encoding(name)
        else:
            self._encoding = tiktoken.Encoding(
                name, pat_str=pattern, mergeable_ranks=dict(ranks), special_tokens={}
            )
        self.vocab_size = self._encoding.n_vocab
        # A tiktoken plug-in may have any pattern, so its text is not cut.
        self._cuts_known = ranks is not None or name in openai_public.ENCODING_CONSTRUCTORS

    def encode(self, text: str) -> list[int]:
        utf8(text)
        return self._encoding.encode_ordinary(text)

    def encode_array(self, text: str) -> np.ndarray:
        utf8(text)
        if self._cuts_known:
            return encode_in_chunks(text, self._encode_chunk, next_cut=next_word)
        return self._encode_chunk(text)

    def _encode_chunk(self, text: str) -> np.ndarray:
        ids = self._encoding.encode_to_numpy(text, disallowed_special=())
        return ids.astype(id_dtype(self.vocab_size))

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

    def to_dict(self) -> JsonObject:
        if self._ranks is None:
            return {"name": self.name}
        in_order = sorted(self._ranks, key=self._ranks.__getitem__)
        return {
            "name": self.name,
            "pattern": self._pattern,
            "ranks": [b64encode(token).decode() for token in in_order],
        }

    @classmethod
    def from_dict(cls, data: JsonObject) -> Self:
        if "ranks" not in data:
            return cls(data["name"])
        ranks = {a2b_base64(token): rank for rank, token in enumerate(data["ranks"])}
        return cls(data["name"], ranks, pattern=data["pattern"])

    @classmethod
    def from_encoding(cls, encoding: tiktoken.Encoding, name: str) -> Self:
        """Adapt an encoding that was made in Python.

        Raises:
            TokenizerError: the ranks do not count from 0, or a single byte has none.
        """
        if encoding.name == name and name in openai_public.ENCODING_CONSTRUCTORS:
            return cls(name)
        ranks = dict(encoding._mergeable_ranks)
        _check_ranks(name, ranks)
        return cls(name, ranks, pattern=encoding._pat_str)

    @classmethod
    def from_file(cls, name: str, path: Path) -> Self:
        """Read a `.tiktoken` file: a token in base 64 and its rank to the line.

        Words are those of the OpenAI encoding that the file is named after, else GPT-2's.

        Raises:
            TokenizerError: it is none, or lacks a single byte.
        """
        try:
            lines = path.read_bytes().splitlines()
            pairs = [line.split() for line in lines if line]
            ranks = {a2b_base64(token, strict_mode=True): int(rank) for token, rank in pairs}
        except (OSError, ValueError, Base64Error) as error:
            raise TokenizerError(
                f"{path} cannot be read as tiktoken ranks: {error}.\n"
                "A line is a token in base 64, a space, and its rank."
            ) from error
        _check_ranks(str(path), ranks)
        return cls(name, ranks, pattern=_pattern_of(path.stem))


def _check_ranks(name: str, ranks: Mapping[bytes, int]) -> None:
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing or sorted(ranks.values()) != list(range(len(ranks))):
        reason = f"byte 0x{missing[0]:02x} has none" if missing else "they do not count from 0"
        raise TokenizerError(
            f"{name} cannot be used: of its {len(ranks):,} ranks, {reason}.\n"
            "Every single byte needs a rank, and the ranks must be 0, 1, 2, …"
        )


def _pattern_of(name: str) -> str:
    """The pattern of one of OpenAI's encodings, without its ranks; GPT-2's for any other name."""
    constructor = openai_public.ENCODING_CONSTRUCTORS.get(name)
    if constructor is None:
        return openai_public.r50k_pat_str
    load = openai_public.load_tiktoken_bpe
    openai_public.load_tiktoken_bpe = lambda *args, **options: {}
    try:
        return constructor()["pat_str"]
    finally:
        openai_public.load_tiktoken_bpe = load


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
            pat_str=openai_public.r50k_pat_str,
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
