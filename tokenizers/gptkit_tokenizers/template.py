"""A tokenizer to start from: one id per UTF-8 byte, and one per byte with a space before it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np

from gptkit_tokenizers.base import id_dtype, unknown_id, utf8

SPACE = 0x20


class Template:
    """Replace `encode` and `token_bytes` by your own; the tests say what they must keep to.

    >>> Template().encode("to be")
    [116, 111, 354, 101]
    """

    name = "template"  # the spec, and the entry point's name
    vocab_size = 512

    def encode(self, text: str) -> list[int]:
        data, ids, i = utf8(text), [], 0
        while i < len(data):
            after_space = data[i] == SPACE and i + 1 < len(data)
            ids.append(256 + data[i + 1] if after_space else data[i])
            i += 1 + after_space
        return ids

    def encode_array(self, text: str) -> np.ndarray:
        return np.array(self.encode(text), dtype=id_dtype(self.vocab_size))

    def token_bytes(self, token: int) -> bytes:
        if not 0 <= token < self.vocab_size:
            raise unknown_id(self, token)
        return bytes([token]) if token < 256 else bytes([SPACE, token - 256])

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        return b"".join(self.token_bytes(int(i)) for i in ids)

    def decode(self, ids: Iterable[int]) -> str:
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def to_dict(self) -> dict[str, Any]:
        return {"name": self.name}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        return cls()
