"""A tokenizer to start from: one id per byte, and one id per byte with a space before it."""

from __future__ import annotations

from gptkit_tokenizers.base import Tokenizer, unknown_id, utf8

SPACE = 0x20


class Template(Tokenizer):
    """Replace `vocab_size`, `encode` and `token_bytes` by your own; the tests check them.

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

    def token_bytes(self, token: int) -> bytes:
        if not 0 <= token < self.vocab_size:
            raise unknown_id(self, token)
        return bytes([token]) if token < 256 else bytes([SPACE, token - 256])
