"""The types of a loss and of a baseline."""

from __future__ import annotations

from typing import Annotated

import msgspec

Positive = Annotated[int, msgspec.Meta(gt=0)]


class Loss(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The loss of a whole text.

    Attributes:
        bytes, chars, tokens: the length of the text.
        lost_bytes: bytes of the text that the tokens do not spell; the losses include the cost
            of restoring them.
        nats_per_token: the mean loss of a token; it cannot be compared across tokenizers.
        bits_per_byte: the loss per byte; it can be compared.
    """

    bytes: Positive
    chars: Positive
    tokens: Positive
    lost_bytes: int = 0
    nats_per_token: float
    nats_per_char: float
    bits_per_byte: float


class Baseline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model without attention, or a compressor, on the same text.

    Attributes:
        tokenizer: the tokenizer whose ids are counted; None for a compressor.
        primer_bytes: bytes of training text that a compressor used; None for counts.
    """

    name: str
    bits_per_byte: float
    tokenizer: str | None = None
    primer_bytes: int | None = None
