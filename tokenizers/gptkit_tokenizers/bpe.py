"""tiktoken's byte-pair encodings: gpt2 from the ranks shipped here, the others by name."""

from __future__ import annotations

import hashlib
import lzma
import re
from binascii import a2b_base64
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Self

import tiktoken
from tiktoken_ext import openai_public

from gptkit_tokenizers.base import TokenizerError, id_dtype, unknown_id, utf8
from gptkit_tokenizers.pieces import encode_in_pieces

if TYPE_CHECKING:
    import numpy as np

SHIPPED = ("gpt2", "r50k_base")  # one table of ranks, two names
RANKS_SHA256 = "306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930"

# OpenAI's patterns all end a token between a letter and a space before another letter, so a text
# cut there keeps its ids. Nothing is known of the patterns that tiktoken plug-ins bring.
_SAFE_CUT = re.compile(r"[A-Za-z](?= [A-Za-z])")


class TiktokenTokenizer:
    """
    >>> TiktokenTokenizer("gpt2").encode("Hello, world!")
    [15496, 11, 995, 0]
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._encoding = load_encoding(name)
        self.vocab_size = self._encoding.n_vocab
        self._cuts_known = name in openai_public.ENCODING_CONSTRUCTORS

    def encode(self, text: str) -> list[int]:
        utf8(text)
        return self._encoding.encode_ordinary(text)

    def encode_array(self, text: str) -> np.ndarray:
        utf8(text)
        if self._cuts_known:
            return encode_in_pieces(text, self._encode_piece, next_cut=_next_cut)
        return self._encode_piece(text)

    def _encode_piece(self, text: str) -> np.ndarray:
        ids = self._encoding.encode_to_numpy(text, disallowed_special=())
        return ids.astype(id_dtype(self.vocab_size))

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        ids = ids.tolist() if hasattr(ids, "tolist") else list(ids)
        try:
            return self._encoding.decode_bytes(ids)
        except (KeyError, OverflowError):
            return b"".join(self.token_bytes(i) for i in ids)

    def decode(self, ids: Iterable[int]) -> str:
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def token_bytes(self, token: int) -> bytes:
        if not 0 <= token < self.vocab_size:
            raise unknown_id(self, token)
        try:
            return self._encoding.decode_single_token_bytes(token)
        except KeyError:
            return b""

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        return cls(data["name"])


def _next_cut(text: str, index: int) -> int:
    found = _SAFE_CUT.search(text, index)
    return found.end() if found else len(text)


def shipped_ranks() -> dict[bytes, int]:
    """GPT-2's mergeable ranks, from the table shipped in the package.

    Raises:
        TokenizerError: when the file is not the one that was shipped.
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
    """A tiktoken encoding by name; only those in SHIPPED work with no network the first time."""
    if name in SHIPPED:
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
