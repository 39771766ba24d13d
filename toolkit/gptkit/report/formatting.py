"""Format texts and counts for people."""

from __future__ import annotations

# Control characters as the pictures Unicode has for them, so that no sample can drive a terminal.
_PICTURES = {c: 0x2400 + c for c in range(0x20) if c != 0x0A}
_PICTURES |= {0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)
# Marks that reorder the text around them, on a terminal or a page.
_PICTURES |= dict.fromkeys([0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)], 0xFFFD)


def printable(text: str) -> str:
    r"""Make control characters of a text visible; line breaks stay.

    >>> printable("a\x1b[31mb\tc\n")
    'a␛[31mb␉c\n'
    """
    return text.translate(_PICTURES)


def visible(piece: str, *, most: int | None = None) -> str:
    r"""Make every character of a token's text visible, so that its borders can be seen.

    >>> visible(" the\n"), visible("-" * 64, most=12)
    ('·the␊', '-----------…')
    """
    text = printable(piece).replace(" ", "·").replace("\n", "␊")
    return text if most is None or len(text) <= most else text[: most - 1] + "…"


def short(number: float) -> str:
    """Write a count in at most four characters.

    >>> [short(n) for n in (0, 65, 12_345, 786_432, 6_432_896, 2_525_766_049, 2.1e12)]
    ['0', '65', '12k', '786k', '6.4M', '2.5G', '2.1T']
    """
    for size, unit in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if number >= size * 0.9995:
            scaled = number / size
            return f"{scaled:.{1 if scaled < 9.95 else 0}f}{unit}"
    return f"{number:.0f}"


def duration(seconds: float) -> str:
    """Write a duration in seconds, minutes, hours or days.

    >>> duration(63), duration(600), duration(20_000), duration(400_000)
    ('63 s', '10 min', '5.6 h', '4.6 days')
    """
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 2 * 86_400 else f"{seconds / 86_400:.1f} days"
