"""The alphabet in which byte-level vocabularies write bytes: one visible character per byte.

A byte that prints in Latin-1 is its own character. The 68 others are the characters from U+0100
on, in order. Radford et al., "Language models are unsupervised multitask learners", 2019.
"""

from __future__ import annotations

_VISIBLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
_HIDDEN = [byte for byte in range(256) if byte not in _VISIBLE]
CHAR_OF = {byte: chr(byte) for byte in _VISIBLE}
CHAR_OF |= {byte: chr(0x100 + i) for i, byte in enumerate(_HIDDEN)}
BYTE_OF = {char: byte for byte, char in CHAR_OF.items()}


def spell(token: str) -> bytes:
    r"""Return the bytes that a byte-level token stands for.

    >>> spell("ĠtoĊ")
    b' to\n'
    """
    return bytes(BYTE_OF[char] for char in token)
