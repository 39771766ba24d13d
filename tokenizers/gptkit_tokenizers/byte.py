"""One id per UTF-8 byte: a baseline that can spell any text."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import numpy as np

from gptkit_tokenizers.base import JsonObject, Tokenizer, unknown_id, utf8


class ByteTokenizer(Tokenizer):
    """The id of a byte is its value.

    >>> ByteTokenizer().encode("é!")
    [195, 169, 33]
    """

    name = "byte"
    vocab_size = 256

    def encode(self, text: str) -> list[int]:
        return list(utf8(text))

    def encode_array(self, text: str) -> np.ndarray:
        return np.frombuffer(utf8(text), dtype=np.uint8)

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        ids = list(ids)
        try:
            return bytes(ids)
        except ValueError:
            raise unknown_id(self, next(i for i in ids if not 0 <= i < 256)) from None

    def token_bytes(self, token: int) -> bytes:
        return self.decode_bytes([token])

    def to_tokenizer_json(self) -> bytes:
        from gptkit_tokenizers.bytelevel import byte_level_json
        from gptkit_tokenizers.word_patterns import LEARNED_PATTERNS

        ranks = {bytes([byte]): byte for byte in range(256)}
        return byte_level_json(ranks, pattern=LEARNED_PATTERNS["gpt2"])

    def to_dict(self) -> JsonObject:
        return {"name": self.name, "n_bytes": self.vocab_size}

    @classmethod
    def from_dict(cls, data: JsonObject) -> Self:
        tokenizer = cls()
        tokenizer.name = data["name"]
        return tokenizer
