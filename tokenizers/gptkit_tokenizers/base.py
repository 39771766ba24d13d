"""The contract of every tokenizer: three members to write; this class has the rest.

A tokenizer has `vocab_size`, `encode` and `token_bytes`. A subclass may replace any other method by
a faster one that returns the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, TypeAlias

if TYPE_CHECKING:  # importing numpy takes 0.2 s, and `gptkit encode` does not need it
    import numpy as np


JsonObject: TypeAlias = dict[str, Any]  # as JSON is read and written


DECODED_AT_ONCE = 1_000_000  # ids; a Python object for each of a large text takes much memory


MAX_VOCAB_SIZE = 4_000_000  # ids; the largest published vocabularies have under 300,000


class TokenizerError(ValueError):
    """A text, an id or a spec that a tokenizer cannot take. Names the input and the remedy."""


class TokenizerWarning(UserWarning):
    """Something about a tokenizer that its user must know."""


class NeedsText(TokenizerError):
    """A tokenizer that is built from text was asked for without a text."""


class Tokenizer(ABC):
    """Text to ids and back. Text is ordinary text: `<|endoftext|>` is thirteen characters.

    Attributes:
        name: the spec, or a name given to the tokenizer; a plug-in without one has its entry
            point's.
        vocab_size: V; every id is in [0, V).
        rebuilds: whether `from_dict` makes the same tokenizer from what `to_dict` returns.
        context_free: whether an id spells the same bytes wherever it stands. If not, `token_bytes`
            gives as many bytes, and `decode_bytes` the right ones.
    """

    name: str = ""
    vocab_size: int
    rebuilds: bool = True
    context_free: bool = True

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """Return the ids of a text. Raises TokenizerError for a character it cannot spell."""

    @abstractmethod
    def token_bytes(self, token: int) -> bytes:
        """Return the bytes of one id; empty for an id that the vocabulary does not use."""

    @cached_property
    def all_token_bytes(self) -> list[bytes]:
        """The bytes of each id (V,)."""
        return [self.token_bytes(i) for i in range(self.vocab_size)]

    def encode_array(self, text: str) -> np.ndarray:
        """Return the ids of `encode` as an array (N,) in `id_dtype(vocab_size)`."""
        import numpy as np

        return np.array(self.encode(text), dtype=id_dtype(self.vocab_size))

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """Return the exact bytes that ids spell. Raises TokenizerError for an id outside [0, V)."""
        many: Any = ids if hasattr(ids, "tolist") else list(ids)
        parts = (many[i : i + DECODED_AT_ONCE] for i in range(0, len(many), DECODED_AT_ONCE))
        return b"".join(self._decode_part(part) for part in parts)

    def _decode_part(self, part: Any) -> bytes:
        ids = part.tolist() if hasattr(part, "tolist") else part
        for token in ids:
            if not 0 <= token < self.vocab_size:
                raise unknown_id(self, token)
        return b"".join(map(self.token_bytes, ids))

    def decode(self, ids: Iterable[int]) -> str:
        """Return the bytes as text; bytes that are not UTF-8 become U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def token_text(self, token: int) -> str:
        """Return how one id is shown in tables."""
        return self.token_bytes(token).decode("utf-8", errors="replace")

    def special_ids(self) -> frozenset[int]:
        """Return the ids that a trainer puts between texts, and that no plain text gives."""
        return frozenset()

    def to_tokenizer_json(self) -> bytes:
        """Return the content of a `tokenizer.json` that gives plain text the same ids.

        Raises:
            TokenizerError: Hugging Face's library has no such tokenizer.
        """
        raise TokenizerError(
            f"{self.name} cannot be written as a tokenizer.json: Hugging Face's library has none "
            "like it.\nThese can: char, char+bytes, byte, bpe:N, unigram:N, wordpiece:N, gpt2, "
            "tables of ranks, and any tokenizer.json."
        )

    def to_dict(self) -> JsonObject:
        """Return everything that `from_dict` needs as a JSON object; it has a "name"."""
        return {"name": self.name}

    @classmethod
    def from_dict(cls, data: JsonObject) -> Self:
        """Rebuild the tokenizer that `to_dict` described."""
        return cls()


def id_dtype(vocab_size: int) -> np.dtype:
    """Return the smallest unsigned dtype that holds the ids 0 to vocab_size - 1.

    >>> id_dtype(256), id_dtype(257)
    (dtype('uint8'), dtype('uint16'))
    """
    import numpy as np

    return np.min_scalar_type(max(vocab_size - 1, 0))


def utf8(text: str) -> bytes:
    r"""Return the text's UTF-8 bytes.

    Raises:
        TokenizerError: the text has a lone surrogate, half a character that UTF-8 cannot spell.

    >>> utf8("é")
    b'\xc3\xa9'
    """
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise TokenizerError(
            f"the text has a lone surrogate, U+{ord(text[error.start]):04X}, "
            f"at index {error.start}: half a character, which UTF-8 cannot spell.\n"
            'Remove it, or read the file again as UTF-8 with errors="replace".'
        ) from None


def unknown_id(tokenizer: Tokenizer, token: int) -> TokenizerError:
    return TokenizerError(
        f"id {token} is outside {tokenizer.name}'s vocabulary of {tokenizer.vocab_size} ids.\n"
        f"Its ids run from 0 to {tokenizer.vocab_size - 1}."
    )


def token_lengths(tokenizer: Tokenizer) -> np.ndarray:
    """Return the number of bytes that each id spells (V,)."""
    import numpy as np

    return np.array(list(map(len, tokenizer.all_token_bytes)), dtype=np.int64)
