"""Turn whatever a tokenizer library raises while it encodes into a TokenizerError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gptkit_tokenizers.base import TokenizerError


@contextmanager
def encoding_errors(name: str) -> Iterator[None]:
    """Raise a TokenizerError for any error of a library, and for a panic of its Rust code.

    A panic arrives as pyo3's PanicException, which is a BaseException.
    """
    try:
        yield
    except (TokenizerError, MemoryError):
        raise
    except BaseException as error:
        if not is_library_error(error):
            raise
        reason = (str(error) or type(error).__name__).splitlines()[0]
        if "[UNK]" in reason:
            reason = (
                "it has a character without a token, and the tokenizer has no unknown token.\n"
                "Use one that spells any text, such as byte, bpe:N or gpt2, or another text."
            )
        raise TokenizerError(f"{name} cannot encode this text: {reason}") from None


def is_library_error(error: BaseException) -> bool:
    return isinstance(error, Exception) or type(error).__name__ == "PanicException"
