"""The contract of every tokenizer: three members to write, everything else is here.

A tokenizer has `vocab_size`, `encode` and `token_bytes`. A subclass may replace any other method by
a faster one that returns the same.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:  # numpy takes a fifth of a second, which `gptkit encode` need not wait for
    import numpy as np


class TokenizerError(ValueError):
    """A text, an id or a spec that a tokenizer cannot take. Names the input and the remedy."""


class NeedsText(TokenizerError):
    """A tokenizer that is built from text was asked for without any."""


class Tokenizer(ABC):
    """Text <-> ids. Text is ordinary text: `<|endoftext|>` in it is thirteen characters.

    Attributes:
        name: its spec, or the name it is given.
        vocab_size: V; every id is in [0, V).
        rebuilds: whether `from_dict` makes the same tokenizer from what `to_dict` returns.
    """

    name: str
    vocab_size: int
    rebuilds: bool = True

    @abstractmethod
    def encode(self, text: str) -> list[int]:
        """The ids of a text. Raises TokenizerError where it cannot spell a character."""

    @abstractmethod
    def token_bytes(self, token: int) -> bytes:
        """The bytes of one id; empty for a number that the vocabulary leaves unassigned."""

    def encode_array(self, text: str) -> np.ndarray:
        """The ids of `encode` as an array (N,) in `id_dtype(vocab_size)`."""
        import numpy as np

        return np.array(self.encode(text), dtype=id_dtype(self.vocab_size))

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The exact bytes that ids spell. Raises TokenizerError for an id outside [0, V)."""
        ids = ids.tolist() if hasattr(ids, "tolist") else ids
        return b"".join(map(self.token_bytes, ids))

    def decode(self, ids: Iterable[int]) -> str:
        """The bytes as text. Lossy: bytes that are not UTF-8 become U+FFFD."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def to_dict(self) -> dict[str, Any]:
        """Everything that `from_dict` needs, as JSON; "name" is in it."""
        return {"name": self.name}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        """The tokenizer that `to_dict` described."""
        return cls()


def id_dtype(vocab_size: int) -> np.dtype:
    """The smallest unsigned dtype that holds the ids 0 to vocab_size - 1.

    >>> id_dtype(256), id_dtype(257)
    (dtype('uint8'), dtype('uint16'))
    """
    import numpy as np

    return np.min_scalar_type(max(vocab_size - 1, 0))


def utf8(text: str) -> bytes:
    r"""The text's UTF-8 bytes.

    Raises:
        TokenizerError: for a lone surrogate, half a character that no UTF-8 can spell.

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
    """The UTF-8 bytes that each id spells (V,), from which text is weighed in bytes."""
    import numpy as np

    return np.array(
        [len(tokenizer.token_bytes(i)) for i in range(tokenizer.vocab_size)], dtype=np.int64
    )
