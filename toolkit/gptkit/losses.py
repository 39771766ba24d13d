"""Losses of a whole text: a model's, and a baseline's."""

from __future__ import annotations

import msgspec


class Loss(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The loss of a whole text.

    Attributes:
        bytes, chars, tokens: of the text.
        lost_bytes: bytes that a lossy tokenizer's tokens do not spell; the losses include what it
            costs to restore them.
        nats_per_token: cannot be compared across tokenizers.
        bits_per_byte: can.
    """

    bytes: int
    chars: int
    tokens: int
    lost_bytes: int = 0
    nats_per_token: float
    nats_per_char: float
    bits_per_byte: float


class Baseline(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model without attention, or a compressor, on the same text.

    Attributes:
        tokenizer: whose ids are counted; None for a compressor.
        primer_bytes: bytes of the training text that a compressor knew; None for counts.
    """

    name: str
    bits_per_byte: float
    tokenizer: str | None = None
    primer_bytes: int | None = None
