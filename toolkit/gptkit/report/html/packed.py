r"""Pack whole numbers into a string for a page: one character for each small number.

The characters are those of ASCII from "#" on that need no escape in JSON or in a script: all but
"<" and "\".
"""

from __future__ import annotations

from collections.abc import Iterable

ALPHABET = "".join(chr(c) for c in range(0x23, 0x7F) if chr(c) not in "<\\")
BASE = len(ALPHABET)
MARK = ALPHABET[-1]  # three characters follow, for a number from BASE - 1 on
MOST = BASE**3 - 1


def pack(numbers: Iterable[int]) -> str:
    """Pack numbers from 0 to `MOST`; larger ones are written as `MOST`.

    >>> pack([0, 1, 88, 89, 8100])
    '#$}~##~~$##'
    """
    return "".join(_PACKED[n] if n < BASE - 1 else _large(min(int(n), MOST)) for n in numbers)


_PACKED = {n: ALPHABET[n] for n in range(BASE - 1)}


def _large(n: int) -> str:
    digits = (n // BASE**2, n // BASE % BASE, n % BASE)
    return MARK + "".join(ALPHABET[digit] for digit in digits)
