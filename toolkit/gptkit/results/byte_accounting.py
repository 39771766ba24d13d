"""The types of what `gptkit bytes` finds."""

from __future__ import annotations

import msgspec


class Cause(msgspec.Struct, frozen=True, kw_only=True):
    """Ids of a table that are wrong in one way.

    Attributes:
        ids: how many ids of the text.
        occurrences: how often they occur in the text.
        bytes: the bytes that the table has too many (or, negative, too few) in the text.
    """

    name: str
    ids: int
    occurrences: int
    bytes: int


class WrongId(msgspec.Struct, frozen=True, kw_only=True):
    """An id whose entry is wrong: its bytes in hexadecimal, and their true and given number."""

    id: int
    hex: str
    text: str
    true: int
    given: int
    occurrences: int
    cause: str


class ByteCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with a table.

    Attributes:
        file: the table.
        entries: ids that it has bytes for.
        table_bytes: the bytes of the text by this table.
        error: how wrong bits per byte are that divide by these: 0.02 is 2 % too high.
        causes: the kinds of wrong ids, that with most bytes first.
        worst: the wrong ids with the most bytes.
        unused_with_bytes: ids that spell nothing, such as special tokens, that have bytes in the
            table. They count where a text has them.
        zero: occurrences of ids that spell bytes and have none in the table. A loss that leaves
            such ids out of its sum is wrong by another amount.
    """

    file: str
    entries: int
    table_bytes: int
    error: float
    causes: list[Cause]
    worst: list[WrongId]
    unused_with_bytes: int
    zero: int


class ByteAccount(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of a text under a tokenizer.

    Attributes:
        text_bytes: UTF-8 bytes of the text.
        spelled_bytes: bytes that its tokens spell; fewer or more if the tokenizer is lossy.
        partial_ids: ids of the text whose bytes are no whole characters.
        partial_tokens: how often these occur.
        empty_ids: ids of the vocabulary that spell nothing; special ones are among them, because
            the text between which they stand does not have them.
    """

    tokenizer: str
    text: str
    vocab_size: int
    tokens: int
    used_ids: int
    text_bytes: int
    spelled_bytes: int
    partial_ids: int
    partial_tokens: int
    empty_ids: int
    check: ByteCheck | None = None
