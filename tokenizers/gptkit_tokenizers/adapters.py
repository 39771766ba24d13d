"""Adapt tokenizer objects of other libraries, and any object with the three members."""

from __future__ import annotations

import re
from typing import Any

from gptkit_tokenizers.base import JsonObject, Tokenizer, TokenizerError, unknown_id, utf8
from gptkit_tokenizers.spec import spec_name

MEMBERS = ("vocab_size", "encode", "token_bytes")


class ObjectTokenizer(Tokenizer):
    """Any object with `vocab_size`, `encode(text)` and `token_bytes(id)`.

    Only these three members of the object are used.
    """

    rebuilds = False

    def __init__(self, wrapped: Any, name: str) -> None:
        missing = [member for member in MEMBERS if not hasattr(wrapped, member)]
        if missing:
            raise TokenizerError(
                f"{name!r} is not a tokenizer: {_kind(wrapped)} has no {', '.join(missing)}.\n"
                "Give a spec such as gpt2, a tiktoken.Encoding, a tokenizers.Tokenizer, a "
                f"SentencePieceProcessor, or an object with {', '.join(MEMBERS)}."
            )
        self.wrapped = wrapped
        self.name = name
        self.vocab_size = wrapped.vocab_size

    def encode(self, text: str) -> list[int]:
        utf8(text)
        return list(self.wrapped.encode(text))

    def token_bytes(self, token: int) -> bytes:
        if not 0 <= token < self.vocab_size:
            raise unknown_id(self, token)
        return self.wrapped.token_bytes(token)

    def to_dict(self) -> JsonObject:
        return {"name": self.name, "object": _kind(self.wrapped)}


def adapt(tokenizer: Any, name: str | None = None) -> Tokenizer:
    """Adapt a tokenizer object to a `Tokenizer`.

    Args:
        tokenizer: a `Tokenizer`; a `tiktoken.Encoding`, a `tokenizers.Tokenizer`, a fast tokenizer
            of transformers, a `sentencepiece.SentencePieceProcessor`, a `rustbpe.Tokenizer`; or any
            object with the three members.
        name: its name in tables; None for the object's own name.

    Raises:
        TokenizerError: the object is not a tokenizer.
    """
    if isinstance(tokenizer, Tokenizer):
        tokenizer.name = tokenizer.name or name or _own_name(tokenizer)
        return tokenizer
    kind = _kind(tokenizer)
    name = name or _own_name(tokenizer)
    if kind == "tiktoken.core.Encoding":
        from gptkit_tokenizers.bpe import TiktokenTokenizer

        return TiktokenTokenizer.from_encoding(tokenizer, name)
    tokenizer = getattr(tokenizer, "backend_tokenizer", tokenizer)  # of transformers
    if _kind(tokenizer) == "tokenizers.Tokenizer":
        from gptkit_tokenizers.huggingface import HuggingFaceTokenizer

        return HuggingFaceTokenizer(name, tokenizer.to_str().encode())
    if hasattr(tokenizer, "get_mergeable_ranks") and hasattr(tokenizer, "get_pattern"):  # rustbpe
        from gptkit_tokenizers.bpe import TiktokenTokenizer

        ranks = {bytes(token): rank for token, rank in tokenizer.get_mergeable_ranks()}
        return TiktokenTokenizer(name, ranks, pattern=tokenizer.get_pattern())
    if kind.endswith(".SentencePieceProcessor"):
        from gptkit_tokenizers.sentencepiece_model import SentencePieceTokenizer

        return SentencePieceTokenizer(name, tokenizer.serialized_model_proto())
    return ObjectTokenizer(tokenizer, name)


def name_of(tokenizer: Any) -> str:
    """Return the name of a spec or an object in tables."""
    return spec_name(tokenizer) if isinstance(tokenizer, str) else _own_name(tokenizer)


def _own_name(tokenizer: Any) -> str:
    own = getattr(tokenizer, "name", None)
    if isinstance(own, str) and own:
        return own
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(tokenizer).__name__).lower()


def _kind(tokenizer: Any) -> str:
    return f"{type(tokenizer).__module__}.{type(tokenizer).__qualname__}"
