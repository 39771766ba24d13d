"""One id per character of a corpus, and optionally one per byte for all other characters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import numpy as np

from gptkit_tokenizers.base import JsonObject, Tokenizer, TokenizerError, id_dtype, unknown_id, utf8
from gptkit_tokenizers.chunking import encode_in_chunks


class CharTokenizer(Tokenizer):
    """Ids are the ranks of the characters in code-point order, as in the lecture.

    With `byte_fallback` (the spec `char+bytes`), 256 ids for bytes follow. They spell the UTF-8
    of any character outside the alphabet.

    >>> char = CharTokenizer.from_text("hello")
    >>> char.vocab_size, char.encode("hole")
    (4, [1, 3, 2, 0])
    >>> CharTokenizer.from_text("hello", byte_fallback=True).encode("hé")
    [1, 199, 173]
    """

    def __init__(self, alphabet: str, *, byte_fallback: bool = False) -> None:
        self.alphabet = alphabet
        self.byte_fallback = byte_fallback
        self.name = "char+bytes" if byte_fallback else "char"
        self.vocab_size = len(alphabet) + (256 if byte_fallback else 0)
        self._code_points = _code_points(alphabet)
        self._unknown = self.vocab_size
        top = int(self._code_points.max(initial=0)) + 2  # the last is for all higher ones
        self._table = np.full(top, self._unknown, dtype=id_dtype(self.vocab_size + 1))
        self._table[self._code_points] = np.arange(len(alphabet))

    @classmethod
    def from_text(cls, text: str, *, byte_fallback: bool = False) -> Self:
        """Take the alphabet from a text. Raises TokenizerError for a lone surrogate."""
        alphabet = "".join(sorted(set(text)))
        utf8(alphabet)
        return cls(alphabet, byte_fallback=byte_fallback)

    def encode(self, text: str) -> list[int]:
        return self.encode_array(text).tolist()

    def encode_array(self, text: str) -> np.ndarray:
        return encode_in_chunks(text, self._encode_chunk)

    def _encode_chunk(self, text: str) -> np.ndarray:
        if text.isascii():
            points = np.frombuffer(text.encode("ascii"), dtype=np.uint8)
        else:
            points = _code_points(text)
        ids = np.take(self._table, points, mode="clip")
        unknown = ids == self._unknown
        if unknown.any():
            if not self.byte_fallback:
                raise self._cannot_encode(text, int(unknown.argmax()))
            ids = self._spell_in_bytes(points, ids, unknown)
        return ids.astype(id_dtype(self.vocab_size), copy=False)

    def _spell_in_bytes(
        self, points: np.ndarray, ids: np.ndarray, unknown: np.ndarray
    ) -> np.ndarray:
        lost = points[unknown].astype("<u4")
        spelled = np.frombuffer(utf8(lost.tobytes().decode("utf-32-le")), dtype=np.uint8)
        n_bytes = 1 + (lost > 0x7F).astype(int) + (lost > 0x7FF) + (lost > 0xFFFF)
        repeats = np.ones(len(ids), dtype=int)
        repeats[unknown] = n_bytes
        ids = np.repeat(ids, repeats)
        ids[np.repeat(unknown, repeats)] = spelled.astype(ids.dtype) + len(self.alphabet)
        return ids

    def _cannot_encode(self, text: str, index: int) -> TokenizerError:
        char = text[index]
        return TokenizerError(
            f"char cannot encode {char!r} (U+{ord(char):04X}) at index {index}: "
            "the corpus it was built from never uses it.\n"
            "Use char+bytes or byte, which can spell any text, or build char from text that has it."
        )

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        array = np.fromiter(ids, dtype=np.int64) if not isinstance(ids, np.ndarray) else ids
        outside = (array < 0) | (array >= self.vocab_size)
        if outside.any():
            raise unknown_id(self, int(array[outside][0]))
        n = len(self.alphabet)
        if not (array >= n).any():
            return self._code_points[array].tobytes().decode("utf-32-le").encode()
        return b"".join(self.token_bytes(i) for i in array.tolist())

    def token_bytes(self, token: int) -> bytes:
        if not 0 <= token < self.vocab_size:
            raise unknown_id(self, token)
        n = len(self.alphabet)
        return self.alphabet[token].encode() if token < n else bytes([token - n])

    def to_tokenizer_json(self) -> bytes:
        """Each character is a word. An unknown one is an error, or is spelled in bytes."""
        from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers

        vocab = {char: i for i, char in enumerate(self.alphabet)}
        if self.byte_fallback:
            vocab |= {f"<0x{byte:02X}>": len(self.alphabet) + byte for byte in range(256)}
            tokenizer = Tokenizer(models.BPE(vocab, [], byte_fallback=True))
            tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
        else:
            tokenizer = Tokenizer(models.WordLevel(vocab, unk_token=""))
            tokenizer.decoder = decoders.Fuse()
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
        return tokenizer.to_str().encode()

    def to_dict(self) -> JsonObject:
        return {"name": self.name, "alphabet": self.alphabet, "byte_fallback": self.byte_fallback}

    @classmethod
    def from_dict(cls, data: JsonObject) -> Self:
        tokenizer = cls(data["alphabet"], byte_fallback=data.get("byte_fallback", False))
        tokenizer.name = data["name"]
        return tokenizer


def _code_points(text: str) -> np.ndarray:
    try:
        return np.frombuffer(text.encode("utf-32-le"), dtype="<u4")
    except UnicodeEncodeError:
        utf8(text)  # says which character and where
        raise
