"""The contract every tokenizer keeps, and the error they raise."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

if TYPE_CHECKING:  # numpy takes a fifth of a second, which `gptkit encode` need not wait for
    import numpy as np


class TokenizerError(ValueError):
    """A text, an id or a spec that a tokenizer cannot take. Names the input and the remedy."""


class NeedsText(TokenizerError):
    """A tokenizer that is built from text was asked for without any."""


@runtime_checkable
class Tokenizer(Protocol):
    """Text <-> ids. A text is ordinary text: `<|endoftext|>` is thirteen characters of it.

    Attributes:
        name: the spec that rebuilds it, as `get_tokenizer` takes it.
        vocab_size: V; every id is in [0, V).
    """

    name: str
    vocab_size: int

    def encode(self, text: str) -> list[int]:
        """The ids of a text. Raises TokenizerError where it cannot spell a character."""
        ...

    def encode_array(self, text: str) -> np.ndarray:
        """The same ids (N,) in `id_dtype(vocab_size)`, at array speed."""
        ...

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The exact bytes that ids spell: the primitive. Raises TokenizerError outside [0, V)."""
        ...

    def decode(self, ids: Iterable[int]) -> str:
        """The bytes as text. Lossy: bytes that are not UTF-8 become U+FFFD."""
        ...

    def token_bytes(self, token: int) -> bytes:
        """The bytes of one id; empty for a number that the vocabulary leaves unassigned."""
        ...

    def to_dict(self) -> dict[str, Any]:
        """All that `from_dict` needs, as JSON; "name" among it."""
        ...

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self: ...


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
